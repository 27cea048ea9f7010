"""ASGI middleware: until the first start is done, every request but health checks is told to come back."""

from starlette.requests import Request

from app.api.errors import problem
from app.services.readiness import Readiness
from backends.telemetry import Application, Receive, Scope, Send

ALWAYS = ("/livez", "/readyz", "/metrics", "/docs", "/openapi.json", "/problems/")


class StartupGate:
    def __init__(self, app: Application, readiness: Readiness) -> None:
        self.app = app
        self.readiness = readiness

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and not self.readiness.prepared and not scope["path"].startswith(ALWAYS):
            detail = "The service is starting: users and keys are not loaded yet."
            response = problem(Request(scope), "not_started", detail, headers={"Retry-After": "2"})
            await response(scope, receive, send)
            return
        await self.app(scope, receive, send)
