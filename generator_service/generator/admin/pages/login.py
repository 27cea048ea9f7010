"""Login and logout, and the language and theme that the browser keeps."""

from fastapi import APIRouter, Request, Response
from starlette.responses import RedirectResponse

from contracts.errors import QueueUnavailable
from generator.admin.guard import CurrentVisit, PanelRoute, small_form
from generator.admin.sessions import TooManyLogins
from generator.admin.view import LANGUAGE_COOKIE, PAGE_HEADERS, THEME_COOKIE, THEMES, page
from generator.admin.wording import LANGUAGES

router = APIRouter()
guarded = APIRouter(route_class=PanelRoute)
YEAR_S = 365 * 86_400
#: What anybody may send without a login: a key, a choice, the way back.
SMALL_FORM_BYTES = 4096


@router.get("/login")
async def login_form(request: Request) -> Response:
    """Ask for an admin key."""
    return page(request, "login.html", next=_inside(request.query_params.get("next", "")), problem="")


@router.post("/login")
async def login(request: Request) -> Response:
    """Open a session. A forged login is refused by its origin: there is no session yet to derive a token from."""
    panel = request.app.state.panel
    if request.headers.get("sec-fetch-site", "same-origin") not in ("same-origin", "none"):
        return page(request, "login.html", 403, next="", problem="foreign")
    form = await small_form(request, SMALL_FORM_BYTES)
    if form is None:
        return page(request, "login.html", 413, next="", problem="invalid")
    target = _inside(str(form.get("next", "")))
    try:
        cookie = await panel.sessions.login(str(form.get("key", "")), _address(request))
    except TooManyLogins:
        refusal = page(request, "login.html", 429, next=target, problem="too_many")
        refusal.headers["Retry-After"] = "60"
        return refusal
    except QueueUnavailable:
        return page(request, "login.html", 503, next=target, problem="away")
    if cookie is None:
        return page(request, "login.html", 401, next=target, problem="invalid")
    if earlier := request.cookies.get(panel.cookie):
        await panel.sessions.logout(earlier)
    answer = RedirectResponse(target or "/", 303, headers={"Cache-Control": "no-store"})
    answer.set_cookie(
        panel.cookie, cookie, max_age=panel.sessions.ttl_s, httponly=True, samesite="strict", secure=panel.secure
    )
    return answer


@guarded.post("/logout")
async def logout(visit: CurrentVisit) -> Response:
    """End the session."""
    await visit.panel.sessions.logout(visit.request.cookies[visit.panel.cookie])
    answer = visit.go("/login")
    answer.delete_cookie(visit.panel.cookie, secure=visit.panel.secure, httponly=True, samesite="strict")
    return answer


@router.post("/preferences")
async def preferences(request: Request) -> Response:
    """Remember the language or theme in the browser. It changes nothing on the server, so it needs no session."""
    form = await small_form(request, SMALL_FORM_BYTES)
    if form is None:
        return Response(status_code=413, headers=PAGE_HEADERS)
    answer = RedirectResponse(_inside(str(form.get("next", ""))) or "/", 303, headers={"Cache-Control": "no-store"})
    for cookie, known in ((LANGUAGE_COOKIE, LANGUAGES), (THEME_COOKIE, THEMES)):
        chosen = str(form.get(cookie.removeprefix("presswork_"), ""))
        if chosen in known:
            answer.set_cookie(cookie, chosen, max_age=YEAR_S, httponly=True, samesite="lax")
    return answer


def _inside(target: str) -> str:
    """Return a path of the panel, or nothing: a login must not lead to another site."""
    inside = target.startswith("/") and not target.startswith("//") and "\\" not in target and target.isprintable()
    return target if inside else ""


def _address(request: Request) -> str:
    return request.client.host if request.client else "unknown"


router.include_router(guarded)
