"""Templates: what there is to make documents from, its versions, their sources and the data they take."""

import re
from typing import Annotated

from fastapi import APIRouter, Path, Query, Request, Response
from pydantic_core import to_json

from app.api import template_schemas as schemas
from app.api.access import EVERYONE, Caller, GuardedRoute, allow
from app.api.content import disposition
from app.api.examples import DATA_SCHEMA
from app.api.openapi import BINARY, errors, listing
from app.api.paging import Pager, Shelf, list_response
from app.api.preconditions import etag, unchanged
from app.api.schemas import PageQuery
from app.api.users import services
from contracts.cursors import Position
from contracts.errors import NotFound
from contracts.templates import TemplateHead

SCHEMA = {"application/json": {"schema": {"type": "object"}, "examples": {"example": {"value": DATA_SCHEMA}}}}
SCHEMA_HEADERS = {"Presswork-Schema": {"description": "`given` or `inferred`", "schema": {"type": "string"}}}
SOURCES = {media_type: BINARY for media_type in ("application/zip", "text/plain", "application/octet-stream")}
TEMPLATE = "/v1/templates/{name}"
VERSION = TEMPLATE + "/versions/{number}"
NUMBER = re.compile(r"[1-9][0-9]{0,8}")
Number = Annotated[str, Path(description="A version's number")]
Whose = Annotated[schemas.OwnerQuery, Query()]
router = APIRouter(tags=["templates"], route_class=GuardedRoute)


@router.get("/v1/templates", response_model=schemas.TemplateList, responses=listing())
@allow(*EVERYONE)
async def list_templates(request: Request, query: Annotated[PageQuery, Query()], caller: Caller) -> Response:
    """List the templates that the caller may use (an admin: everyone's), newest first, with sample data."""
    owner = None if caller.sees_all() else caller.user.user_id
    pager = Pager.of(request.app.state.cursor_key, f"templates for {owner}", {})
    shelf = Shelf(await services(request).templates.visible(owner), _order, schemas.template_view)
    return shelf.page(request, pager, query.cursor, query.limit)


@router.get(
    TEMPLATE,
    response_model=schemas.Template,
    responses=errors("not_found") | {304: {"description": "Unchanged"}},
)
@allow(*EVERYONE)
async def get_template(request: Request, name: str, query: Whose, caller: Caller) -> Response:
    """Read a template."""
    head = await services(request).templates.get(name, caller, query.owner_id)
    tag = etag(head.revision)
    if head.owner_id is not None and unchanged(request, tag):
        return Response(status_code=304, headers={"ETag": tag})
    return template_response(head)


@router.get(TEMPLATE + "/versions", response_model=schemas.VersionList, responses=listing("not_found"))
@allow(*EVERYONE)
async def list_template_versions(
    request: Request, name: str, query: Annotated[schemas.VersionQuery, Query()], caller: Caller
) -> Response:
    """List a template's versions, newest first."""
    head = await services(request).templates.get(name, caller, query.owner_id)
    pager = Pager.of(request.app.state.cursor_key, f"versions of {head.template_id}", {})
    position = pager.position(query.cursor)
    versions = [known for known in reversed(head.versions) if position is None or known.version < position[0]]
    items: list[object] = [schemas.version_view(head, known) for known in versions[: query.limit]]
    following = (versions[query.limit - 1].version, head.template_id) if len(versions) > query.limit else None
    return list_response(request, items, pager.cursor(following))


@router.get(VERSION, response_model=schemas.Version, responses=errors("not_found"))
@allow(*EVERYONE)
async def get_template_version(request: Request, name: str, number: Number, query: Whose, caller: Caller) -> Response:
    """Read a version."""
    head = await services(request).templates.get(name, caller, query.owner_id)
    known = head.version(_number(number))
    if known is None:
        raise NotFound("version")
    return Response(to_json(schemas.version_view(head, known)), media_type="application/json")


@router.get(
    VERSION + "/source",
    response_class=Response,
    responses=errors("not_found", "storage_unavailable")
    | {200: {"description": "The file; a zip if there are several", "content": SOURCES}},
)
@allow(*EVERYONE)
async def get_template_source(request: Request, name: str, number: Number, query: Whose, caller: Caller) -> Response:
    """Download what a version was made of: its sole file, or a zip that can be uploaded again."""
    head = await services(request).templates.get(name, caller, query.owner_id)
    source = await services(request).templates.source(head, _number(number))
    headers = {
        "Content-Disposition": disposition(source.filename),
        "Content-Security-Policy": "sandbox; default-src 'none'",
        "X-Content-Type-Options": "nosniff",
    }
    return Response(source.content, headers=headers, media_type=source.media_type)


@router.get(TEMPLATE + "/schema", responses=errors("not_found") | {200: {"content": SCHEMA, "headers": SCHEMA_HEADERS}})
@allow(*EVERYONE)
async def get_template_schema(request: Request, name: str, query: Whose, caller: Caller) -> Response:
    """Read the JSON Schema (2020-12) of a template's data: the given one, else what `production` was inferred to take.

    404 if neither is there: then it takes any data.
    """
    head = await services(request).templates.get(name, caller, query.owner_id)
    schema, given = await services(request).templates.schema(head)
    headers = {"Presswork-Schema": "given" if given else "inferred"}
    return Response(to_json(schema), headers=headers, media_type="application/json")


def _number(text: str) -> int:
    """Read a version's number. Raises NotFound: what cannot be one is none."""
    if not NUMBER.fullmatch(text):
        raise NotFound("version")
    return int(text)


def template_response(head: TemplateHead) -> Response:
    """Answer with a template; those that can be changed have an ETag."""
    headers = {"ETag": etag(head.revision)} if head.owner_id is not None else {}
    return Response(to_json(schemas.template_view(head)), headers=headers, media_type="application/json")


def _order(head: TemplateHead) -> Position:
    """Order by creation; the id stands for the name, so that the order is total."""
    return head.created_at, head.template_id
