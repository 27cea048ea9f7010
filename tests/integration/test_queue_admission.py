"""How much is taken in: by count, bytes, memory and waiting events; and when a client is told to come back."""

from collections.abc import AsyncIterator

import pytest
from redis.asyncio import Redis

from backends.admission import QueueLimits
from backends.queue import DocumentQueue
from backends.scripts import Scripts
from contracts.errors import RateLimited, SystemFull
from contracts.ids import now_ms
from tests.integration.queue_steps import ANN, BOB, a_job, a_result, claim_one, started

LOAD, OPEN = "{pw}:load", "{pw}:open"
BIG = {"text": "x" * 10_000}


def queue_with(scripts: Scripts, **limits: int) -> DocumentQueue:
    return DocumentQueue(scripts, QueueLimits(**limits))


@pytest.fixture
async def redis_of_limited_memory(redis: Redis) -> AsyncIterator[Redis]:
    """A Redis that has a tenth more memory than it uses."""
    before = (await redis.config_get("maxmemory"))["maxmemory"]
    await redis.config_set("maxmemory", int((await redis.info("memory"))["used_memory"] * 1.1))
    yield redis
    await redis.config_set("maxmemory", before)


async def test_a_users_bytes_are_its_own_limit(scripts: Scripts) -> None:
    queue = queue_with(scripts, max_open_bytes_per_user=15_000)
    await queue.enqueue(a_job(data=BIG))
    with pytest.raises(RateLimited, match="too much room"):
        await queue.enqueue(a_job(data=BIG))
    await queue.enqueue(a_job(BOB, data=BIG))


async def test_the_bytes_of_all_users_are_the_systems_limit(scripts: Scripts) -> None:
    queue = queue_with(scripts, max_open_bytes=15_000)
    await queue.enqueue(a_job(data=BIG))
    with pytest.raises(SystemFull, match="as much data"):
        await queue.enqueue(a_job(BOB, data=BIG))


async def test_bytes_are_given_back_when_documents_end_and_counted_again_on_retry(
    scripts: Scripts, redis: Redis
) -> None:
    queue = queue_with(scripts, max_open_bytes=15_000)
    claim = await started(queue, a_job(data=BIG))
    assert int(await redis.hget(OPEN, "bytes")) > 10_000
    await queue.complete([a_result(claim)])
    assert await redis.hmget(OPEN, "all", "bytes", str(ANN), f"bytes:{ANN}") == ["0", "0", None, None]
    await queue.retry(claim.job, "r")
    with pytest.raises(SystemFull):
        await queue.enqueue(a_job(BOB, data=BIG))


async def test_a_limit_of_zero_is_none(scripts: Scripts) -> None:
    queue = queue_with(scripts, max_open_bytes=0, max_open_bytes_per_user=0, max_events_bytes=0, memory_percent=0)
    for _ in range(3):
        await queue.enqueue(a_job(data=BIG))
    assert (await queue.lengths())["open"] == 3


async def test_memory_beyond_its_share_refuses_and_what_was_accepted_goes_on(
    scripts: Scripts, redis_of_limited_memory: Redis
) -> None:
    await queue_with(scripts, memory_percent=0).enqueue(a_job())
    queue = queue_with(scripts, memory_percent=80)
    with pytest.raises(SystemFull, match="memory is nearly full"):
        await queue.enqueue(a_job())
    claim = await claim_one(queue)
    await queue.start([claim.ref])
    assert await queue.complete([a_result(claim)]) == ["ok"]


async def test_memory_that_is_free_again_takes_documents_again(
    scripts: Scripts, redis_of_limited_memory: Redis
) -> None:
    queue = queue_with(scripts, memory_percent=80)
    with pytest.raises(SystemFull):
        await queue.enqueue(a_job())
    await redis_of_limited_memory.config_set("maxmemory", "1gb")
    await redis_of_limited_memory.delete(LOAD)
    await queue.enqueue(a_job())


async def test_events_that_nobody_ships_refuse_new_documents_until_they_are_shipped(
    scripts: Scripts, redis: Redis
) -> None:
    queue = queue_with(scripts, max_events_bytes=50_000)
    await queue.enqueue(a_job())
    for _ in range(100):
        await redis.xadd("{pw}:events", {"d": "x" * 1000})
    await redis.delete(LOAD)
    with pytest.raises(SystemFull, match="events wait"):
        await queue.enqueue(a_job())
    await redis.xtrim("{pw}:events", maxlen=0, approximate=False)
    await redis.delete(LOAD)
    await queue.enqueue(a_job())


async def test_load_is_measured_at_most_twice_a_second(scripts: Scripts, redis: Redis) -> None:
    queue = queue_with(scripts)
    await queue.enqueue(a_job())
    await redis.hset(LOAD, "used", 1)
    await queue.enqueue(a_job())
    assert await redis.hget(LOAD, "used") == "1"
    await redis.hincrby(LOAD, "at", -600)
    await queue.enqueue(a_job())
    assert int(await redis.hget(LOAD, "used")) > 1


async def test_retry_after_follows_the_pace_at_which_the_queue_drains(scripts: Scripts, redis: Redis) -> None:
    queue = queue_with(scripts, max_open=1)
    await queue.enqueue(a_job())
    await redis.hset(OPEN, "all", 10_000)
    await redis.hset(LOAD, mapping={"at": now_ms(), "per_s": "10"})
    with pytest.raises(SystemFull) as slow:
        await queue.enqueue(a_job())
    await redis.hset(LOAD, mapping={"at": now_ms(), "per_s": "500"})
    with pytest.raises(SystemFull) as quick:
        await queue.enqueue(a_job())
    assert (slow.value.retry_after_s, quick.value.retry_after_s) == (50, 1)


async def test_a_queue_that_stands_still_asks_for_patience(scripts: Scripts) -> None:
    queue = queue_with(scripts, max_open_per_user=1)
    await queue.enqueue(a_job())
    with pytest.raises(RateLimited) as full:
        await queue.enqueue(a_job())
    assert full.value.retry_after_s == 30


async def test_the_pace_is_what_ended_since_the_last_look(scripts: Scripts, redis: Redis) -> None:
    queue = queue_with(scripts)
    await queue.enqueue(a_job())
    await redis.hincrby(LOAD, "at", -20_000)
    await redis.hset(LOAD, "ended", 100)
    await queue.enqueue(a_job())
    assert float(await redis.hget(LOAD, "per_s")) == pytest.approx(5, rel=0.05)
