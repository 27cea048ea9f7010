"""ASGI middleware: no request body beyond the limit is ever held in memory."""

import asyncio
from collections.abc import MutableMapping
from typing import Any

from starlette.exceptions import HTTPException
from starlette.requests import Request

from app.api.errors import problem
from app.api.intake import Intake
from backends.telemetry import Application, Receive, Scope, Send

#: What is left of the body is not read: the connection cannot be used again.
CLOSE = {"Connection": "close"}
#: How long a whole body may take to arrive, in seconds.
BODY_S = 15.0


def too_large(max_bytes: int) -> str:
    return f"The body may have {max_bytes} bytes (PRESSWORK_MAX_BODY_BYTES)."


class BodyTooLarge(HTTPException):
    """The body went over the limit while it was read. An HTTPException, because FastAPI lets only those through."""


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
        counter = Counted(receive, self.max_bytes, scope["app"].state.intake if "app" in scope else None)
        await self.app(scope, counter, send)

    async def _refuse(self, scope: Scope, receive: Receive, send: Send) -> None:
        response = problem(Request(scope), "body_too_large", too_large(self.max_bytes), headers=CLOSE)
        await response(scope, receive, send)


class Counted:
    """Receives a body of at most `max_bytes` within BODY_S; who waits for slow bytes takes no place of the intake's."""

    def __init__(self, receive: Receive, max_bytes: int, intake: Intake | None) -> None:
        self._receive = receive
        self._left = self._max_bytes = max_bytes
        self._intake = intake or Intake(1)
        self._deadline = asyncio.get_running_loop().time() + BODY_S
        self._complete = False

    async def __call__(self) -> MutableMapping[str, Any]:
        if self._complete:
            return await self._receive()
        self._intake.under_way -= 1
        try:
            async with asyncio.timeout_at(self._deadline):
                message = await self._receive()
        except TimeoutError:
            raise HTTPException(408, f"The body did not arrive within {BODY_S:g} s.", CLOSE) from None
        finally:
            self._intake.under_way += 1
        self._complete = not message.get("more_body", False)
        self._left -= len(message.get("body", b""))
        if self._left < 0:
            raise BodyTooLarge(413, too_large(self._max_bytes), CLOSE)
        return message
