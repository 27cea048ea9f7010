"""Templates: what there is to make documents from. Uploading own ones is a later capability."""

from typing import Annotated

from fastapi import APIRouter, Query, Request, Response
from pydantic_core import to_json

from app.api import schemas
from app.api.access import EVERYONE, Caller, GuardedRoute, allow
from app.api.examples import DATA_SCHEMA
from app.api.openapi import errors, listing
from app.api.paging import Pager, list_response
from app.api.users import services
from contracts.cursors import Position
from contracts.errors import NotFound
from contracts.ids import name_id, rfc3339
from contracts.templates import TemplateHead

SCHEMA = {"application/json": {"schema": {"type": "object"}, "examples": {"example": {"value": DATA_SCHEMA}}}}
router = APIRouter(tags=["templates"], route_class=GuardedRoute)


@router.get("/v1/templates", response_model=schemas.TemplateList, responses=listing())
@allow(*EVERYONE)
async def list_templates(request: Request, query: Annotated[schemas.PageQuery, Query()], caller: Caller) -> Response:
    """List the templates that the caller may use, newest first, with sample data."""
    owner = None if caller.role == "admin" else caller.user.user_id
    pager = Pager.of(request.app.state.cursor_key, f"templates for {owner}", {})
    position = pager.position(query.cursor)
    heads = sorted(await services(request).templates.visible(owner), key=_order, reverse=True)
    if position is not None:
        heads = [head for head in heads if _order(head) < position]
    following = _order(heads[query.limit - 1]) if len(heads) > query.limit else None
    items: list[object] = [template_view(head) for head in heads[: query.limit]]
    return list_response(request, items, pager.cursor(following))


@router.get("/v1/templates/{name}", response_model=schemas.Template, responses=errors("not_found"))
@allow(*EVERYONE)
async def get_template(request: Request, name: str, caller: Caller) -> Response:
    """Read a template."""
    head = await services(request).templates.get(name, caller.user.user_id)
    return Response(to_json(template_view(head)), media_type="application/json")


@router.get("/v1/templates/{name}/schema", responses=errors("not_found") | {200: {"content": SCHEMA}})
@allow(*EVERYONE)
async def get_template_schema(request: Request, name: str, caller: Caller) -> Response:
    """Read the JSON Schema (2020-12) that a template's data must fit; 404 if it takes any data."""
    schema = (await services(request).templates.get(name, caller.user.user_id)).data_schema
    if schema is None:
        raise NotFound("schema")
    return Response(to_json(schema), media_type="application/json")


def template_view(head: TemplateHead) -> dict[str, object]:
    return {
        "name": head.name,
        "owner_id": str(head.owner_id) if head.owner_id else None,
        "visibility": head.visibility,
        "engine": head.engine,
        "formats": list(head.formats),
        "versions": len(head.versions),
        "tags": head.tags,
        "title": head.title or None,
        "description": head.description or None,
        "sample": head.sample,
        "created_at": rfc3339(head.created_at),
        "updated_at": rfc3339(head.updated_at),
    }


def _order(head: TemplateHead) -> Position:
    """Order by creation; the id stands for the name, so that the order is total."""
    return head.created_at, name_id(f"{head.owner_id or ''}/{head.name}")
