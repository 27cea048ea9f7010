"""The end of a service: the first SIGTERM or SIGINT asks for it, the second for haste. Either way it exits with 0.

What is under way finishes while requests are still answered (/readyz with 503), and only then the port closes.
uvicorn's own handling closes the port first, skips the lifespan's end when hurried, and ends the process by the signal.
"""

import asyncio
import signal
from collections.abc import Awaitable, Callable, Collection, Iterator
from contextlib import contextmanager
from typing import Protocol

import structlog

from backends.telemetry import Application, Message, Receive, Scope, Send

log = structlog.get_logger(__name__)

SIGNALS = (signal.SIGTERM, signal.SIGINT)


class Shutdown:
    """`asked`: no new work from now on. `hurried`: what still runs is given back instead of finished."""

    def __init__(self) -> None:
        self.asked = asyncio.Event()
        self.hurried = asyncio.Event()

    def ask(self) -> None:
        """Ask for the end; the second time, at once."""
        log.info("shutdown.hurried" if self.asked.is_set() else "shutdown.asked")
        if self.asked.is_set():
            self.hurried.set()
        self.asked.set()

    @contextmanager
    def on_signals(self) -> Iterator[None]:
        """Let SIGTERM and SIGINT ask while the block runs."""
        loop = asyncio.get_running_loop()
        for number in SIGNALS:
            loop.add_signal_handler(number, self.ask)
        try:
            yield
        finally:
            for number in SIGNALS:
                loop.remove_signal_handler(number)

    async def rest(self, seconds: float) -> None:
        """Sleep, but not when there is haste."""
        await first(self.hurried.wait(), timeout_s=seconds)


class Served(Protocol):
    """The part of uvicorn's server that is used: its tasks are the requests under way."""

    should_exit: bool

    @property
    def requests(self) -> Collection[asyncio.Task[None]]: ...

    async def serve(self) -> None: ...


async def serve_until_drained(server: Served, shutdown: Shutdown, drain: Callable[[], Awaitable[None]]) -> None:
    """Serve until the end is asked for; then `drain` while requests are still answered, then close the port."""
    with shutdown.on_signals():
        serving = asyncio.create_task(server.serve(), name="server")
        haste = asyncio.create_task(_hasten(server, shutdown), name="haste")
        try:
            await first(serving, shutdown.asked.wait())
            await drain()
        finally:
            server.should_exit = True
            await serving
            haste.cancel()


async def _hasten(server: Served, shutdown: Shutdown) -> None:
    await shutdown.hurried.wait()
    for request in tuple(server.requests):
        request.cancel()


class Farewell:
    """ASGI middleware: while the process ends, every answer closes its connection, so that the client's next request
    finds another process; and a request that is cut off is answered by `cut_off` (503), not with uvicorn's 500.
    """

    def __init__(self, app: Application, shutdown: Shutdown, cut_off: Callable[[Scope], Application]) -> None:
        self.app = app
        self.shutdown = shutdown
        self.cut_off = cut_off

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        answer = LastAnswer(send, self.shutdown)
        try:
            await self.app(scope, receive, answer)
        except asyncio.CancelledError:
            if not answer.begun:  # else the connection is closed in the middle: the client sees that it is not whole
                await self.cut_off(scope)(scope, receive, answer)
            raise


class LastAnswer:
    def __init__(self, send: Send, shutdown: Shutdown) -> None:
        self._send = send
        self._shutdown = shutdown
        self.begun = False

    async def __call__(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.begun = True
            if self._shutdown.asked.is_set():
                message["headers"] = [*message.get("headers", ()), (b"connection", b"close")]
        await self._send(message)


async def first(*awaited: Awaitable[object], timeout_s: float | None = None) -> None:
    """Return when one of several has ended, or the time is over; what was given as a coroutine is cancelled then."""
    given = [asyncio.ensure_future(one) for one in awaited]
    try:
        await asyncio.wait(given, timeout=timeout_s, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for one, future in zip(awaited, given, strict=True):
            if one is not future:
                future.cancel()
