"""ASGI middleware: no request body beyond the limit is ever held in memory."""

import asyncio
import re
from collections.abc import MutableMapping
from dataclasses import dataclass
from typing import Any

from starlette.exceptions import HTTPException
from starlette.requests import Request

from app.api.errors import problem
from app.api.intake import Intake
from backends.telemetry import Application, Receive, Scope, Send

#: What is left of the body is not read: the connection cannot be used again.
CLOSE = {"Connection": "close"}
#: How long a whole body may take to arrive, in seconds: of JSON, and of a file.
BODY_S, UPLOAD_S = 15.0, 120.0
#: What takes files, by POST.
UPLOADS = re.compile(r"/v1/(templates(/[^/]+/versions)?|assets|fonts)")


@dataclass(frozen=True)
class Allowance:
    """How large a body may be, which setting says so, and how long it may take to arrive."""

    max_bytes: int
    setting: str = "PRESSWORK_MAX_BODY_BYTES"
    seconds: float = BODY_S

    @property
    def exceeded(self) -> str:
        return f"The body may have {self.max_bytes} bytes ({self.setting})."


class BodyTooLarge(HTTPException):
    """The body went over the limit while it was read. An HTTPException, because FastAPI lets only those through."""


class BodyLimit:
    """`max_bytes` for JSON, `max_upload_bytes` for what takes files."""

    def __init__(self, app: Application, max_bytes: int, max_upload_bytes: int | None = None) -> None:
        self.app = app
        self.json = Allowance(max_bytes)
        self.upload = Allowance(max_upload_bytes or max_bytes, "PRESSWORK_MAX_UPLOAD_BYTES", UPLOAD_S)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        allowed = self._allowed(scope)
        declared = dict(scope["headers"]).get(b"content-length", b"0")
        if declared.isdigit() and int(declared) > allowed.max_bytes:
            response = problem(Request(scope), "body_too_large", allowed.exceeded, headers=CLOSE)
            await response(scope, receive, send)
            return
        counter = Counted(receive, allowed, scope["app"].state.intake if "app" in scope else None)
        await self.app(scope, counter, send)

    def _allowed(self, scope: Scope) -> Allowance:
        return self.upload if scope.get("method") == "POST" and UPLOADS.fullmatch(scope["path"]) else self.json


class Counted:
    """Receives a body within its allowance; who waits for slow bytes takes no place of the intake's."""

    def __init__(self, receive: Receive, allowed: Allowance, intake: Intake | None) -> None:
        self._receive = receive
        self._allowed = allowed
        self._left = allowed.max_bytes
        self._intake = intake or Intake(1)
        self._deadline = asyncio.get_running_loop().time() + allowed.seconds
        self._complete = False

    async def __call__(self) -> MutableMapping[str, Any]:
        if self._complete:
            return await self._receive()
        self._intake.under_way -= 1
        try:
            async with asyncio.timeout_at(self._deadline):
                message = await self._receive()
        except TimeoutError:
            raise HTTPException(408, f"The body did not arrive within {self._allowed.seconds:g} s.", CLOSE) from None
        finally:
            self._intake.under_way += 1
        self._complete = not message.get("more_body", False)
        self._left -= len(message.get("body", b""))
        if self._left < 0:
            raise BodyTooLarge(413, self._allowed.exceeded, CLOSE)
        return message
