"""Attempts that are not a document's fault: killed render processes, storage away, jobs that nobody can read."""

import pytest
from redis.asyncio import Redis
from structlog.testing import capture_logs

from backends.queue import Claim, DocumentQueue, Excuse, Failure
from contracts.documents import Status
from contracts.errors import DocumentError
from contracts.ids import now_ms
from tests.integration.queue_steps import a_job, claim_one, row, started

KILLED = DocumentError(code="render_crashed", message="killed", retryable=True)


async def excused(queue: DocumentQueue, claim: Claim, excuse: Excuse) -> Claim | None:
    """End an attempt with an excuse and take the next one; None when the run has ended."""
    failure = Failure(claim.job.document_id, claim.token, KILLED, 1, delay_ms=0, excuse=excuse)
    assert await queue.fail([failure]) == ["ok"]
    await queue.promote(now_ms() + 1)
    if (await row(queue, claim.job.document_id)).terminal:
        return None
    again = await claim_one(queue)
    await queue.start([again.ref])
    return again


async def test_the_third_killed_render_process_sets_the_document_aside(queue: DocumentQueue) -> None:
    claim: Claim | None = await started(queue)
    assert claim is not None
    document_id = claim.job.document_id
    for crashes in (1, 2):
        claim = await excused(queue, claim, "crashes")
        assert claim is not None and claim.crashes == crashes
    assert await excused(queue, claim, "crashes") is None
    ended = await row(queue, document_id)
    assert ended.status is Status.FAILED and ended.error is not None and ended.error.code == "crashed_repeatedly"


async def test_crashes_of_the_worker_and_of_its_render_process_are_counted_together(
    queue: DocumentQueue, redis: Redis
) -> None:
    claim: Claim | None = await started(queue)
    assert claim is not None
    for _ in range(2):
        claim = await excused(queue, claim, "crashes")
        assert claim is not None
    await redis.zadd("{pw}:leases", {str(claim.job.document_id): 1})
    assert (await queue.reap()).set_aside == [claim.job.document_id]


async def test_storage_that_is_away_is_waited_for_as_long_as_it_takes(queue: DocumentQueue) -> None:
    claim: Claim | None = await started(queue)
    for times in range(1, 6):
        assert claim is not None
        claim = await excused(queue, claim, "postponed")
        assert claim is not None and (claim.postponed, claim.crashes) == (times, 0)


async def test_an_excuse_that_is_told_twice_counts_once(queue: DocumentQueue) -> None:
    claim = await started(queue)
    failure = Failure(claim.job.document_id, claim.token, KILLED, 1, delay_ms=0, excuse="crashes")
    assert await queue.fail([failure, failure]) == ["ok", "ok"]
    await queue.promote(now_ms() + 1)
    assert (await claim_one(queue)).crashes == 1


async def test_a_new_run_begins_without_the_last_ones_excuses(queue: DocumentQueue) -> None:
    claim: Claim | None = await started(queue)
    assert claim is not None
    claim = await excused(queue, claim, "postponed")
    assert claim is not None
    await queue.cancel(claim.job.document_id)
    await queue.retry(claim.job, "r")
    again = await claim_one(queue)
    assert (again.crashes, again.postponed) == (0, 0)


@pytest.mark.parametrize("text", [None, "not json", '{"document_id": 7}'])
async def test_a_job_that_nobody_can_read_fails_alone(queue: DocumentQueue, redis: Redis, text: str | None) -> None:
    broken, whole = a_job(), a_job()
    await queue.enqueue(broken)
    await queue.enqueue(whole)
    key = f"{{pw}}:job:{broken.document_id}"
    await (redis.delete(key) if text is None else redis.set(key, text))
    with capture_logs() as logs:
        claims = await queue.claim("w", 2, "r")
    assert [claim.job.document_id for claim in claims] == [whole.document_id]
    ended = await row(queue, broken.document_id)
    assert ended.status is Status.FAILED and ended.error is not None and ended.error.code == "input_lost"
    assert [line["event"] for line in logs if line["log_level"] == "error"] == ["claim.unreadable"]


async def test_a_lease_without_its_document_is_cleared_away(queue: DocumentQueue, redis: Redis) -> None:
    gone = a_job().document_id
    await redis.zadd("{pw}:leases", {str(gone): 1})
    assert (await queue.reap()).requeued == []
    assert await redis.exists("{pw}:leases", f"{{pw}}:doc:{gone}") == 0
