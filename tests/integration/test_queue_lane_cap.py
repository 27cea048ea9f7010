"""The cap of a lane: how many of its documents are under way at once, without holding up the other lanes."""

from uuid import uuid4

import pytest
from redis.asyncio import Redis

from backends.queue import Claim, DocumentQueue
from backends.scripts import Scripts
from contracts.ids import now_ms
from tests.integration.queue_steps import ANN, BOB, a_failure, a_job, a_result

RUNNING, PARKED, RING = "{pw}:running", "{pw}:parked", "{pw}:ring:normal"


@pytest.fixture
def capped(scripts: Scripts) -> DocumentQueue:
    return DocumentQueue(scripts, lease_ms=1000, lane_cap=2)


async def claimed(queue: DocumentQueue, want: int) -> list[Claim]:
    return await queue.claim("w", want, uuid4().hex)


def users(claims: list[Claim]) -> list[object]:
    return [claim.job.user_id for claim in claims]


async def flooded(queue: DocumentQueue) -> list[Claim]:
    """Ann floods her lane and has as many documents under way as she may."""
    for _ in range(6):
        await queue.enqueue(a_job(ANN))
    return await claimed(queue, 10)


async def test_a_lane_has_no_more_under_way_than_its_cap(capped: DocumentQueue) -> None:
    assert users(await flooded(capped)) == [ANN, ANN]
    assert await claimed(capped, 10) == []


async def test_another_lane_is_served_while_one_is_at_its_cap(capped: DocumentQueue, redis: Redis) -> None:
    await flooded(capped)
    await capped.enqueue(a_job(BOB))
    assert users(await claimed(capped, 10)) == [BOB]
    assert await redis.lrange(RING, 0, -1) == []  # claims need not pass by a lane that waits for its cap


async def test_the_cap_holds_over_all_priorities_of_a_lane(capped: DocumentQueue) -> None:
    for priority in ("interactive", "normal", "batch"):
        await capped.enqueue(a_job(ANN, priority=priority))
    first = await claimed(capped, 10)
    assert len(first) == 2
    await capped.release([first[0].ref])
    assert len(await claimed(capped, 10)) == 1


@pytest.mark.parametrize("ending", ["complete", "fail", "delay", "release", "cancel", "delete", "reap"])
async def test_however_a_lease_ends_the_lane_goes_on(capped: DocumentQueue, redis: Redis, ending: str) -> None:
    first, _ = await flooded(capped)
    await capped.start([first.ref])
    match ending:
        case "complete":
            await capped.complete([a_result(first)])
        case "fail":
            await capped.fail([a_failure(first)])
        case "delay":
            await capped.fail([a_failure(first, delay_ms=60_000)])
        case "release":
            await capped.release([first.ref])
        case "cancel":
            await capped.cancel(first.job.document_id)
        case "delete":
            await capped.delete(first.job.document_id)
        case "reap":
            await redis.zadd("{pw}:leases", {str(first.job.document_id): 1})
            await capped.reap()
    assert await redis.hget(RUNNING, str(ANN)) == "1"
    assert len(await claimed(capped, 10)) == 1
    assert await claimed(capped, 10) == []


async def test_no_count_is_left_when_all_has_ended(capped: DocumentQueue, redis: Redis) -> None:
    claims = await flooded(capped)
    while claims:
        await capped.start([claim.ref for claim in claims])
        await capped.complete([a_result(claim) for claim in claims])
        claims = await claimed(capped, 10)
    assert await redis.exists(RUNNING, PARKED) == 0


async def test_renewing_and_repeating_a_claim_count_a_lease_once(capped: DocumentQueue, redis: Redis) -> None:
    await capped.enqueue(a_job(ANN))
    (claim,) = await capped.claim("w", 1, "same")
    await capped.claim("w", 1, "same")
    await capped.renew([claim.ref])
    assert await redis.hget(RUNNING, str(ANN)) == "1"


async def test_a_waiting_worker_is_woken_when_a_lane_may_go_on(capped: DocumentQueue, redis: Redis) -> None:
    first, _ = await flooded(capped)
    await claimed(capped, 10)
    await redis.delete("{pw}:wake:render")
    await capped.start([first.ref])
    await capped.complete([a_result(first)])
    assert await redis.llen("{pw}:wake:render") > 0


async def test_documents_that_come_while_a_lane_is_parked_keep_its_one_place(
    capped: DocumentQueue, redis: Redis
) -> None:
    first, second = await flooded(capped)
    await claimed(capped, 10)
    await capped.enqueue(a_job(ANN))
    assert await redis.lrange(RING, 0, -1) == []
    await capped.release([first.ref, second.ref])
    assert await redis.lrange(RING, 0, -1) == [str(ANN)]


async def test_without_a_cap_a_lane_takes_all_there_is(queue: DocumentQueue) -> None:
    assert len(await flooded(queue)) == 6
    assert await queue.promote(now_ms()) == 0
