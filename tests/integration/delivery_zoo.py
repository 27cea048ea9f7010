"""What the delivery tests share: receivers that misbehave on purpose, a record of what is dialled."""

import asyncio
import base64
import socket
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, cast
from uuid import UUID, uuid4

import pytest
from redis.asyncio import Redis

from backends.deliveries import Deliveries
from backends.queue import Completion, DocumentQueue, Failure
from backends.redis import connect_redis
from backends.scripts import Scripts
from contracts.documents import Result
from contracts.errors import DocumentError
from contracts.ids import new_id, now_ms
from contracts.jobs import Callback, GenerationJob, PinnedTemplate
from contracts.targets import AllowList
from generator.delivery.connections import Connections
from tests.integration.history_servers import Server

Behaviour = Callable[[asyncio.StreamReader, asyncio.StreamWriter, "Call"], Awaitable[None]]

LOOPBACK = AllowList.parse(cidrs="127.0.0.1/32")
OK = b"HTTP/1.1 200 OK\r\n"
SECRET = "whsec_" + base64.b64encode(b"k" * 32).decode()
USER = UUID("0190a0a0-0000-7000-8000-00000000000a")
OTHER_USER = UUID("0190a0a0-0000-7000-8000-00000000000b")


@dataclass(frozen=True)
class Call:
    """One request as it came over the wire; header names in lower case."""

    target: str
    headers: dict[str, str]
    body: bytes


@dataclass
class Receiver:
    """An HTTP server on loopback that answers by a behaviour and keeps every call."""

    behaviour: Behaviour
    port: int = 0
    calls: list[Call] = field(default_factory=list)
    now: int = 0
    most: int = 0
    tasks: set[asyncio.Task[None]] = field(default_factory=set)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/hook?token=hush"

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self.tasks.add(task)
        task.add_done_callback(self.tasks.discard)
        self.now += 1
        self.most = max(self.most, self.now)
        try:
            call = await _read_call(reader)
            self.calls.append(call)
            await self.behaviour(reader, writer, call)
        except (ConnectionError, asyncio.IncompleteReadError):
            return  # the client hung up: many of these behaviours are made for that
        finally:
            self.now -= 1
            writer.close()


async def _read_call(reader: asyncio.StreamReader) -> Call:
    head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
    first, *lines = head.strip().split("\r\n")
    headers = {name.lower(): value for name, value in (line.split(": ", 1) for line in lines)}
    body = await reader.readexactly(int(headers.get("content-length", "0")))
    return Call(first.split(" ")[1], headers, body)


@asynccontextmanager
async def receiving(behaviour: Behaviour) -> AsyncIterator[Receiver]:
    receiver = Receiver(behaviour)
    server = await asyncio.start_server(receiver.serve, "127.0.0.1", 0, limit=1 << 20)
    receiver.port = server.sockets[0].getsockname()[1]
    try:
        yield receiver
    finally:
        server.close()
        for task in receiver.tasks:
            task.cancel()
        await asyncio.gather(*receiver.tasks, return_exceptions=True)


def answers(*replies: tuple[int, dict[str, str]] | int, body: bytes = b"ok") -> Behaviour:
    """Answer with these statuses in turn, the last one for ever."""
    left = list(replies)

    async def behave(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, call: Call) -> None:
        reply = left.pop(0) if len(left) > 1 else left[0]
        status, headers = (reply, {}) if isinstance(reply, int) else reply
        lines = [f"HTTP/1.1 {status} X", f"Content-Length: {len(body)}", *(f"{k}: {v}" for k, v in headers.items())]
        writer.write("\r\n".join([*lines, "", ""]).encode() + body)
        await writer.drain()

    return behave


def says(raw: bytes) -> Behaviour:
    """Write these bytes and hang up."""

    async def behave(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, call: Call) -> None:
        writer.write(raw)
        await writer.drain()

    return behave


def drips(head: bytes, drop: bytes, *, every_s: float = 0.02) -> Behaviour:
    """Write the head, then the drop again and again until the client goes away."""

    async def behave(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, call: Call) -> None:
        writer.write(head)
        while not writer.is_closing():
            writer.write(drop)
            await writer.drain()
            await asyncio.sleep(every_s)

    return behave


async def silence(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, call: Call) -> None:
    await reader.read()  # ends when the client hangs up


async def reset(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, call: Call) -> None:
    writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
    await writer.drain()


@pytest.fixture
def dialled(monkeypatch: pytest.MonkeyPatch) -> set[tuple[str, int]]:
    """Record where the event loop really connects to, below every HTTP client."""
    seen: set[tuple[str, int]] = set()
    real = asyncio.selector_events.BaseSelectorEventLoop.sock_connect

    async def spy(
        loop: asyncio.selector_events.BaseSelectorEventLoop, sock: socket.socket, address: tuple[str, int]
    ) -> None:
        seen.add(address[:2])
        await real(loop, sock, address)

    monkeypatch.setattr(asyncio.selector_events.BaseSelectorEventLoop, "sock_connect", spy)
    return seen


@pytest.fixture
async def hung_up(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[None]:
    """Close what every dialer has kept open for its next call."""
    made: list[Connections] = []
    real = Connections.__init__

    def remembering(connections: Connections, *given: Any) -> None:
        made.append(connections)
        real(connections, *given)

    monkeypatch.setattr(Connections, "__init__", remembering)
    yield
    for connections in made:
        connections.close()
    await asyncio.sleep(0)


async def wait_until(condition: Callable[[], bool | Awaitable[bool]], *, within_s: float = 20) -> None:
    deadline = time.monotonic() + within_s
    while True:
        met = condition()
        if met if isinstance(met, bool) else await met:
            return
        assert time.monotonic() < deadline, "it did not come true in time"
        await asyncio.sleep(0.01)


@dataclass
class Broker:
    """The queue and its deliveries under a prefix of their own. `clock` may run ahead of Redis TIME."""

    redis: Redis
    scripts: Scripts
    queue: DocumentQueue

    def deliveries(self, clock: Callable[[], int] | None = None) -> Deliveries:
        return Deliveries(self.scripts, clock=clock)

    async def completed(self, url: str, headers: dict[str, str] | None = None, user: UUID = USER) -> UUID:
        """Take a document with a callback through the real queue to its end."""
        job = GenerationJob(
            document_id=new_id(),
            user_id=user,
            created_at=now_ms(),
            template=PinnedTemplate(name="invoice", version=3, sha256="0" * 64, engine="typst"),
            format="pdf",
            filename="invoice.pdf",
            lane=str(user),
            callback=Callback(url=url, headers=headers or {}),
        )
        await self.queue.enqueue(job)
        await self.finish()
        return job.document_id

    async def finish(self) -> None:
        """Complete whatever is queued first."""
        (claim,) = await self.queue.claim("worker", 1, uuid4().hex)
        await self.queue.start([claim.ref])
        result = Result(
            key="k", bytes=9, sha256="1" * 64, pages=1, content_type="application/pdf", filename="invoice.pdf"
        )
        assert await self.queue.complete([Completion(*claim.ref, result, 12, None)]) == ["ok"]

    async def fail(self) -> None:
        """Fail whatever is queued first, for good."""
        (claim,) = await self.queue.claim("worker", 1, uuid4().hex)
        await self.queue.start([claim.ref])
        error = DocumentError(code="template_error", message="No such value.", line=3)
        assert await self.queue.fail([Failure(*claim.ref, error, 12, None)]) == ["ok"]

    async def attempts(self) -> list[str]:
        """Return the attempt lines of the event stream, without those that only say that a delivery is due."""
        return [line for line in await self.delivery_lines() if '"attempt":0' not in line]

    async def delivery_lines(self) -> list[str]:
        """Return all lines of deliveries in the event stream."""
        entries = cast(list[tuple[str, dict[str, str]]], await self.redis.xrange(f"{self.scripts.prefix}events"))
        return [fields["w"] for _, fields in entries if "w" in fields]


@asynccontextmanager
async def broker(server: Server) -> AsyncIterator[Broker]:
    redis = connect_redis(server.url)
    scripts = Scripts(redis, f"{{test{uuid4().hex}}}:")
    try:
        yield Broker(redis, scripts, DocumentQueue(scripts))
    finally:
        await redis.aclose()
        await redis.connection_pool.disconnect()


@pytest.fixture
async def pw(redis_node: Server) -> AsyncIterator[Broker]:
    async with broker(redis_node) as made:
        yield made


class Clock:
    """Epoch milliseconds that pass when told to."""

    def __init__(self, start_ms: int) -> None:
        self.now = start_ms

    def __call__(self) -> int:
        return self.now
