"""What a document's page links to: its bytes, its data as a file, and pictures of its pages."""

import re
from uuid import UUID

from fastapi import APIRouter, Response
from starlette.responses import StreamingResponse

from contracts.errors import NotFound
from contracts.ids import parse_id
from generator.admin.document_filters import PATH
from generator.admin.document_sight import data_of
from generator.admin.guard import CurrentVisit, PanelRoute, Visit
from generator.admin.previews import LARGE, SMALL
from generator.admin.user_api import JsonObject
from generator.admin.view import PAGE_HEADERS

router = APIRouter(route_class=PanelRoute)

PICTURE = re.compile(r"([1-9][0-9]{0,4})\.(png|svg)")
#: The address of a picture carries the digest of what it shows; only the browser that asked may keep it.
KEPT = "private, max-age=86400, immutable"
#: An SVG runs no script, loads nothing, and cannot be framed, even if somebody opens it by itself.
PICTURE_POLICY = "sandbox; default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'"
TYPES = {"png": "image/png", "svg": "image/svg+xml"}
PASSED_ON = ("Content-Type", "Content-Length", "Content-Disposition", "ETag")


@router.get(PATH + "/{document_id}/content")
async def content(visit: CurrentVisit, document_id: str) -> Response:
    """Download a document: the API's bytes pass through."""
    stream = await visit.api.stream(_content_path(parse_id(document_id, "document")))
    headers = {name: stream.headers[name] for name in PASSED_ON if name in stream.headers}
    policy = {"Content-Security-Policy": "sandbox; default-src 'none'", "X-Content-Type-Options": "nosniff"}
    return StreamingResponse(stream.chunks(), headers={**headers, **policy, "Cache-Control": "no-store"})


@router.get(PATH + "/{document_id}/data.json")
async def data(visit: CurrentVisit, document_id: str) -> Response:
    """Download a document's data."""
    identity = parse_id(document_id, "document")
    await visit.api.get(f"/v1/documents/{identity}")
    found = await data_of(visit, document_id)
    if found.text is None:
        raise NotFound("data")
    headers = {**PAGE_HEADERS, "Content-Disposition": f'attachment; filename="{identity}.json"'}
    return Response(found.text, headers=headers, media_type="application/json")


@router.get(PATH + "/{document_id}/preview/{name}")
async def preview(visit: CurrentVisit, document_id: str, name: str) -> Response:
    """Show a picture of a page: `2.png` of a PDF, `1.png` or `1.svg` of a picture. `width` is LARGE or SMALL."""
    identity = parse_id(document_id, "document")
    page, kind = _asked(name)
    document = (await visit.api.get(f"/v1/documents/{identity}")).json
    sha256 = _checked(document, page, kind)
    width = SMALL if visit.request.query_params.get("width") == str(SMALL) else LARGE
    kept = visit.request.query_params.get("v") == sha256[:16]
    tag = f'"{sha256[:32]}-{page}-{width}"'
    headers = {
        "Cache-Control": KEPT if kept else "private, no-cache",
        "Content-Security-Policy": PICTURE_POLICY,
        "Cross-Origin-Resource-Policy": "same-origin",
        "ETag": tag,
        "X-Content-Type-Options": "nosniff",
    }
    if visit.request.headers.get("if-none-match") == tag:
        return Response(status_code=304, headers=headers)
    await visit.api.call("HEAD", _content_path(identity))  # what has expired is not shown from memory either
    picture = await _picture(visit, identity, str(document["format"]), sha256, page, width)
    return Response(picture, headers=headers, media_type=TYPES[kind])


def _asked(name: str) -> tuple[int, str]:
    match = PICTURE.fullmatch(name)
    if match is None:
        raise NotFound("page")
    return int(match[1]), match[2]


def _checked(document: JsonObject, page: int, kind: str) -> str:
    """Return the digest of the result. Raises NotFound for a page or a kind of picture that it does not have."""
    result, made = document["result"], document["format"]
    if not isinstance(result, dict):
        raise NotFound("page")
    pages = result["pages"] or 0 if made == "pdf" else 1
    drawn = {"pdf": "png", "png": "png", "svg": "svg"}.get(str(made))
    if page > pages or kind != drawn:
        raise NotFound("page")
    return str(result["sha256"])


async def _picture(visit: Visit, identity: UUID, made: str, sha256: str, page: int, width: int) -> bytes:
    async def stored() -> bytes:
        return (await visit.api.get(_content_path(identity))).body

    if made == "pdf":
        return await visit.panel.previews.page(sha256, page, width, stored)
    return await stored()


def _content_path(identity: UUID) -> str:
    return f"/v1/documents/{identity}/content"
