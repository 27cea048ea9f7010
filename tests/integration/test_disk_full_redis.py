"""Redis on a full disk. With `appendfsync always` it ends at the first write that has no room; nothing that it
confirmed is lost, everything else is refused as away, and once there is room it works again without help.
"""

import asyncio
import os
import signal
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from uuid import UUID

import pytest
import structlog

from backends.embedded.redis import EmbeddedRedis
from backends.queue import DocumentQueue
from backends.redis import connect_redis
from backends.scripts import Scripts
from contracts.errors import QueueUnavailable
from standalone.keeper import ChildSpec, Patience
from standalone.supervisor import Supervisor
from tests.conftest import WaitUntil
from tests.integration.history_servers import free_port, job, redis_program
from tests.integration.outside_servers import REDIS, needs_embedded
from tests.integration.small_disk import SmallDisk, small_disk

pytestmark = needs_embedded(REDIS)
QUICK = Patience(tick_s=0.05, first_backoff_s=0.01, ready_backoff_s=0.05, longest_backoff_s=0.05)
DISK_MB, FEW_BYTES = 48, 1 << 20


@dataclass
class Kept:
    """A Redis on a small disk that is started again whenever it ends, and a queue on it."""

    queue: DocumentQueue
    scripts: Scripts
    disk: SmallDisk
    pids: list[int]

    async def accept(self, data_bytes: int) -> UUID:
        """Accept a document of about so many bytes. Raises what the queue raises."""
        wanted = job(data={"text": os.urandom(data_bytes // 2).hex()})
        await self.queue.enqueue(wanted)
        return wanted.document_id

    async def accept_until_refused(self, data_bytes: int) -> list[UUID]:
        accepted = []
        try:
            while True:
                accepted.append(await self.accept(data_bytes))
        except QueueUnavailable:
            return accepted

    async def accepts(self) -> bool:
        try:
            await self.accept(100)
        except QueueUnavailable:
            return False
        return True

    async def missing(self, accepted: list[UUID]) -> list[UUID]:
        return [document_id for document_id in accepted if await self.queue.live(document_id) is None]


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[SmallDisk]:
    with small_disk(tmp_path / "disk", DISK_MB) as disk:
        yield disk


@pytest.fixture
async def kept(disk: SmallDisk, tmp_path: Path) -> AsyncIterator[Kept]:
    server = EmbeddedRedis(disk.folder / "redis", free_port(), "a-password", redis_program())
    server.prepare()
    (tmp_path / "redis.log").touch()
    async with supervised(server, tmp_path) as pids:
        client = connect_redis(server.url, timeout_s=2)
        scripts = Scripts(client)
        try:
            yield Kept(DocumentQueue(scripts), scripts, disk, pids)
        finally:
            await client.aclose()


@asynccontextmanager
async def supervised(server: EmbeddedRedis, logs: Path) -> AsyncIterator[list[int]]:
    """Keep a server up as `presswork up` does; gives the list of its pids, newest last."""
    spec = ChildSpec("redis", server.command, server, {"PATH": os.environ["PATH"]}, sweep=server.sweep)
    pids: list[int] = []
    ready = asyncio.Event()

    def note(running: dict[str, int]) -> None:
        pids.append(running["redis"])
        ready.set()

    supervisor = Supervisor([[spec]], logs, structlog.get_logger(), on_ready=note, drain_s=(0.0,), patience=QUICK)
    task = asyncio.create_task(supervisor.run())
    await asyncio.wait_for(ready.wait(), 30)
    try:
        yield pids
    finally:
        supervisor.stop()
        await task


async def test_what_was_accepted_before_the_disk_was_full_is_there_and_the_rest_was_refused(
    kept: Kept, wait_until: WaitUntil
) -> None:
    kept.disk.fill(but_bytes=12 * FEW_BYTES)
    accepted = await kept.accept_until_refused(200_000)
    assert len(accepted) > 20
    kept.disk.fill()
    await wait_until(lambda: started_again(kept, 4), "it ends at every write and is started again")
    kept.disk.free()
    await wait_until(kept.accepts, "it accepts again")
    assert await kept.missing(accepted) == []


async def started_again(kept: Kept, number: int) -> bool:
    await kept.accepts()
    return len(kept.pids) >= number


async def test_a_redis_that_is_killed_on_a_full_disk_comes_back_with_everything_when_there_is_room(
    kept: Kept, wait_until: WaitUntil
) -> None:
    accepted = [await kept.accept(1000) for _ in range(20)]
    kept.disk.fill()
    os.kill(kept.pids[-1], signal.SIGKILL)
    await wait_until(lambda: started_again(kept, 4), "it ends at every write and is started again")
    kept.disk.free()
    await wait_until(kept.accepts, "it accepts again")
    assert await kept.missing(accepted) == []


async def test_a_disk_that_is_too_small_for_rewriting_the_file_loses_nothing(kept: Kept, wait_until: WaitUntil) -> None:
    accepted = [await kept.accept(100_000) for _ in range(40)]
    kept.disk.fill(but_bytes=FEW_BYTES)
    redis = kept.scripts.redis
    await redis.bgrewriteaof()

    async def given_up() -> bool:
        state = await redis.info("persistence")
        return bool(state["aof_last_bgrewrite_status"] == "err" and not state["aof_rewrite_in_progress"])

    await wait_until(given_up, "the rewriting has failed")
    accepted.append(await kept.accept(1000))
    os.kill(kept.pids[-1], signal.SIGKILL)
    await wait_until(kept.accepts, "it is back")
    assert await kept.missing(accepted) == []
    kept.disk.free()
    await redis.bgrewriteaof()

    async def rewritten() -> bool:
        state = await redis.info("persistence")
        return bool(state["aof_last_bgrewrite_status"] == "ok" and not state["aof_rewrite_in_progress"])

    await wait_until(rewritten, "the file is rewritten")
    assert await kept.missing(accepted) == []
