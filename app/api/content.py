"""A document's bytes: whole or a range (RFC 9110), by key or by signed link, never as something a browser would run."""

import re
import time
from collections.abc import AsyncIterator
from typing import Annotated
from urllib.parse import quote
from uuid import UUID

from fastapi import APIRouter, Query, Request, Response
from starlette.responses import StreamingResponse

from app.api.access import GuardedRoute, authenticate, linked_by, public
from app.api.document_schemas import ContentQuery
from app.api.errors import problem
from app.api.openapi import BYTES, MISSING, errors
from app.api.preconditions import unchanged
from app.api.users import services
from contracts.documents import DocumentRow
from contracts.errors import Gone, Unauthorized
from contracts.secrets import UrlSigner
from contracts.views import content_path

router = APIRouter(tags=["documents"], route_class=GuardedRoute)
CHUNK = 256 * 1024
ONE_RANGE = re.compile(r"bytes=([0-9]{0,18})-([0-9]{0,18})")


@router.head("/v1/documents/{document_id:uuid}/content", include_in_schema=False)
@router.get(
    "/v1/documents/{document_id:uuid}/content",
    response_class=Response,
    openapi_extra={"security": [{}, {"key": []}]},
    responses=errors(
        *MISSING, "not_ready", "document_failed", "expired", "range_not_satisfiable", "storage_unavailable"
    )
    | {
        200: {"description": "The bytes", "content": BYTES},
        206: {"description": "A range of the bytes", "content": BYTES},
        304: {"description": "Unchanged"},
    },
)
@public
@linked_by("signature")
async def get_content(request: Request, document_id: UUID, query: Annotated[ContentQuery, Query()]) -> Response:
    """Download a document's bytes, with an API key or by the signed `result.url`."""
    documents = services(request).documents
    if query.signature is None:
        row = await documents.get(await authenticate(request), document_id)
    else:
        signer: UrlSigner = request.app.state.links.signer
        if not signer.valid(content_path(document_id), query.expires or 0, query.signature, time.time()):
            raise Unauthorized("The link is not valid or has expired: read the document again for a new one.")
        row = await documents.row(document_id)
    return await content_response(request, row)


async def content_response(request: Request, row: DocumentRow, *, extra: dict[str, str] | None = None) -> Response:
    """Answer with the bytes of a completed document. Raises Conflict, Gone."""
    key, size = await services(request).documents.content(row)
    assert row.result is not None
    tag = f'"{row.result.sha256}"'
    headers = {
        "ETag": tag,
        "Accept-Ranges": "bytes",
        "Content-Disposition": disposition(row.result.filename),
        "Content-Security-Policy": "sandbox; default-src 'none'",
        "X-Content-Type-Options": "nosniff",
        "Cache-Control": "private, no-cache",
        **(extra or {}),
    }
    if request.method in ("GET", "HEAD") and unchanged(request, tag):
        return Response(status_code=304, headers=headers)
    span = byte_range(request, size, tag) if request.method in ("GET", "HEAD") else None
    if span == ():
        return problem(
            request,
            "range_not_satisfiable",
            f"The content has {size} bytes.",
            headers={"Content-Range": f"bytes */{size}"},
        )
    start, end = span or (0, size)
    headers["Content-Length"] = str(end - start)
    if span:
        headers["Content-Range"] = f"bytes {start}-{end - 1}/{size}"
    status, media_type = (206 if span else 200), row.result.content_type
    if request.method == "HEAD":
        return Response(status_code=status, headers=headers, media_type=media_type)
    first = await _read(request, key, start, min(end, start + CHUNK))
    return StreamingResponse(_chunks(request, key, first, start, end), status, headers, media_type)


async def _chunks(request: Request, key: str, first: bytes, start: int, end: int) -> AsyncIterator[bytes]:
    yield first
    at = start + len(first)
    while at < end:
        chunk = await _read(request, key, at, min(end, at + CHUNK))
        at += len(chunk)
        yield chunk


async def _read(request: Request, key: str, start: int, end: int) -> bytes:
    chunk = await request.app.state.blobs.read(key, start, end)
    if chunk is None or (end > start and not chunk):
        raise Gone()
    return bytes(chunk)


def byte_range(request: Request, size: int, tag: str) -> tuple[int, int] | tuple[()] | None:
    """Read a single Range as (start, end); () if it lies outside, None to send everything."""
    match = ONE_RANGE.fullmatch(request.headers.get("range", "").strip())
    if match is None or request.headers.get("if-range", tag) != tag or match.groups() == ("", ""):
        return None
    first, last = match.groups()
    start = int(first) if first else max(0, size - int(last))
    end = min(size, int(last) + 1) if first and last else size
    if first and last and int(last) < start:
        return None
    return (start, end) if start < end else ()


def disposition(filename: str) -> str:
    """Write Content-Disposition (RFC 6266): an ASCII name for old clients, the real one for all others."""
    plain = "".join(char if char.isascii() and char.isprintable() and char not in '"\\%' else "_" for char in filename)
    return f"attachment; filename=\"{plain}\"; filename*=UTF-8''{quote(filename, safe='')}"
