"""Health and metrics of the generator: for probes and Prometheus, without a login."""

from fastapi import APIRouter, Request, Response
from pydantic_core import to_json
from starlette.responses import PlainTextResponse

from backends.telemetry import METRICS_TYPE, metrics_allowed

router = APIRouter()


@router.get("/livez")
async def livez(request: Request) -> Response:
    """Say that the process answers; depends on nothing."""
    instance = request.app.state.generator.settings.instance
    return _json({"status": "ok", "service": "generator", "instance": instance})


@router.get("/readyz")
async def readyz(request: Request) -> Response:
    """Say whether this process can do its work: 503 without Redis, while starting, or while stopping."""
    report = await request.app.state.panel.board.ready()
    return _json(report, 503 if report["status"] == "unavailable" else 200)


@router.get("/metrics")
async def metrics(request: Request) -> Response:
    """Show Prometheus metrics."""
    token = request.app.state.generator.settings.metrics_token
    if not metrics_allowed(token, request.headers.get("authorization", "")):
        return PlainTextResponse("A token is needed.\n", 401, {"WWW-Authenticate": "Bearer"})
    return Response(request.app.state.generator.metrics.text(), media_type=METRICS_TYPE)


def _json(content: object, status: int = 200) -> Response:
    return Response(to_json(content), status, {"Cache-Control": "no-store"}, media_type="application/json")
