"""Beyond a number of requests under way, further ones get 503 at once instead of making all of them slow.

The gate stands outside the application, where a refusal costs a twentieth of an answer: the service stays responsive
under a flood. Requests that only wait (`Prefer: wait`, `?wait=`, event streams) do not count meanwhile.
"""

from collections.abc import Iterator
from contextlib import contextmanager

from fastapi import Request
from pydantic_core import to_json

from app.api.errors import PROBLEM_JSON, problem_body
from app.api.gate import ALWAYS
from backends.telemetry import Application, Receive, Scope, Send
from contracts.ids import new_id


class Intake:
    """How many requests are under way, of how many there may be; `refused` counts the rest."""

    def __init__(self, max_requests: int) -> None:
        self.max_requests = max_requests
        self.under_way = 0
        self.refused = 0

    @property
    def full(self) -> bool:
        return self.under_way >= self.max_requests


class IntakeGate:
    """ASGI application around the real one; health checks always pass."""

    def __init__(self, app: Application, intake: Intake) -> None:
        self.app = app
        self.intake = intake

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["path"].startswith(ALWAYS):
            await self.app(scope, receive, send)
            return
        if self.intake.full:
            self.intake.refused += 1
            await self._refuse(send)
            return
        self.intake.under_way += 1
        try:
            await self.app(scope, receive, send)
        finally:
            self.intake.under_way -= 1

    async def _refuse(self, send: Send) -> None:
        request_id = str(new_id())
        detail = f"{self.intake.max_requests} requests are under way (PRESSWORK_MAX_REQUESTS): try again."
        body = to_json(problem_body("overloaded", detail, request_id))
        headers = [
            (b"content-type", PROBLEM_JSON.encode()),
            (b"content-length", str(len(body)).encode()),
            (b"retry-after", b"1"),
            (b"x-request-id", request_id.encode()),
        ]
        await send({"type": "http.response.start", "status": 503, "headers": headers})
        await send({"type": "http.response.body", "body": body})


@contextmanager
def only_waiting(request: Request) -> Iterator[None]:
    """Do not count this request while it waits for a document."""
    intake: Intake = request.app.state.intake
    intake.under_way -= 1
    try:
        yield
    finally:
        intake.under_way += 1
