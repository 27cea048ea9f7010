"""ASGI middleware: beyond a number of requests under way, further ones get 503 at once instead of making all slow.

Requests that only wait (`Prefer: wait`, `?wait=`, event streams) do not count meanwhile. Health checks always pass.
"""

from collections.abc import Iterator
from contextlib import contextmanager

from starlette.requests import Request

from app.api.errors import problem
from app.api.gate import ALWAYS
from backends.telemetry import Application, Receive, Scope, Send


class Intake:
    def __init__(self, app: Application, max_requests: int) -> None:
        self.app = app
        self.max_requests = max_requests
        self.under_way = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["path"].startswith(ALWAYS):
            await self.app(scope, receive, send)
        elif self.under_way >= self.max_requests:
            detail = f"{self.max_requests} requests are under way (PRESSWORK_MAX_REQUESTS); nothing was accepted."
            response = problem(Request(scope), "overloaded", detail, headers={"Retry-After": "1"})
            await response(scope, receive, send)
        else:
            await self._counted(scope, receive, send)

    async def _counted(self, scope: Scope, receive: Receive, send: Send) -> None:
        scope.setdefault("state", {})["intake"] = self
        self.under_way += 1
        try:
            await self.app(scope, receive, send)
        finally:
            self.under_way -= 1


@contextmanager
def only_waiting(request: Request) -> Iterator[None]:
    """Do not count this request while it waits for a document."""
    intake: Intake = request.state.intake
    intake.under_way -= 1
    try:
        yield
    finally:
        intake.under_way += 1
