"""Assets: files that are uploaded once and named in data."""

from fastapi import APIRouter, Request, Response
from pydantic_core import to_json

from app.api.access import Caller, GuardedRoute, allow
from app.api.errors import problem
from app.api.openapi import BINARY, FILE, errors
from app.api.schemas import AssetShown
from app.api.users import services
from app.services.assets import MEDIA_TYPES

router = APIRouter(tags=["templates"], route_class=GuardedRoute)
BODY = {"required": True, "content": dict.fromkeys(MEDIA_TYPES, BINARY)}


@router.post(
    "/v1/assets",
    status_code=201,
    response_model=AssetShown,
    responses=errors(*FILE, "storage_unavailable"),
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


def media_type_of(request: Request) -> str:
    """Read Content-Type without its parameters."""
    return request.headers.get("content-type", "").partition(";")[0].strip().lower()
