"""Making and changing templates: upload, versions, tags, settings, deletion. For their owners and for admins."""

import re
from typing import Annotated, Any

from fastapi import APIRouter, Path, Request, Response
from pydantic_core import to_json

from app.api import template_schemas as schemas
from app.api.access import MULTIPART, Caller, GuardedRoute, allow, takes_files
from app.api.errors import DOCUMENT_FAILED
from app.api.intake import only_waiting
from app.api.openapi import BODY, FILE, errors
from app.api.preconditions import etag, required_versions
from app.api.template_forms import upload_form
from app.api.templates import TEMPLATE, Whose, template_response
from app.api.users import services
from app.services.template_changes import Made
from contracts.errors import Invalid
from contracts.templates import ArchiveLimits

router = APIRouter(tags=["templates"], route_class=GuardedRoute)
CHANGE = ("not_found", "shipped_template", "version_mismatch", "queue_full")
CHECK = ("no_generator", "too_many_renders", "storage_unavailable", "queue_full", *DOCUMENT_FAILED)
TAG = re.compile(r"(?![0-9]+$)[A-Za-z0-9._-]{1,64}")
TagName = Annotated[str, Path(description="1 to 64 of a-z, A-Z, 0-9, dot, underscore and hyphen; not only digits")]


def form_of(model: type[schemas.UploadForm] | type[schemas.VersionForm]) -> dict[str, Any]:
    """Describe the parts of an upload, the file as bytes."""
    schema = model.model_json_schema()
    (example,) = schema.pop("examples")
    schema["properties"]["file"] |= {"format": "binary"}
    content = {MULTIPART: {"schema": schema, "examples": {"example": {"value": example}}}}
    return {"requestBody": {"required": True, "content": content}}


@router.post(
    "/v1/templates",
    status_code=201,
    response_model=schemas.TemplateMade,
    responses=errors(*FILE, "name_taken", "name_reserved", "too_many_templates", *CHECK),
    openapi_extra=form_of(schemas.UploadForm),
)
@allow("admin", "member")
@takes_files
async def create_template(request: Request, caller: Caller) -> Response:
    """Upload a template: it is compiled and its sample rendered at once. Its first version is `production`."""
    async with upload_form(request, _limits(request)) as form:
        name, new = form.name(), form.new_version()
        if form.publish() is False:
            raise Invalid.at("/publish", "The first version is always published.")
        with only_waiting(request):
            made = await services(request).template_changes.create(caller, name, new)
    return _made(made)


@router.post(
    TEMPLATE + "/versions",
    status_code=201,
    response_model=schemas.TemplateMade,
    responses=errors(*FILE, "not_found", "shipped_template", "name_taken", "too_many_versions", *CHECK),
    openapi_extra=form_of(schemas.VersionForm),
)
@allow("admin", "member")
@takes_files
async def create_template_version(request: Request, name: str, query: Whose, caller: Caller) -> Response:
    """Upload the next version, checked like the first. With `publish` documents are made from it from now on."""
    head = await services(request).templates.get(name, caller, query.owner_id)
    async with upload_form(request, _limits(request)) as form:
        form.require_name(name)
        with only_waiting(request):
            made = await services(request).template_changes.add_version(caller, head, form.new_version())
    return _made(made)


@router.patch(
    TEMPLATE, response_model=schemas.Template, responses=errors(*CHANGE, *BODY, "name_taken", "too_many_documents")
)
@allow("admin", "member")
async def change_template(
    request: Request, name: str, query: Whose, body: schemas.TemplateChanges, caller: Caller
) -> Response:
    """Change what is no version's own. With If-Match only if nobody changed it since."""
    head = await services(request).templates.get(name, caller, query.owner_id)
    changes, revisions = body.model_dump(exclude_unset=True), required_versions(request)
    return template_response(await services(request).template_changes.change(caller, head, changes, revisions))


@router.delete(TEMPLATE, status_code=204, responses=errors(*CHANGE))
@allow("admin", "member")
async def delete_template(request: Request, name: str, query: Whose, caller: Caller) -> Response:
    """Delete a template. Its documents stay; its owner may use the name again, its version numbers never recur."""
    head = await services(request).templates.get(name, caller, query.owner_id)
    await services(request).template_changes.delete(caller, head, required_versions(request))
    return Response(status_code=204)


@router.put(TEMPLATE + "/tags/{tag}", response_model=schemas.Template, responses=errors(*CHANGE, *BODY))
@allow("admin", "member")
async def put_template_tag(
    request: Request, name: str, tag: TagName, query: Whose, body: schemas.TaggedVersion, caller: Caller
) -> Response:
    """Let a tag name a version; moving `production` publishes it, or rolls back to it."""
    head = await services(request).templates.get(name, caller, query.owner_id)
    if not TAG.fullmatch(tag):
        raise Invalid.at("/tag", "A tag has 1 to 64 of a-z, A-Z, 0-9, dot, underscore and hyphen, not only digits.")
    revisions = required_versions(request)
    return template_response(await services(request).template_changes.tag(caller, head, tag, body.version, revisions))


@router.delete(TEMPLATE + "/tags/{tag}", status_code=204, responses=errors(*CHANGE, "production_needed"))
@allow("admin", "member")
async def delete_template_tag(request: Request, name: str, tag: TagName, query: Whose, caller: Caller) -> Response:
    """Remove a tag; its version stays. `production` can only be moved."""
    head = await services(request).templates.get(name, caller, query.owner_id)
    await services(request).template_changes.untag(caller, head, tag, required_versions(request))
    return Response(status_code=204)


def _limits(request: Request) -> ArchiveLimits:
    settings = request.app.state.settings
    return ArchiveLimits(entries=settings.max_template_files, total_bytes=settings.max_template_bytes)


def _made(made: Made) -> Response:
    headers = {"Location": f"/v1/templates/{made.head.name}", "ETag": etag(made.head.revision)}
    body = to_json(schemas.made_view(made.head, made.version, made.verdict))
    return Response(body, 201, headers, media_type="application/json")
