"""The end of a process, with a server that is none: what runs before what, and what requests meet meanwhile."""

import asyncio
import os
import signal
from collections.abc import Collection
from typing import Any

import pytest
from starlette.responses import PlainTextResponse

from backends.shutdown import Farewell, Shutdown, first, serve_until_drained

DEADLINE_S = 10


class FakeServer:
    """Serves until it is told to exit; its requests are what the test gives it."""

    def __init__(self) -> None:
        self.should_exit = False
        self.requests: Collection[asyncio.Task[None]] = ()
        self.started = asyncio.Event()

    async def serve(self) -> None:
        self.started.set()
        while not self.should_exit:
            await asyncio.sleep(0.001)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_a_signal_drains_while_requests_are_served_and_then_ends_the_server(number: signal.Signals) -> None:
    server, shutdown, seen = FakeServer(), Shutdown(), []

    async def drain() -> None:
        seen.append((shutdown.asked.is_set(), server.should_exit))

    async with asyncio.timeout(DEADLINE_S):
        serving = asyncio.create_task(serve_until_drained(server, shutdown, drain))
        await server.started.wait()
        os.kill(os.getpid(), number)
        await serving
    assert seen == [(True, False)]
    assert not shutdown.hurried.is_set()


async def test_a_second_signal_is_haste_and_cuts_off_the_requests_under_way() -> None:
    server, shutdown = FakeServer(), Shutdown()
    request = asyncio.create_task(asyncio.sleep(600))
    server.requests = [request]
    async with asyncio.timeout(DEADLINE_S):
        serving = asyncio.create_task(serve_until_drained(server, shutdown, lambda: shutdown.rest(600)))
        await server.started.wait()
        os.kill(os.getpid(), signal.SIGTERM)
        await shutdown.asked.wait()
        os.kill(os.getpid(), signal.SIGTERM)
        await serving
    assert request.cancelled()


async def test_a_server_that_cannot_start_says_so() -> None:
    class Broken(FakeServer):
        async def serve(self) -> None:
            raise OSError("the port is taken")

    with pytest.raises(OSError, match="the port is taken"):
        await serve_until_drained(Broken(), Shutdown(), lambda: asyncio.sleep(0))


async def test_the_drain_failing_ends_the_server_all_the_same() -> None:
    server, shutdown = FakeServer(), Shutdown()

    async def broken() -> None:
        raise ZeroDivisionError

    shutdown.ask()
    with pytest.raises(ZeroDivisionError):
        await serve_until_drained(server, shutdown, broken)
    assert server.should_exit


async def test_waiting_for_the_first_cancels_the_coroutines_that_were_given_and_no_task() -> None:
    forever, task = asyncio.Event(), asyncio.create_task(asyncio.sleep(600))
    waiting = asyncio.create_task(forever.wait())
    await first(task, waiting, asyncio.sleep(0))
    assert not task.done() and not waiting.done()
    for mine in (task, waiting):
        mine.cancel()


class Conversation:
    """One request to an application behind the Farewell, and the messages that came back."""

    def __init__(self, shutdown: Shutdown, app: Any) -> None:
        self.sent: list[dict[str, Any]] = []
        cut_off = PlainTextResponse("cut off", 503)
        self.app = Farewell(app, shutdown, lambda _: cut_off)

    async def hold(self) -> None:
        async def send(message: Any) -> None:
            self.sent.append(message)

        await self.app({"type": "http"}, None, send)

    @property
    def status(self) -> int:
        return int(self.sent[0]["status"])

    @property
    def headers(self) -> dict[bytes, bytes]:
        return dict(self.sent[0]["headers"])


async def test_every_answer_closes_its_connection_once_the_end_is_asked_for() -> None:
    shutdown = Shutdown()
    before = Conversation(shutdown, PlainTextResponse("hello"))
    await before.hold()
    shutdown.ask()
    after = Conversation(shutdown, PlainTextResponse("hello"))
    await after.hold()
    assert b"connection" not in before.headers
    assert after.headers[b"connection"] == b"close"


async def test_a_request_that_is_cut_off_is_answered_with_503() -> None:
    async def waits(scope: Any, receive: Any, send: Any) -> None:
        await asyncio.sleep(600)

    conversation = Conversation(Shutdown(), waits)
    await cut_off(conversation)
    assert conversation.status == 503


async def test_an_answer_that_is_cut_off_in_the_middle_stays_unfinished() -> None:
    async def half(scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await asyncio.sleep(600)

    conversation = Conversation(Shutdown(), half)
    await cut_off(conversation)
    assert [message["type"] for message in conversation.sent] == ["http.response.start"]


async def cut_off(conversation: Conversation) -> None:
    task = asyncio.create_task(conversation.hold())
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
