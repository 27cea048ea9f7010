"""Workers tell that they live; who does not any more is taken off the list, also where nobody reads it."""

import asyncio

from redis.asyncio import Redis

from backends.scripts import Scripts
from contracts.ids import now_ms
from generator.maintenance.heartbeat import DEAD_AFTER_MS, Heartbeat, WorkerState, living_workers
from tests.conftest import WaitUntil


def a_heartbeat(scripts: Scripts, name: str) -> Heartbeat:
    return Heartbeat(scripts, name, documents=lambda: ("a",), processes=lambda: ())


async def seen(scripts: Scripts, name: str, ago_ms: int) -> None:
    """Leave the entry that a killed worker leaves."""
    state = WorkerState(name=name, pid=1, host="h", started_at=0, seen_at=now_ms() - ago_ms, documents=(), processes=())
    await scripts.redis.hset(f"{scripts.prefix}workers", name, state.model_dump_json())


async def test_a_worker_that_starts_takes_dead_ones_off_the_list_and_itself_when_it_stops(
    scripts: Scripts, redis: Redis, wait_until: WaitUntil
) -> None:
    await seen(scripts, "killed", DEAD_AFTER_MS + 1)
    await seen(scripts, "alive", 1000)
    beating = asyncio.create_task(a_heartbeat(scripts, "new").run())

    async def names() -> set[str]:
        return {str(name) for name in await redis.hkeys(f"{scripts.prefix}workers")}

    async def told() -> bool:
        return "new" in await names()

    await wait_until(told, "the new worker tells of itself")
    assert await names() == {"alive", "new"}
    assert [worker.name for worker in await living_workers(scripts)] == ["alive", "new"]
    beating.cancel()
    await asyncio.gather(beating, return_exceptions=True)
    assert await names() == {"alive"}


async def test_an_entry_of_another_version_hides_no_worker(scripts: Scripts, redis: Redis) -> None:
    await seen(scripts, "ours", 1000)
    await redis.hset(f"{scripts.prefix}workers", "theirs", '{"name": "theirs", "since": 1}')
    assert [worker.name for worker in await living_workers(scripts)] == ["ours"]
    assert await redis.hkeys(f"{scripts.prefix}workers") == ["ours"]
