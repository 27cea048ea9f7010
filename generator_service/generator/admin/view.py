"""How pages are made: each language's template environment, what every page knows, and the headers it is sent with."""

from functools import cache
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined, select_autoescape
from starlette.requests import Request
from starlette.responses import HTMLResponse

from contracts.ids import now_ms, rfc3339
from generator.admin.assets import asset_url
from generator.admin.delivery_words import receiver
from generator.admin.wording import LANGUAGES, choose_language, is_past, wording

THEMES = ("auto", "light", "dark")
LANGUAGE_COOKIE, THEME_COOKIE = "presswork_language", "presswork_theme"

PAGE_HEADERS = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; font-src 'self'; connect-src 'self'; "
        "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
    ),
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
}


@cache
def environment(language: str) -> Environment:
    """Load the page templates of a language; everything they print is escaped."""
    loader = FileSystemLoader(Path(__file__).parent / "templates")
    made = Environment(
        loader=loader,
        autoescape=select_autoescape(default=True, default_for_string=True),
        undefined=StrictUndefined,
        extensions=["jinja2.ext.i18n", "jinja2.ext.do"],
        trim_blocks=True,
        lstrip_blocks=True,
    )
    words = wording(language)
    made.install_gettext_translations(words.texts, newstyle=True)  # type: ignore[attr-defined]
    made.globals |= {"words": words, "asset": asset_url, "languages": LANGUAGES, "themes": THEMES, "now_ms": now_ms}
    made.tests["past"] = is_past
    made.filters |= {
        "number": words.number,
        "short_number": words.short_number,
        "percent": words.percent,
        "size": words.size,
        "ms": words.milliseconds,
        "moment": words.moment,
        "clock": words.clock,
        "hour": words.hour,
        "ago": words.ago,
        "iso": rfc3339,
        "receiver": receiver,
    }
    return made


def language_of(request: Request) -> str:
    return choose_language(request.cookies.get(LANGUAGE_COOKIE), request.headers.get("accept-language", ""))


def theme_of(request: Request) -> str:
    chosen = request.cookies.get(THEME_COOKIE, "auto")
    return chosen if chosen in THEMES else "auto"


def page(request: Request, name: str, status: int = 200, /, **values: object) -> HTMLResponse:
    """Render a page or fragment. `csrf` and `admin` are empty unless somebody is logged in."""
    language = language_of(request)
    known = {"request": request, "language": language, "theme": theme_of(request), "csrf": "", "admin": None}
    text = environment(language).get_template(name).render({**known, **values})
    return HTMLResponse(text, status, headers=PAGE_HEADERS)
