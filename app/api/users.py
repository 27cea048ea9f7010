"""Users and their keys. Admins manage everyone; others read themselves and change their own name."""

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Query, Request, Response
from pydantic_core import to_json

from app.api import schemas
from app.api.access import EVERYONE, Caller, GuardedRoute, allow
from app.api.openapi import BODY, errors, listing
from app.api.paging import Pager, list_response
from app.api.preconditions import etag, required_versions, unchanged
from app.repository.users import UserFilter
from app.services import Services
from app.services.users import normal_email
from contracts.errors import Invalid
from contracts.ids import id_ms, now_ms, rfc3339

router = APIRouter(tags=["users"], route_class=GuardedRoute)
USERS = "/v1/users"
CHANGE = ("not_found", "last_admin", "version_mismatch")


def services(request: Request) -> Services:
    found: Services = request.app.state.services
    return found


@router.post(USERS, status_code=201, response_model=schemas.User, responses=errors(*BODY, "email_taken"))
@allow("admin")
async def create_user(request: Request, body: schemas.NewUser, caller: Caller) -> Response:
    """Create a user."""
    row = await services(request).users.create(
        caller.user.user_id, email=body.email, name=body.name, role=body.role, status=body.status, attrs=body.attrs
    )
    headers = {"Location": f"{USERS}/{row.user_id}", "ETag": etag(row.version)}
    return _json(schemas.user_view(row), 201, headers)


@router.get(USERS, response_model=schemas.UserList, responses=listing("history_unavailable"))
@allow("admin")
async def list_users(request: Request, query: Annotated[schemas.UserQuery, Query()]) -> Response:
    """List users, newest first."""
    filter_ = UserFilter(
        q=query.q,
        email_norm=normal_email(query.email) if query.email else None,
        role=query.role,
        status=query.status,
    )
    pager = Pager.of(request.app.state.cursor_key, "users", query.model_dump(exclude={"cursor", "limit"}))
    rows, following = await services(request).users.page(filter_, pager.position(query.cursor), query.limit)
    return list_response(request, [schemas.user_view(row) for row in rows], pager.cursor(following))


@router.get(
    USERS + "/{user_id:uuid}",
    response_model=schemas.User,
    responses=errors("not_found") | {304: {"description": "Unchanged"}},
)
@allow(*EVERYONE)
async def get_user(request: Request, user_id: UUID, caller: Caller) -> Response:
    """Read a user."""
    row = await services(request).users.get(caller, user_id)
    tag = etag(row.version)
    if unchanged(request, tag):
        return Response(status_code=304, headers={"ETag": tag})
    return _json(schemas.user_view(row), 200, {"ETag": tag})


@router.patch(USERS + "/{user_id:uuid}", response_model=schemas.User, responses=errors(*CHANGE, *BODY, "email_taken"))
@allow("admin", "member")
async def change_user(request: Request, user_id: UUID, body: schemas.UserChanges, caller: Caller) -> Response:
    """Change a user. With If-Match only if nobody changed it since; without it no concurrent change is lost."""
    changes = body.model_dump(exclude_unset=True)
    row = await services(request).users.change(caller, user_id, changes, required_versions(request))
    return _json(schemas.user_view(row), 200, {"ETag": etag(row.version)})


@router.delete(USERS + "/{user_id:uuid}", status_code=204, responses=errors(*CHANGE))
@allow("admin")
async def delete_user(request: Request, user_id: UUID, caller: Caller) -> Response:
    """Delete a user and its keys. Its documents stay for admins."""
    await services(request).users.delete(caller, user_id, required_versions(request))
    return Response(status_code=204)


@router.post(
    USERS + "/{user_id:uuid}/keys",
    status_code=201,
    response_model=schemas.NewKeyShown,
    responses=errors(*BODY, "not_found"),
)
@allow("admin")
async def create_key(request: Request, user_id: UUID, body: schemas.NewKey, caller: Caller) -> Response:
    """Make an API key. The answer is the only place that ever shows it."""
    expires_at = schemas.epoch_ms(body.expires_at, "/expires_at")
    if expires_at is not None and expires_at <= now_ms():
        raise Invalid.at("/expires_at", "expires_at lies in the past.")
    row, key = await services(request).users.create_key(
        caller.user.user_id, user_id, name=body.name, scopes=body.scopes, expires_at=expires_at
    )
    return _json({**schemas.key_view(row), "key": key}, 201, {"Cache-Control": "no-store"})


@router.get(USERS + "/{user_id:uuid}/keys", response_model=schemas.KeyList, responses=listing("not_found"))
@allow("admin")
async def list_keys(request: Request, user_id: UUID, query: Annotated[schemas.PageQuery, Query()]) -> Response:
    """List a user's keys that are not revoked, newest first."""
    pager = Pager.of(request.app.state.cursor_key, f"keys of {user_id}", {})
    position = pager.position(query.cursor)
    pairs = await services(request).users.keys(user_id)
    if position is not None:
        pairs = [pair for pair in pairs if pair[0].key_id.int < position[1].int]
    page = [{**schemas.key_view(row), "last_used_at": rfc3339(used)} for row, used in pairs[: query.limit]]
    last = pairs[query.limit - 1][0].key_id if len(pairs) > query.limit else None
    return list_response(request, list(page), pager.cursor((id_ms(last), last) if last else None))


@router.delete(
    USERS + "/{user_id:uuid}/keys/{key_id:uuid}", status_code=204, responses=errors("not_found", "last_admin")
)
@allow("admin")
async def revoke_key(request: Request, user_id: UUID, key_id: UUID, caller: Caller) -> Response:
    """Revoke a key: within a second it is refused everywhere."""
    await services(request).users.revoke_key(caller, user_id, key_id)
    return Response(status_code=204)


@router.get("/v1/me", response_model=schemas.Me, responses=errors())
@allow(*EVERYONE)
async def get_me(request: Request, caller: Caller) -> Response:
    """Show who the key belongs to, and the limits that hold."""
    return _json(schemas.me_view(caller, request.app.state.limits), 200, {})


def _json(content: object, status: int, headers: dict[str, str]) -> Response:
    return Response(to_json(content), status, headers, media_type="application/json")
