"""Leases of documents: renewed, given back, run out, and refused to whoever comes late."""

from redis.asyncio import Redis

from backends.queue import DocumentQueue
from contracts.documents import Status
from contracts.ids import now_ms
from tests.integration.queue_steps import a_failure, a_job, a_result, claim_one, row, started


async def test_an_expired_lease_gives_the_document_to_another_and_refuses_the_zombie(
    queue: DocumentQueue, redis: Redis
) -> None:
    zombie = await started(queue)
    await redis.zadd("{pw}:leases", {str(zombie.job.document_id): 1})
    assert (await queue.reap()).requeued == [zombie.job.document_id]
    assert await queue.complete([a_result(zombie)]) == ["stale"]
    assert await queue.renew([zombie.ref]) == [False]
    heir = await claim_one(queue)
    assert heir.token > zombie.token and heir.crashes == 1
    await queue.start([heir.ref])
    assert await queue.fail([a_failure(zombie)]) == ["stale"]
    assert await queue.complete([a_result(heir)]) == ["ok"]


async def test_a_renewed_lease_is_not_reaped(queue: DocumentQueue, redis: Redis) -> None:
    claim = await started(queue)
    await redis.zadd("{pw}:leases", {str(claim.job.document_id): 1})
    assert await queue.renew([claim.ref]) == [True]
    assert (await queue.reap()).requeued == []


async def test_a_clock_that_is_set_back_does_not_prolong_leases(queue: DocumentQueue, redis: Redis) -> None:
    claim = await started(queue)
    leases = "{pw}:leases"
    await redis.zincrby(leases, 3_600_000, str(claim.job.document_id))  # as given an hour ahead of today's clock
    assert (await queue.reap()).requeued == []
    ends_at = await redis.zscore(leases, str(claim.job.document_id))
    assert ends_at <= await queue.clock_ms() + queue.lease_ms


async def test_three_crashes_set_a_document_aside(queue: DocumentQueue, redis: Redis) -> None:
    job = a_job()
    await queue.enqueue(job)
    for crash in range(3):
        claim = await claim_one(queue)
        assert claim.crashes == crash
        await queue.start([claim.ref])
        await redis.zadd("{pw}:leases", {str(job.document_id): 1})
        rescue = await queue.reap()
    assert rescue.set_aside == [job.document_id]
    dead = await row(queue, job.document_id)
    assert dead.status == Status.FAILED and dead.error and dead.error.code == "crashed_repeatedly"


async def test_a_document_that_had_not_started_is_not_blamed_for_a_crash(queue: DocumentQueue, redis: Redis) -> None:
    job = a_job()
    await queue.enqueue(job)
    for _ in range(5):
        assert (await claim_one(queue)).crashes == 0
        await redis.zadd("{pw}:leases", {str(job.document_id): 1})
        assert (await queue.reap()).requeued == [job.document_id]


async def test_a_renewal_on_its_way_does_not_lease_a_document_that_waits_for_its_retry(queue: DocumentQueue) -> None:
    claim = await started(queue)
    await queue.fail([a_failure(claim, delay_ms=60_000)])
    assert await queue.fail([a_failure(claim, delay_ms=60_000)]) == ["ok"]
    assert await queue.renew([claim.ref]) == [False]
    await queue.promote(now_ms() + 61_000)
    assert (await claim_one(queue)).job.document_id == claim.job.document_id


async def test_a_renewal_on_its_way_does_not_lease_the_run_that_follows(queue: DocumentQueue) -> None:
    claim = await started(queue)
    await queue.complete([a_result(claim)])
    await queue.retry(claim.job, "r")
    assert await queue.renew([claim.ref]) == [False]
    assert (await claim_one(queue)).run == 2


async def test_released_documents_go_to_the_front_and_no_attempt_is_counted(queue: DocumentQueue) -> None:
    first, second = a_job(), a_job()
    await queue.enqueue(first)
    await queue.enqueue(second)
    claim = await claim_one(queue)
    await queue.start([claim.ref])
    assert await queue.release([claim.ref]) == 1
    assert await queue.release([claim.ref]) == 0
    again = await claim_one(queue)
    assert (again.job.document_id, again.attempt, again.crashes) == (first.document_id, 0, 0)
