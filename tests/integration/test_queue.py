"""The queue's scripts on a real server: every transition compares state and token, and bears repetition."""

import asyncio
from uuid import UUID, uuid4

import pytest
from redis.asyncio import Redis

from backends.admission import QueueLimits
from backends.queue import DocumentQueue, Idempotency
from backends.scripts import Scripts
from contracts.documents import TRANSITIONS, DocumentRow, Status
from contracts.errors import (
    Conflict,
    IdempotencyMismatch,
    NotFound,
    QueueUnavailable,
    RateLimited,
    SystemFull,
)
from contracts.ids import new_id, now_ms
from contracts.jobs import Callback
from tests.conftest import WaitUntil
from tests.integration.history_servers import out_of_memory
from tests.integration.queue_steps import ANN, BOB, a_failure, a_job, a_result, claim_one, row, started


async def history(queue: DocumentQueue, document_id: UUID) -> list[tuple[str, str]]:
    return [(event.event, str(event.status)) for event in await queue.live_events(document_id)]


async def test_a_document_goes_from_accepted_to_completed_with_its_data_unchanged(queue: DocumentQueue) -> None:
    job = a_job()
    await queue.enqueue(job)
    claim = await claim_one(queue)
    assert claim.job == job
    await queue.start([claim.ref])
    assert await queue.complete([a_result(claim)]) == ["ok"]
    done = await row(queue, job.document_id)
    assert (done.status, done.run, done.attempt, done.render_ms) == (Status.COMPLETED, 1, 1, 12)
    assert done.metadata == {"order": "7"} and done.result and done.result.sha256 == "cd" * 32
    assert await history(queue, job.document_id) == [
        ("accepted", "queued"),
        ("started", "rendering"),
        ("completed", "completed"),
    ]
    assert (await queue.lengths())["open"] == 0


async def test_each_transition_is_one_line_of_the_event_stream(queue: DocumentQueue, redis: Redis) -> None:
    claim = await started(queue)
    await queue.complete([a_result(claim)])
    lines = [DocumentRow.model_validate_json(fields["d"]) for _, fields in await redis.xrange("{pw}:events")]
    assert lines == await queue.live_events(claim.job.document_id)
    assert [line.seq for line in lines] == [1, 2, 3]


async def test_lanes_take_turns_whatever_one_of_them_floods(queue: DocumentQueue) -> None:
    for _ in range(10):
        await queue.enqueue(a_job(ANN))
    for _ in range(3):
        await queue.enqueue(a_job(BOB))
    order = [(await claim_one(queue)).job.user_id for _ in range(7)]
    assert order.count(BOB) == 3 and order[1::2] == [BOB, BOB, BOB]


async def test_a_lane_named_like_another_user_is_not_that_users_lane(queue: DocumentQueue) -> None:
    await queue.enqueue(a_job(BOB))
    for _ in range(4):
        await queue.enqueue(a_job(ANN, lane=str(BOB)))
    order = [(await claim_one(queue)).job.user_id for _ in range(5)]
    assert order[:2] == [BOB, ANN]


async def test_priorities_are_served_eight_to_four_to_one_and_none_starves(queue: DocumentQueue) -> None:
    for priority in ("batch", "normal", "interactive"):
        for _ in range(13):
            await queue.enqueue(a_job(priority=priority))
    order = [(await claim_one(queue)).job.priority for _ in range(13)]
    assert {priority: order.count(priority) for priority in order} == {"interactive": 8, "normal": 4, "batch": 1}


async def test_a_claim_that_is_asked_again_gets_the_same_answer(queue: DocumentQueue) -> None:
    for _ in range(4):
        await queue.enqueue(a_job())
    first = await queue.claim("w", 2, "request-1")
    assert await queue.claim("w", 2, "request-1") == first
    assert {claim.job.document_id for claim in await queue.claim("w", 9, "request-2")}.isdisjoint(
        claim.job.document_id for claim in first
    )


async def test_every_transition_may_be_repeated(queue: DocumentQueue) -> None:
    claim = await started(queue)
    assert await queue.start([claim.ref]) == ["ok"]
    assert await queue.complete([a_result(claim)]) == ["ok"]
    assert await queue.complete([a_result(claim)]) == ["ok"]
    assert len(await queue.live_events(claim.job.document_id)) == 3


async def test_the_same_job_enqueued_twice_is_one_document(queue: DocumentQueue) -> None:
    job = a_job()
    assert await queue.enqueue(job) == await queue.enqueue(job)
    assert (await queue.lengths())["open"] == 1
    await claim_one(queue)
    assert await queue.claim("w", 1, "again") == []


async def test_a_failed_attempt_comes_back_after_its_delay(queue: DocumentQueue) -> None:
    claim = await started(queue)
    await queue.fail([a_failure(claim, delay_ms=60_000)])
    assert await queue.claim("w", 1, uuid4().hex) == []
    assert await queue.promote(now_ms()) == 0
    assert await queue.promote(now_ms() + 61_000) == 1
    again = await claim_one(queue)
    assert again.attempt == 1
    await queue.start([again.ref])
    await queue.fail([a_failure(again)])
    assert (await row(queue, claim.job.document_id)).status == Status.FAILED


async def test_a_scheduled_document_waits_for_its_time(queue: DocumentQueue) -> None:
    later = now_ms() + 3_600_000
    accepted = await queue.enqueue(a_job(run_at=later))
    assert accepted.status == Status.SCHEDULED
    await queue.promote(later - 1)
    assert await queue.claim("w", 1, uuid4().hex) == []
    await queue.promote(later)
    assert (await claim_one(queue)).job.document_id == accepted.document_id


@pytest.mark.parametrize("moment", ["queued", "claimed", "rendering", "delayed", "scheduled"])
async def test_cancelling_works_at_every_moment(queue: DocumentQueue, moment: str) -> None:
    job = a_job(run_at=now_ms() + 60_000) if moment == "scheduled" else a_job()
    await queue.enqueue(job)
    claim = await claim_one(queue) if moment not in ("queued", "scheduled") else None
    if moment in ("rendering", "delayed") and claim:
        await queue.start([claim.ref])
    if moment == "delayed" and claim:
        await queue.fail([a_failure(claim, delay_ms=10)])
    await queue.cancel(job.document_id)
    assert (await row(queue, job.document_id)).status == Status.CANCELLED
    if claim:
        assert await queue.start([claim.ref]) == ["stale"]
        assert await queue.complete([a_result(claim)]) == ["stale"]
    await queue.promote(now_ms() + 100_000)
    assert await queue.claim("w", 1, uuid4().hex) == []
    assert (await queue.lengths())["open"] == 0
    with pytest.raises(Conflict, match="cancelled"):
        await queue.cancel(job.document_id)


async def test_a_retry_begins_a_new_run_and_an_old_place_in_the_lane_is_not_a_second_one(queue: DocumentQueue) -> None:
    job = a_job()
    await queue.enqueue(job)
    await queue.cancel(job.document_id)
    await queue.retry(job, "retry-1")
    await queue.retry(job, "retry-1")
    claim = await claim_one(queue)
    assert (claim.run, claim.attempt) == (2, 0)
    assert await queue.claim("w", 5, uuid4().hex) == []
    await queue.start([claim.ref])
    await queue.complete([a_result(claim)])
    assert [name for name, _ in await history(queue, job.document_id)][-3:] == ["retried", "started", "completed"]


async def test_only_an_ended_document_can_be_retried(queue: DocumentQueue) -> None:
    job = a_job()
    await queue.enqueue(job)
    with pytest.raises(Conflict) as refused:
        await queue.retry(job, "r")
    assert refused.value.code == "not_ended"
    with pytest.raises(NotFound):
        await queue.retry(a_job(), "r")


async def test_deleting_cancels_first_and_forgets_the_data(queue: DocumentQueue, redis: Redis) -> None:
    job = a_job()
    await queue.enqueue(job)
    await queue.delete(job.document_id)
    assert [name for name, _ in await history(queue, job.document_id)] == ["accepted", "cancelled", "deleted"]
    assert await queue.job(job.document_id) is None
    await queue.delete(job.document_id)  # the command repeated
    assert len(await queue.live_events(job.document_id)) == 3
    with pytest.raises(NotFound):
        await queue.delete(new_id())
    with pytest.raises(NotFound):
        await queue.cancel(job.document_id)


async def test_the_end_of_a_run_with_a_callback_makes_its_delivery_due(queue: DocumentQueue, redis: Redis) -> None:
    claim = await started(queue, a_job(callback=Callback(url="https://example.com/hook", headers={"X-Team": "a"})))
    assert await redis.zcard("{pw}:due") == 0
    await queue.complete([a_result(claim)])
    member = f"{claim.job.document_id}:1"
    assert await redis.zrange("{pw}:due", 0, -1) == [member]
    delivery = await redis.hgetall(f"{{pw}}:delivery:{member}")
    assert delivery["type"] == "document.completed" and delivery["status"] == "pending"
    assert (await row(queue, claim.job.document_id)).delivery.status == "pending"


async def test_an_idempotency_key_replays_the_same_answer_and_refuses_another_body(queue: DocumentQueue) -> None:
    key = Idempotency("scoped-key", "body-1")
    first = await queue.enqueue(a_job(), key)
    replay = await queue.enqueue(a_job(), key)
    assert replay.replayed and replay.document_id == first.document_id and not first.replayed
    with pytest.raises(IdempotencyMismatch):
        await queue.enqueue(a_job(), Idempotency("scoped-key", "body-2"))
    assert (await queue.lengths())["open"] == 1


async def test_fifty_with_one_idempotency_key_make_one_document(queue: DocumentQueue) -> None:
    answers = await asyncio.gather(*(queue.enqueue(a_job(), Idempotency("k", "f")) for _ in range(50)))
    assert len({answer.document_id for answer in answers}) == 1
    assert [answer.replayed for answer in answers].count(False) == 1


async def test_limits_of_a_user_and_of_the_system_are_told_apart(scripts: Scripts) -> None:
    queue = DocumentQueue(scripts, QueueLimits(max_open=3, max_open_per_user=2))
    for _ in range(2):
        await queue.enqueue(a_job(ANN))
    with pytest.raises(RateLimited):
        await queue.enqueue(a_job(ANN))
    await queue.enqueue(a_job(BOB))
    with pytest.raises(SystemFull):
        await queue.enqueue(a_job(BOB))
    claim = await claim_one(queue)
    await queue.start([claim.ref])
    await queue.complete([a_result(claim)])
    await queue.enqueue(a_job(claim.job.user_id))


async def test_a_full_redis_accepts_nothing_says_so_and_can_be_emptied(queue: DocumentQueue, redis: Redis) -> None:
    await queue.enqueue(a_job())
    async with out_of_memory(redis):
        with pytest.raises(SystemFull, match="memory is full"):
            await queue.enqueue(a_job())
        claim = await claim_one(queue)
        await queue.start([claim.ref])
        assert await queue.complete([a_result(claim)]) == ["ok"]


@pytest.mark.parametrize(
    ("change", "back"),
    [
        (("REPLICAOF", "127.0.0.1", "1"), ("REPLICAOF", "NO", "ONE")),
        (("CONFIG", "SET", "min-replicas-to-write", "1"), ("CONFIG", "SET", "min-replicas-to-write", "0")),
    ],
)
async def test_a_redis_that_fails_over_is_away_for_a_while(
    queue: DocumentQueue, redis: Redis, change: tuple[str, ...], back: tuple[str, ...]
) -> None:
    await redis.execute_command(*change)
    try:
        with pytest.raises(QueueUnavailable):
            await queue.enqueue(a_job())
    finally:
        await redis.execute_command(*back)
    assert (await queue.enqueue(a_job())).status == Status.QUEUED


async def test_a_document_that_left_redis_can_be_restored_and_run_again(queue: DocumentQueue, redis: Redis) -> None:
    claim = await started(queue)
    await queue.complete([a_result(claim)])
    last = await row(queue, claim.job.document_id)
    await redis.flushdb()
    await queue.restore(last, claim.job)
    assert await queue.live(claim.job.document_id) == last
    await queue.retry(claim.job, "r")
    again = await claim_one(queue)
    assert again.run == 2 and again.token > claim.token
    await queue.start([again.ref])
    assert await queue.complete([a_result(again)]) == ["ok"]
    assert (await row(queue, claim.job.document_id)).seq == last.seq + 3


async def test_a_document_restored_without_its_job_owes_a_webhook_for_its_next_run(
    queue: DocumentQueue, redis: Redis
) -> None:
    claim = await started(queue, a_job(callback=Callback(url="https://example.com/hook")))
    await queue.complete([a_result(claim)])
    last = await row(queue, claim.job.document_id)
    await redis.flushdb()
    await queue.restore(last, None)
    await queue.retry(claim.job, "r")
    await queue.cancel(claim.job.document_id)
    assert await redis.zrange("{pw}:due", 0, -1) == [f"{claim.job.document_id}:2"]


async def test_scripts_only_make_the_transitions_that_the_contract_names(queue: DocumentQueue, redis: Redis) -> None:
    claim = await started(queue)
    await queue.fail([a_failure(claim, delay_ms=0)])
    await queue.promote(now_ms() + 1)
    claim = await claim_one(queue)
    await queue.start([claim.ref])
    await redis.zadd("{pw}:leases", {str(claim.job.document_id): 1})
    await queue.reap()
    await queue.cancel(claim.job.document_id)
    await queue.retry(claim.job, "r")
    rows = await queue.live_events(claim.job.document_id)
    for before, after in zip(rows, rows[1:], strict=False):
        assert after.status in TRANSITIONS[before.status], (before.status, after.status)


async def test_waiting_workers_are_woken_by_a_new_document(queue: DocumentQueue, wait_until: WaitUntil) -> None:
    waiting = asyncio.create_task(queue.wait_for_work(timeout_s=2))
    await queue.enqueue(a_job())

    async def woken() -> bool:
        return waiting.done()

    await wait_until(woken, "the waiting worker wakes", deadline_s=1.5)


async def test_a_document_that_was_never_counted_in_ends_without_being_counted_out(
    queue: DocumentQueue, redis: Redis
) -> None:
    await queue.enqueue(a_job())
    claim = await started(queue)
    await redis.hdel(f"{{pw}}:doc:{claim.job.document_id}", "size")
    before = await redis.hgetall("{pw}:open")
    assert await queue.complete([a_result(claim)]) == ["ok"]
    assert await redis.hgetall("{pw}:open") == before
