"""Who may call what: `@allow(...)` marks every endpoint, and `GuardedRoute` enforces it before the body is read.

A route without a mark does not start the application: a new endpoint cannot be open by accident.
"""

import json
import re
from collections.abc import Callable, Coroutine
from typing import Annotated, Any, TypeVar, cast

from fastapi import Depends, Request
from fastapi.routing import APIRoute
from pydantic_core import from_json
from starlette.responses import Response

from app.api.errors import problem
from app.services.auth import Principal
from contracts.errors import Flaw, Forbidden, Invalid, Unauthorized
from contracts.users import Role

HUGE_NUMBER = re.compile(rb"[eE]\+?[0-9]{3}|[0-9]{300}")

F = TypeVar("F", bound=Callable[..., Any])
EVERYONE: tuple[Role, ...] = ("admin", "member", "viewer")
PUBLIC: tuple[Role, ...] = ()


def allow(*roles: Role) -> Callable[[F], F]:
    """Mark an endpoint with the roles that may call it."""
    return _mark(roles)


def public(endpoint: F) -> F:
    """Mark an endpoint that needs no key."""
    return _mark(PUBLIC)(endpoint)


def _mark(value: object) -> Callable[[F], F]:
    def mark(endpoint: F) -> F:
        setattr(endpoint, "presswork_roles", value)  # noqa: B010 - functions have no declared attributes
        return endpoint

    return mark


class StrictRequest(Request):
    """Parses JSON strictly: no NaN, bounded depth, UTF-8 only."""

    async def json(self) -> Any:
        if not hasattr(self, "_strict_json"):
            try:
                body = await self.body()
                self._strict_json = from_json(body, allow_inf_nan=False)
                if HUGE_NUMBER.search(body):
                    json.dumps(self._strict_json, allow_nan=False)  # 1e999 is read as infinity: it cannot be stored
            except ValueError as error:
                raise json.JSONDecodeError(str(error), "", 0) from error
        return self._strict_json


class GuardedRoute(APIRoute):
    """Authenticates, checks the role, and refuses what the endpoint does not know, before FastAPI parses anything."""

    def __init__(self, path: str, endpoint: Callable[..., Any], **kwargs: Any) -> None:
        super().__init__(path, endpoint, **kwargs)
        roles = getattr(endpoint, "presswork_roles", None)
        if roles is None:
            raise TypeError(f"{path}: mark the endpoint with @allow(...) or @public")
        self.roles: tuple[Role, ...] = roles

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        handle = super().get_route_handler()
        known = query_names(self)

        async def guarded(request: Request) -> Response:
            request = StrictRequest(request.scope, request.receive)
            if self.roles:
                request.state.principal = await authenticate(request)
                if request.state.principal.role not in self.roles:
                    raise Forbidden()
            if unknown := [name for name in request.query_params if name not in known and not _mapped(name, known)]:
                raise Invalid(
                    *(Flaw(f"/{name}", "There is no such query parameter.", "unknown_field") for name in unknown)
                )
            if self.body_field is not None and not _is_json(request):
                return problem(
                    request, "unsupported_media_type", "Send the body as JSON: Content-Type: application/json."
                )
            return await handle(request)

        return guarded


async def authenticate(request: Request) -> Principal:
    """Find out who calls. Raises Unauthorized."""
    scheme, _, key = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() != "bearer" or not key.strip():
        raise Unauthorized()
    principal = await request.app.state.services.auth.authenticate(key.strip())
    request.state.user_id = principal.user.user_id
    return cast(Principal, principal)


def query_names(route: APIRoute) -> set[str]:
    """Collect the query parameters of a route; `name[*]` stands for a map such as metadata[k]=v."""
    names: set[str] = set(getattr(route.endpoint, "presswork_maps", ()))
    for field in route.dependant.query_params:
        fields = getattr(field.field_info.annotation, "model_fields", None)
        names |= {info.alias or name for name, info in fields.items()} if fields else {field.alias}
    return names


def _mapped(name: str, known: set[str]) -> bool:
    return name.endswith("]") and f"{name.partition('[')[0]}[*]" in known


def _is_json(request: Request) -> bool:
    media_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    has_body = request.headers.get("content-length", "0") != "0" or "transfer-encoding" in request.headers
    return not has_body or media_type == "application/json" or media_type.endswith("+json")


# Asynchronous, because FastAPI sends synchronous dependencies to a thread: that cost a tenth of an accepted document.
async def _principal(request: Request) -> Principal:
    return cast(Principal, request.state.principal)


Caller = Annotated[Principal, Depends(_principal)]
