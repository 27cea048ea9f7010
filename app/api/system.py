"""Health, metrics, the page behind each problem type, and the API's documentation with assets of its own."""

from html import escape

from fastapi import APIRouter, Request, Response
from pydantic_core import to_json
from starlette.responses import HTMLResponse

from app.api.access import GuardedRoute, public
from app.api.errors import PROBLEMS
from backends.telemetry import METRICS_TYPE, metrics_allowed
from contracts.errors import NotFound, Unauthorized

router = APIRouter(route_class=GuardedRoute, include_in_schema=False)

PAGE = """<!doctype html><html lang="en"><meta charset="utf-8"><title>{title}</title>
<style>body{{font:16px/1.5 system-ui,sans-serif;max-width:40rem;margin:4rem auto;padding:0 1rem}}</style>
<h1>{title}</h1><p><code>{code}</code> &middot; HTTP {status}</p><p>{meaning}</p>"""

DOCS = """<!doctype html><html lang="en"><meta charset="utf-8"><title>Presswork API</title>
<meta name="viewport" content="width=device-width"><link rel="icon" href="/docs/assets/favicon-32x32.png">
<link rel="stylesheet" href="/docs/assets/swagger-ui.css?5.35.0">
<div id="swagger-ui"></div><script src="/docs/assets/swagger-ui-bundle.js?5.35.0"></script>
<script src="/docs/start.js"></script></html>"""

START = 'SwaggerUIBundle({url: "/openapi.json", dom_id: "#swagger-ui", deepLinking: true, validatorUrl: null});'


@router.get("/livez")
@public
async def livez(request: Request) -> Response:
    """Say that the process answers; depends on nothing."""
    return _json({"status": "ok", "service": "api", "instance": request.app.state.settings.instance})


@router.get("/readyz")
@public
async def readyz(request: Request) -> Response:
    """Say whether requests can be served: 503 without Redis, before the first start is done, or while stopping."""
    report = await request.app.state.readiness.report()
    return _json(report, 503 if report["status"] == "unavailable" else 200)


@router.get("/metrics")
@public
async def metrics(request: Request) -> Response:
    """Show Prometheus metrics."""
    if not metrics_allowed(request.app.state.settings.metrics_token, request.headers.get("authorization", "")):
        raise Unauthorized("/metrics needs `Authorization: Bearer` with PRESSWORK_METRICS_TOKEN.")
    return Response(request.app.state.metrics.text(), media_type=METRICS_TYPE)


@router.get("/problems/{code}")
@public
async def problem_page(code: str) -> Response:
    """Explain a problem type."""
    if code not in PROBLEMS:
        raise NotFound("problem type")
    known = PROBLEMS[code]
    return HTMLResponse(
        PAGE.format(title=escape(known.title), code=escape(code), status=known.status, meaning=escape(known.meaning))
    )


@router.get("/docs")
@public
async def docs() -> Response:
    """Show the API's documentation; its assets come from this server."""
    return HTMLResponse(DOCS)


@router.get("/docs/start.js")
@public
async def docs_start() -> Response:
    """Start the documentation page."""
    return Response(START, media_type="text/javascript")


def _json(content: object, status: int = 200) -> Response:
    return Response(to_json(content), status, {"Cache-Control": "no-store"}, media_type="application/json")
