"""Fonts: uploaded for templates, listed with those that are always there."""

from typing import Annotated

from fastapi import APIRouter, Query, Request, Response
from pydantic_core import to_json

from app.api import schemas
from app.api.access import EVERYONE, Caller, GuardedRoute, allow
from app.api.assets import Digest, Whose, digest_of, holder, media_type_of
from app.api.errors import problem
from app.api.openapi import BINARY, FILE, errors, listing
from app.api.paging import Pager, Shelf
from app.api.users import services
from contracts.cursors import Position
from contracts.errors import Forbidden
from contracts.fonts import SHIPPED_FONTS, FontRecord, ShippedFont
from contracts.ids import name_id

router = APIRouter(tags=["templates"], route_class=GuardedRoute)
MEDIA_TYPES = ("font/ttf", "font/otf", "font/collection", "font/sfnt", "application/octet-stream")
BODY = {"required": True, "content": dict.fromkeys(MEDIA_TYPES, BINARY)}
Font = FontRecord | ShippedFont


@router.get("/v1/fonts", response_model=schemas.FontList, responses=listing("storage_unavailable"))
@allow(*EVERYONE)
async def list_fonts(request: Request, query: Annotated[schemas.PageQuery, Query()], caller: Caller) -> Response:
    """List the fonts that the caller's templates may use (an admin: everyone's), newest first, then what ships."""
    owner = None if caller.sees_all() else caller.user.user_id
    pager = Pager.of(request.app.state.cursor_key, f"fonts for {owner}", {})
    fonts: list[Font] = [*await services(request).fonts.visible_to(owner), *SHIPPED_FONTS]
    return Shelf(fonts, _order, font_view).page(request, pager, query.cursor, query.limit)


@router.post(
    "/v1/fonts",
    status_code=201,
    response_model=schemas.NewFontShown,
    responses=errors(*FILE, "too_many_fonts", "storage_unavailable"),
    openapi_extra={"requestBody": BODY},
)
@allow("admin", "member")
async def create_font(request: Request, query: Annotated[schemas.FontQuery, Query()], caller: Caller) -> Response:
    """Upload a TTF, OTF or TTC file as raw bytes. Template versions made from now on get it if they name its family."""
    if media_type_of(request) not in MEDIA_TYPES:
        return problem(request, "unsupported_media_type", f"Content-Type is one of {', '.join(MEDIA_TYPES)}.")
    if query.visibility == "shared" and caller.role != "admin":
        raise Forbidden("Only admins share fonts.")
    limit = request.app.state.settings.max_font_bytes
    content = await request.body()
    if len(content) > limit:
        return problem(request, "body_too_large", f"A font may have {limit} bytes (PRESSWORK_MAX_FONT_BYTES).")
    record = await services(request).fonts.add(caller.user.user_id, content, query.visibility)
    return Response(to_json({"font": font_view(record)}), 201, media_type="application/json")


@router.delete("/v1/fonts/{font}", status_code=204, responses=errors("not_found", "storage_unavailable"))
@allow("admin", "member")
async def delete_font(request: Request, font: Digest, query: Whose, caller: Caller) -> Response:
    """Delete a font: what is uploaded or requested from now on does not get it. Versions that have a copy keep it."""
    owner_id, digest = holder(caller, query.owner_id, "font"), digest_of(font, "font")
    await services(request).fonts.delete(owner_id, digest)
    return Response(status_code=204)


def font_view(font: Font) -> dict[str, object]:
    """Show a font; one that ships has no owner."""
    owner_id, visibility = (font.owner_id, font.visibility) if isinstance(font, FontRecord) else (None, "shared")
    return {
        "family": font.family,
        "style": font.style,
        "sha256": font.sha256,
        "size": font.size,
        "owner_id": str(owner_id) if owner_id else None,
        "visibility": visibility,
    }


def _order(font: Font) -> Position:
    """Order by creation; shipped ones come last, in the order of their names."""
    if isinstance(font, FontRecord):
        return font.created_at, name_id(f"{font.owner_id}/{font.sha256}")
    return 0, name_id(f"{font.family} {font.style}")
