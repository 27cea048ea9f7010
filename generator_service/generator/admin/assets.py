"""Static files of the panel: served from memory under names that carry their digest, so browsers keep them for ever."""

import hashlib
import mimetypes
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from fastapi import APIRouter, Request, Response

router = APIRouter()
STATIC = Path(__file__).parent / "static"
KEPT = "public, max-age=31536000, immutable"


@dataclass(frozen=True)
class Asset:
    content: bytes
    media_type: str
    etag: str


@cache
def assets() -> dict[str, Asset]:
    """Read every static file by its path below static/."""
    return {str(path.relative_to(STATIC)): _asset(path) for path in sorted(STATIC.rglob("*")) if path.is_file()}


def _asset(path: Path) -> Asset:
    content = path.read_bytes()
    media_type = {".woff2": "font/woff2", ".js": "text/javascript"}.get(path.suffix) or mimetypes.guess_type(path)[0]
    return Asset(content, media_type or "application/octet-stream", hashlib.sha256(content).hexdigest()[:16])


def asset_url(name: str) -> str:
    """Return the address of a static file. Raises KeyError for one that is not there."""
    return f"/static/{name}?v={assets()[name].etag}"


@router.get("/static/{name:path}")
async def static(request: Request, name: str) -> Response:
    """Serve a static file; for ever if its address carries its digest."""
    found = assets().get(name)
    if found is None:
        return Response("There is no such file.\n", 404, media_type="text/plain")
    headers = {
        "ETag": f'"{found.etag}"',
        "Cache-Control": KEPT if request.query_params.get("v") == found.etag else "no-cache",
        "X-Content-Type-Options": "nosniff",
    }
    if request.headers.get("if-none-match") == headers["ETag"]:
        return Response(status_code=304, headers=headers)
    return Response(found.content, media_type=found.media_type, headers=headers)
