"""Who may open a page: every route of the panel asks for a session, and every change for its CSRF token.

Two independent walls stand against forged changes: the cookie is SameSite=Strict, and the token is derived from it.
"""

import asyncio
import hmac
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any, cast
from urllib.parse import quote

import structlog
from fastapi import Depends, Request, Response
from fastapi.routing import APIRoute
from starlette.datastructures import FormData
from starlette.exceptions import HTTPException
from starlette.responses import HTMLResponse, RedirectResponse

from contracts.errors import NotFound, PressworkError, TransientError
from generator.admin.sessions import Session
from generator.admin.user_api import ApiAway, ApiRefused, UserApi
from generator.admin.view import PAGE_HEADERS, language_of, page
from generator.admin.wording import Wording, wording

if TYPE_CHECKING:
    from generator.admin.panel import Panel

log = structlog.get_logger(__name__)

SAFE = frozenset({"GET", "HEAD"})
#: A form comes in one piece; whoever drips it is not waited for.
FORM_S = 15
FORM_TYPE = "application/x-www-form-urlencoded"
CSRF_HEADER, CSRF_FIELD = "x-csrf-token", "csrf"


@dataclass(frozen=True)
class Visit:
    """One request of a logged-in admin."""

    request: Request
    session: Session
    panel: "Panel"

    @property
    def words(self) -> Wording:
        return wording(language_of(self.request))

    @property
    def api(self) -> UserApi:
        """The User API in this admin's name."""
        return self.panel.api_for(self.session, self.request.state.request_id)

    @property
    def partial(self) -> bool:
        """Whether htmx asks for a piece of a page."""
        return self.request.headers.get("hx-request") == "true"

    def page(self, name: str, status: int = 200, /, **values: object) -> HTMLResponse:
        """Render a page or a piece of one."""
        known = {"admin": self.session.admin, "csrf": self.session.csrf, "partial": self.partial}
        return page(self.request, name, status, **{**known, **values})

    def go(self, path: str) -> Response:
        """Send the browser to another page of the panel after a change."""
        if self.partial:
            return Response(status_code=200, headers={**PAGE_HEADERS, "HX-Redirect": path})
        return RedirectResponse(path, 303, headers={"Cache-Control": "no-store"})

    async def form(self) -> FormData:
        """Read the form that was sent (already verified)."""
        return await self.request.form()


class PanelRoute(APIRoute):
    """Opens the session, verifies changes, and turns errors into pages."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        handle = super().get_route_handler()

        async def guarded(request: Request) -> Response:
            panel = cast("Panel", request.app.state.panel)
            try:
                session = await panel.session_of(request)
                if session is None:
                    return to_login(request)
                request.state.visit = Visit(request, session, panel)
                request.state.user_id = session.admin.user_id
                if request.method not in SAFE:
                    if await small_form(request, panel.max_form_bytes) is None:
                        return failure(request, session, 413, "too_large")
                    if not await _genuine(request, session):
                        return failure(request, session, 403, "csrf")
                return await handle(request)
            except (ApiRefused, ApiAway, PressworkError) as error:
                return explained(request, error)

        return guarded


async def _visit(request: Request) -> Visit:
    return cast(Visit, request.state.visit)


CurrentVisit = Annotated[Visit, Depends(_visit)]


async def _genuine(request: Request, session: Session) -> bool:
    if request.headers.get("sec-fetch-site", "same-origin") not in ("same-origin", "none"):
        return False
    given = request.headers.get(CSRF_HEADER) or (await request.form()).get(CSRF_FIELD, "")
    return isinstance(given, str) and hmac.compare_digest(given.encode(errors="replace"), session.csrf.encode())


async def small_form(request: Request, max_bytes: int) -> FormData | None:
    """Read a form of at most `max_bytes` within `FORM_S`; None if it is larger, slow, or no plain form.

    Files are never uploaded here: a multipart body would go to the disk, however long it is.
    """
    length, kind = request.headers.get("content-length", ""), request.headers.get("content-type", FORM_TYPE)
    if not (length.isascii() and length.isdigit() and int(length) <= max_bytes) or not kind.startswith(FORM_TYPE):
        return None
    try:
        async with asyncio.timeout(FORM_S):
            return await request.form(max_part_size=max_bytes)
    except TimeoutError:
        return None


def to_login(request: Request) -> Response:
    """Ask for a key, and remember where the visitor wanted to go."""
    wanted = request.url.path + (f"?{request.url.query}" if request.url.query else "")
    target = "/login" if wanted == "/" or request.method not in SAFE else f"/login?next={quote(wanted, safe='')}"
    if request.headers.get("hx-request") == "true":
        return Response(status_code=401, headers={**PAGE_HEADERS, "HX-Redirect": "/login"})
    return RedirectResponse(target, 303, headers={"Cache-Control": "no-store"})


def explained(request: Request, error: Exception) -> Response:
    """Show what went wrong: the API's own words where it refused, else which server is away."""
    session = request.state.visit.session if hasattr(request.state, "visit") else None
    if isinstance(error, ApiRefused):
        return failure(request, session, error.status, error.code, error.detail)
    if isinstance(error, ApiAway):
        log.warning("panel.api_away", error=str(error))
        return failure(request, session, 503, "api_away")
    assert isinstance(error, PressworkError)
    status = 503 if isinstance(error, TransientError) else 404 if isinstance(error, NotFound) else 409
    return failure(request, session, status, error.code, error.message)


async def lost(request: Request, error: Exception) -> Response:
    """Show a page for an address or method that the panel does not know, and for a body that cannot be read."""
    assert isinstance(error, HTTPException)
    code = {404: "not_found", 405: "not_found"}.get(error.status_code, "invalid_request")
    answer = failure(request, None, error.status_code, code, str(error.detail))
    answer.headers.update(error.headers or {})
    return answer


def failure(request: Request, session: Session | None, status: int, code: str, detail: str = "") -> Response:
    """Render the error page, or the message that htmx shows in the corner."""
    name = "errors/notice.html" if request.headers.get("hx-request") == "true" else "errors/page.html"
    known = {"admin": session.admin if session else None, "csrf": session.csrf if session else ""}
    answer = page(request, name, status, code=code, detail=detail, status=status, **known)
    if status == 503:
        answer.headers["Retry-After"] = "5"
    return answer
