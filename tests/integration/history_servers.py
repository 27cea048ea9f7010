"""Real servers for the history's tests: a node and a Redis per module, a database and a prefix per test."""

import asyncio
import os
import signal
import socket
import subprocess
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol
from uuid import UUID, uuid4

from redis.asyncio import Redis

from backends.clickhouse import ClickHouse
from backends.embedded.clickhouse import EmbeddedClickHouse
from backends.embedded.redis import EmbeddedRedis, find_executable
from backends.embedded.tether import tethered
from backends.redis import connect_redis
from backends.scripts import Scripts
from contracts.ids import new_id, now_ms
from contracts.jobs import GenerationJob, PinnedTemplate
from tests.integration.copied_schema import CopiedSchemas
from tests.integration.outside_servers import CLICKHOUSE, REDIS, skip_if_outside


class Embedded(Protocol):
    @property
    def command(self) -> list[str]: ...

    @property
    def url(self) -> str: ...

    def prepare(self) -> None: ...

    async def is_ready(self, pid: int) -> bool: ...


@dataclass
class Server:
    """A server process that tests may kill and start again."""

    embedded: Embedded
    process: subprocess.Popen[bytes] | None = field(default=None)

    @property
    def url(self) -> str:
        return self.embedded.url

    def start(self) -> None:
        self.embedded.prepare()
        self.start_again()

    def start_again(self) -> None:
        """Start it with the configuration that is there."""
        self.spawn()
        self.wait_until_ready()

    def spawn(self) -> None:
        """Begin to start it. It dies with the thread that calls this."""
        self.process = subprocess.Popen(tethered(self.embedded.command), stdout=subprocess.DEVNULL)

    def wait_until_ready(self) -> None:
        assert self.process is not None
        deadline = time.monotonic() + 60
        while not asyncio.run(self.embedded.is_ready(self.process.pid)):
            assert time.monotonic() < deadline and self.process.poll() is None, "the server did not start"
            time.sleep(0.02)

    def kill(self) -> None:
        if self.process is not None:
            self.process.send_signal(signal.SIGKILL)
            self.process.wait()
            self.process = None


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@contextmanager
def clickhouse_server(directory: Path) -> Iterator[Server]:
    """Start an embedded ClickHouse that the test may kill; skip the test where an outside one is tested."""
    skip_if_outside(CLICKHOUSE)
    with running(Server(EmbeddedClickHouse(directory, free_port(), "test-password", marker=uuid4().hex))) as server:
        yield server


@contextmanager
def redis_server(directory: Path, *, max_memory: str = "1gb") -> Iterator[Server]:
    """Start an embedded Redis that the test may kill; skip the test where an outside one is tested."""
    skip_if_outside(REDIS)
    with running(Server(EmbeddedRedis(directory, free_port(), "test-password", redis_program(), max_memory))) as server:
        yield server


def redis_program() -> Path:
    """Find the Redis server to test with: PRESSWORK_REDIS_SERVER (such as Debian's redis-server), else the wheel's."""
    return find_executable(os.environ.get("PRESSWORK_REDIS_SERVER"))


@contextmanager
def running(server: Server) -> Iterator[Server]:
    server.start()
    try:
        yield server
    finally:
        server.kill()


schemas = CopiedSchemas()


@asynccontextmanager
async def fresh_database(url: str, *, migrated: bool = True) -> AsyncIterator[ClickHouse]:
    clickhouse = ClickHouse(f"{url.rpartition('/')[0]}/test_{uuid4().hex}")
    try:
        if migrated:
            await schemas.prepare(clickhouse)
        yield clickhouse
    finally:
        if await clickhouse.ping():
            await clickhouse.command(f"DROP DATABASE IF EXISTS {clickhouse.address.database} SYNC", database="system")
        await clickhouse.close()


@asynccontextmanager
async def out_of_memory(redis: Redis) -> AsyncIterator[None]:
    """Let Redis refuse what needs memory."""
    before = (await redis.config_get("maxmemory"))["maxmemory"]
    await redis.config_set("maxmemory", "1")
    try:
        yield
    finally:
        await redis.config_set("maxmemory", before)


@asynccontextmanager
async def fresh_prefix(url: str) -> AsyncIterator[Scripts]:
    redis: Redis = connect_redis(url, connections=16)
    try:
        yield Scripts(redis, f"{{{uuid4().hex}}}:")
    finally:
        await redis.aclose()


async def wait_until(condition: Callable[[], bool], what: str, deadline_s: float = 60) -> None:
    deadline = time.monotonic() + deadline_s
    while not condition():
        assert time.monotonic() < deadline, f"waited {deadline_s} s in vain: {what}"
        await asyncio.sleep(0.02)


def job(user_id: UUID | None = None, **changes: object) -> GenerationJob:
    at = now_ms()
    user = user_id or new_id(at)
    plain = GenerationJob(
        document_id=new_id(at),
        user_id=user,
        created_at=at,
        template=PinnedTemplate(name="invoice", version=3, sha256="ab" * 32, engine="typst"),
        data={"number": "7"},
        format="pdf",
        filename="invoice.pdf",
        lane=str(user),
    )
    return plain.model_copy(update=changes)
