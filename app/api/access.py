"""Who may call what: `@allow(...)` marks every endpoint, and `GuardedRoute` enforces it before the body is read.

A route without a mark does not start the application: a new endpoint cannot be open by accident.
"""

from collections import Counter
from collections.abc import Callable, Coroutine
from typing import Annotated, Any, TypeVar, cast

from fastapi import Depends, Request
from fastapi.routing import APIRoute
from starlette.responses import Response

from app.api.errors import pointer_step, problem
from app.api.strict_json import StrictRequest
from app.services.auth import Principal
from contracts.errors import Flaw, Forbidden, Invalid, Unauthorized
from contracts.users import Role

F = TypeVar("F", bound=Callable[..., Any])
EVERYONE: tuple[Role, ...] = ("admin", "member", "viewer")
PUBLIC: tuple[Role, ...] = ()
MULTIPART = "multipart/form-data"


def allow(*roles: Role) -> Callable[[F], F]:
    """Mark an endpoint with the roles that may call it."""
    return _mark("presswork_roles", roles)


def public(endpoint: F) -> F:
    """Mark an endpoint that needs no key."""
    return _mark("presswork_roles", PUBLIC)(endpoint)


def takes_map(name: str) -> Callable[[F], F]:
    """Mark an endpoint that takes `name[key]=value` as often as there are keys."""
    return _mark("presswork_map", name)


def linked_by(parameter: str) -> Callable[[F], F]:
    """Mark an endpoint whose URL with this parameter is a link: browsers and mail clients add parameters to links."""
    return _mark("presswork_link", parameter)


def takes_files(endpoint: F) -> F:
    """Mark an endpoint that takes multipart/form-data, which it reads itself."""
    return _mark("presswork_files", True)(endpoint)


def _mark(name: str, value: object) -> Callable[[F], F]:
    def mark(endpoint: F) -> F:
        setattr(endpoint, name, value)
        return endpoint

    return mark


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
        flaws_of = query_flaws(self)
        takes_files_ = getattr(self.endpoint, "presswork_files", False)

        async def guarded(request: Request) -> Response:
            request = StrictRequest(request.scope, request.receive)
            if self.roles:
                request.state.principal = await authenticate(request)
                if request.state.principal.role not in self.roles:
                    raise Forbidden()
            if request.scope["query_string"] and (flaws := flaws_of(request)):
                raise Invalid(*flaws)
            if takes_files_ and _media_type(request) != MULTIPART:
                return problem(request, "unsupported_media_type", f"Send the file as {MULTIPART}.")
            if self.body_field is not None:
                if not _is_json(request):
                    return problem(
                        request, "unsupported_media_type", "Send the body as JSON: Content-Type: application/json."
                    )
                await request.refuse_repeated_keys()
            return await handle(request)

        return guarded


def query_flaws(route: GuardedRoute) -> Callable[[Request], list[Flaw]]:
    """Return what finds the route's unknown parameters, and those given twice, of which one would be lost unsaid."""
    known = query_names(route)
    map_ = getattr(route.endpoint, "presswork_map", None)
    link = getattr(route.endpoint, "presswork_link", None)

    def find(request: Request) -> list[Flaw]:
        given = Counter(name for name, _ in request.query_params.multi_items())
        mine = {name for name in given if name in known or _in_map(name, map_)}
        unknown = [] if link in given else [name for name in given if name not in mine]
        repeated = [name for name in given if name in mine and given[name] > 1]
        return [
            *(Flaw(pointer_step(name), "There is no such query parameter.", "unknown_field") for name in unknown),
            *(Flaw(pointer_step(name), "This parameter is given twice.", "repeated_parameter") for name in repeated),
        ]

    return find


def query_names(route: APIRoute) -> set[str]:
    """Collect the query parameters that a route declares."""
    names: set[str] = set()
    for field in route.dependant.query_params:
        fields = getattr(field.field_info.annotation, "model_fields", None)
        names |= {info.alias or name for name, info in fields.items()} if fields else {field.alias}
    return names


def _in_map(name: str, map_: str | None) -> bool:
    return map_ is not None and name.startswith(f"{map_}[") and name.endswith("]")


async def authenticate(request: Request) -> Principal:
    """Find out who calls. Raises Unauthorized."""
    scheme, _, key = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() != "bearer" or not key.strip():
        raise Unauthorized()
    principal = await request.app.state.services.auth.authenticate(key.strip())
    request.state.user_id = principal.user.user_id
    return cast(Principal, principal)


def _is_json(request: Request) -> bool:
    media_type = _media_type(request)
    has_body = request.headers.get("content-length", "0") != "0" or "transfer-encoding" in request.headers
    return not has_body or media_type == "application/json" or media_type.endswith("+json")


def _media_type(request: Request) -> str:
    return request.headers.get("content-type", "").partition(";")[0].strip().lower()


# Asynchronous, because FastAPI sends synchronous dependencies to a thread: that cost a tenth of an accepted document.
async def _principal(request: Request) -> Principal:
    return cast(Principal, request.state.principal)


Caller = Annotated[Principal, Depends(_principal)]
