"""Assets: files that are uploaded once and named in data."""

import re
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Path, Query, Request, Response
from pydantic_core import to_json

from app.api import schemas
from app.api.access import EVERYONE, Caller, GuardedRoute, allow
from app.api.errors import problem
from app.api.openapi import BINARY, FILE, errors, listing
from app.api.paging import Pager, Shelf
from app.api.users import services
from app.services.assets import MEDIA_TYPES, Kept
from contracts.cursors import Position
from contracts.errors import NotFound
from contracts.ids import name_id, rfc3339

router = APIRouter(tags=["templates"], route_class=GuardedRoute)
BODY = {"required": True, "content": dict.fromkeys(MEDIA_TYPES, BINARY)}
DIGEST = re.compile(r"(?:sha256:)?([0-9a-f]{64})")
Digest = Annotated[str, Path(description="What its upload answered: `sha256:` and 64 hexadecimal digits")]
Whose = Annotated[schemas.HolderQuery, Query()]


@router.get("/v1/assets", response_model=schemas.AssetList, responses=listing("not_found", "storage_unavailable"))
@allow(*EVERYONE)
async def list_assets(request: Request, query: Annotated[schemas.HeldQuery, Query()], caller: Caller) -> Response:
    """List one's own assets, newest first; for admins, another user's by `owner_id`."""
    owner_id = holder(caller, query.owner_id, "user", reads=True)
    pager = Pager.of(request.app.state.cursor_key, f"assets of {owner_id}", {})
    shelf = Shelf(await services(request).assets.of(owner_id), _order, asset_view)
    return shelf.page(request, pager, query.cursor, query.limit)


@router.post(
    "/v1/assets",
    status_code=201,
    response_model=schemas.AssetShown,
    responses=errors(*FILE, "too_many_assets", "storage_unavailable"),
    openapi_extra={"requestBody": BODY},
)
@allow("admin", "member")
async def create_asset(request: Request, caller: Caller) -> Response:
    """Upload a picture, or a Word document to insert, as raw bytes. The same bytes are the same asset."""
    media_type = media_type_of(request)
    if media_type not in MEDIA_TYPES:
        return problem(request, "unsupported_media_type", f"Content-Type is one of {', '.join(MEDIA_TYPES)}.")
    limit = request.app.state.settings.max_asset_bytes
    content = await request.body()
    if len(content) > limit:
        return problem(request, "body_too_large", f"An asset may have {limit} bytes (PRESSWORK_MAX_ASSET_BYTES).")
    name = await services(request).assets.add(caller.user.user_id, content, media_type)
    return Response(to_json({"asset": name}), 201, media_type="application/json")


@router.delete("/v1/assets/{asset}", status_code=204, responses=errors("not_found", "storage_unavailable"))
@allow("admin", "member")
async def delete_asset(request: Request, asset: Digest, query: Whose, caller: Caller) -> Response:
    """Delete an asset: no new data may name it. Documents and samples that name it already keep its bytes."""
    owner_id, digest = holder(caller, query.owner_id, "asset"), digest_of(asset, "asset")
    await services(request).assets.delete(owner_id, digest)
    return Response(status_code=204)


def asset_view(kept: Kept) -> dict[str, object]:
    return {
        "asset": f"sha256:{kept.digest}",
        "media_type": kept.record.media_type,
        "size": kept.record.size,
        "created_at": rfc3339(kept.record.created_at),
        "used_at": rfc3339(kept.used_at),
    }


def holder(caller: Caller, owner_id: UUID | None, kind: str, *, reads: bool = False) -> UUID:
    """Say whose things are meant: one's own, or another's for those who may. Raises NotFound."""
    if owner_id in (None, caller.user.user_id):
        return caller.user.user_id
    if not (caller.sees_all() if reads else caller.role == "admin"):
        raise NotFound(kind)
    return owner_id


def digest_of(name: str, kind: str) -> str:
    """Read the digest in a path. Raises NotFound: what cannot be one is none."""
    match = DIGEST.fullmatch(name)
    if match is None:
        raise NotFound(kind)
    return match[1]


def _order(kept: Kept) -> Position:
    """Order by creation; the id stands for the hash, so that the order is total."""
    return kept.record.created_at, name_id(kept.digest)


def media_type_of(request: Request) -> str:
    """Read Content-Type without its parameters."""
    return request.headers.get("content-type", "").partition(";")[0].strip().lower()
