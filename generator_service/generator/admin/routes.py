"""Port 8001: health, metrics, and the status page for admins (HTTP Basic with an admin key, or a Bearer key)."""

import base64
import time
from functools import cache
from pathlib import Path

from fastapi import APIRouter, Request, Response
from jinja2 import Environment, FileSystemLoader, select_autoescape
from pydantic_core import to_json
from starlette.responses import HTMLResponse, PlainTextResponse

from backends.telemetry import METRICS_TYPE, metrics_allowed
from contracts.api_keys import digest
from contracts.errors import QueueUnavailable
from contracts.ids import now_ms, rfc3339
from contracts.users import UserRow

router = APIRouter()

PAGE_HEADERS = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": "default-src 'none'; style-src 'self'; img-src 'self'; frame-ancestors 'none'",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}
CHALLENGE = {"WWW-Authenticate": 'Basic realm="Presswork: any name, an admin key as password", charset="UTF-8"'}


@router.get("/livez")
async def livez(request: Request) -> Response:
    """Say that the process answers; depends on nothing."""
    instance = request.app.state.generator.settings.instance
    return _json({"status": "ok", "service": "generator", "instance": instance})


@router.get("/readyz")
async def readyz(request: Request) -> Response:
    """Say whether this process can do its work: 503 without Redis, while starting, or while stopping."""
    report = await request.app.state.board.ready()
    return _json(report, 503 if report["status"] == "unavailable" else 200)


@router.get("/metrics")
async def metrics(request: Request) -> Response:
    """Show Prometheus metrics."""
    token = request.app.state.generator.settings.metrics_token
    if not metrics_allowed(token, request.headers.get("authorization", "")):
        return PlainTextResponse("A token is needed.\n", 401, {"WWW-Authenticate": "Bearer"})
    return Response(request.app.state.generator.metrics.text(), media_type=METRICS_TYPE)


@router.get("/")
async def status_page(request: Request) -> Response:
    """Show the status page to admins."""
    try:
        admin = await _admin(request)
    except QueueUnavailable as error:
        return PlainTextResponse(f"{error.message}\n", 503, {"Retry-After": "2"})
    if admin is None:
        return PlainTextResponse("This page is for admins: log in with an admin key as password.\n", 401, CHALLENGE)
    status = await request.app.state.board.status()
    page = pages().get_template("status.html").render(status=status, admin=admin, now_ms=now_ms(), at=rfc3339)
    return HTMLResponse(page, headers=PAGE_HEADERS)


@router.get("/static/status.css")
async def stylesheet() -> Response:
    """Serve the page's only asset."""
    return Response((Path(__file__).parent / "static" / "status.css").read_bytes(), media_type="text/css")


@cache
def pages() -> Environment:
    """Load the page templates; everything they print is escaped."""
    loader = FileSystemLoader(Path(__file__).parent / "templates")
    return Environment(loader=loader, autoescape=select_autoescape(), trim_blocks=True, lstrip_blocks=True)


async def _admin(request: Request) -> UserRow | None:
    key = _key(request.headers.get("authorization", ""))
    if not key:
        return None
    found = await request.app.state.generator.accounts.authenticate(digest(key, request.app.state.hmac_key))
    if found is None:
        return None
    row, user = found
    expired = row.revoked_at is not None or (row.expires_at is not None and row.expires_at <= time.time() * 1000)
    usable = not expired and user.role == "admin" and user.status == "active" and not user.deleted
    return user if usable else None


def _key(header: str) -> str:
    scheme, _, value = header.partition(" ")
    if scheme.lower() == "bearer":
        return value.strip()
    if scheme.lower() == "basic":
        try:
            return base64.b64decode(value).decode().partition(":")[2]
        except ValueError:
            return ""
    return ""


def _json(content: object, status: int = 200) -> Response:
    return Response(to_json(content), status, {"Cache-Control": "no-store"}, media_type="application/json")
