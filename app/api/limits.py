"""ASGI middleware: no request body beyond the limit is ever held in memory."""

from collections.abc import MutableMapping
from typing import Any

from starlette.requests import Request

from app.api.errors import problem
from backends.telemetry import Application, Receive, Scope, Send


class BodyTooLarge(Exception):
    """The body went over the limit while it was read."""


class BodyLimit:
    def __init__(self, app: Application, max_bytes: int) -> None:
        self.app = app
        self.max_bytes = max_bytes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        declared = dict(scope["headers"]).get(b"content-length", b"0")
        if declared.isdigit() and int(declared) > self.max_bytes:
            await self._refuse(scope, receive, send)
            return
        counter = Counted(receive, self.max_bytes)
        try:
            await self.app(scope, counter, send)
        except BodyTooLarge:
            await self._refuse(scope, receive, send)

    async def _refuse(self, scope: Scope, receive: Receive, send: Send) -> None:
        detail = f"The body may have {self.max_bytes} bytes (PRESSWORK_MAX_BODY_BYTES)."
        response = problem(Request(scope), "body_too_large", detail, headers={"Connection": "close"})
        await response(scope, receive, send)


class Counted:
    def __init__(self, receive: Receive, max_bytes: int) -> None:
        self._receive = receive
        self._left = max_bytes

    async def __call__(self) -> MutableMapping[str, Any]:
        message = await self._receive()
        self._left -= len(message.get("body", b""))
        if self._left < 0:
            raise BodyTooLarge()
        return message
