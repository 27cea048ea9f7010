"""Rendering on the spot: the bytes are the answer, nothing is stored, and who hangs up is not served."""

import asyncio
import json
from typing import Annotated

from fastapi import APIRouter, Body, Request, Response

from app.api import document_schemas as schemas
from app.api.access import Caller, GuardedRoute, allow
from app.api.content import disposition
from app.api.document_requests import job_of
from app.api.errors import DOCUMENT_FAILED
from app.api.examples import RENDER_REQUESTS
from app.api.intake import only_waiting
from app.api.openapi import BODY, BYTES, errors
from app.api.users import services
from contracts.documents import Warned
from contracts.workbench import Rendering

router = APIRouter(tags=["templates"], route_class=GuardedRoute)
#: Proxies take headers of 8 KiB in all; longer lists of warnings end with how many there are besides.
WARNINGS_BYTES = 4000
TEXT = {"schema": {"type": "string"}}
HEADERS = {
    "Content-Disposition": {"description": "The file's name", **TEXT},
    "Presswork-Pages": {"description": "How many pages it has, where the format has pages", **TEXT},
    "Presswork-Warnings": {"description": "JSON: a list of `code` and `message`, if there are any", **TEXT},
}
BUSY = ("too_many_renders", "too_many_documents", "no_generator", "queue_full", "storage_unavailable")


@router.post(
    "/v1/render",
    response_class=Response,
    responses=errors(*BODY, *BUSY, *DOCUMENT_FAILED)
    | {200: {"description": "The bytes", "content": BYTES, "headers": HEADERS}},
)
@allow("admin", "member")
async def render_now(
    request: Request,
    body: Annotated[schemas.RenderRequest, Body(openapi_examples=RENDER_REQUESTS)],
    caller: Caller,
) -> Response:
    """Make a document and answer with its bytes. Nothing is stored: what shall not get lost is a document."""
    job = job_of(body.as_document(), caller, request.app.state.settings, request.state.request_id)
    working = asyncio.create_task(services(request).renders.render(job, body.template))
    hanging_up = asyncio.create_task(_hung_up(request))
    try:
        with only_waiting(request):
            await asyncio.wait({working, hanging_up}, return_when=asyncio.FIRST_COMPLETED)
        if not working.done():
            return Response(status_code=499)  # nobody reads it
        rendering, content = working.result()
    finally:
        hanging_up.cancel()
        working.cancel()
        await asyncio.gather(hanging_up, working, return_exceptions=True)
    return Response(content, 200, _headers(rendering, job.filename), rendering.content_type)


async def _hung_up(request: Request) -> None:
    while (await request.receive())["type"] != "http.disconnect":
        continue


def _headers(rendering: Rendering, filename: str) -> dict[str, str]:
    headers = {
        "Content-Disposition": disposition(filename),
        "Content-Security-Policy": "sandbox; default-src 'none'",
        "X-Content-Type-Options": "nosniff",
        "Cache-Control": "no-store",
    }
    if rendering.pages is not None:
        headers["Presswork-Pages"] = str(rendering.pages)
    if rendering.warnings:
        headers["Presswork-Warnings"] = warnings_header(rendering.warnings)
    return headers


def warnings_header(warnings: tuple[Warned, ...]) -> str:
    """Write warnings as JSON in ASCII; those that do not fit are counted."""
    shown: list[dict[str, str]] = []
    for number, warned in enumerate(warnings):
        more = {"code": "more", "message": f"{len(warnings) - number} more warnings are left out."}
        text = json.dumps([*shown, {"code": warned.code, "message": warned.message}])
        if len(text) + len(json.dumps(more)) > WARNINGS_BYTES:
            shown.append(more)
            break
        shown.append({"code": warned.code, "message": warned.message})
    return json.dumps(shown)
