"""The numbers of the panel's overview: what ended, which webhooks were given up, how long the oldest document waits."""

from uuid import UUID, uuid4

import orjson
from redis.asyncio import Redis

from backends.clickhouse import ClickHouse
from backends.queue import DocumentQueue
from contracts.documents import DocumentRow, Result, Status
from contracts.ids import new_id, now_ms
from contracts.jobs import GenerationJob, PinnedTemplate
from generator.repository import SLACK_MS, Bucket, HistoryRepository
from tests.integration.history_rows import START, later, row

MINUTE_MS = 60_000
#: A minute's first millisecond.
BEGIN = START - START % MINUTE_MS


async def write(clickhouse: ClickHouse, *rows: DocumentRow) -> None:
    await clickhouse.insert_lines(
        "document_events", [one.model_dump_json().encode() for one in rows], token=uuid4().hex
    )


async def ended(clickhouse: ClickHouse, at: int, after_ms: int, status: Status, **changes: object) -> DocumentRow:
    """Write a document that was accepted at `at` and ended `after_ms` later."""
    first = row(at)
    last = later(first, event=str(status), status=status, completed_at=at + after_ms, **changes)
    await write(clickhouse, first, last)
    return last


async def test_what_ended_is_counted_in_the_minute_in_which_it_ended(clickhouse: ClickHouse) -> None:
    result = Result(key="k", bytes=700, sha256="cd", pages=1, content_type="application/pdf", filename="a.pdf")
    made = {"result": result.model_dump()}
    await ended(clickhouse, BEGIN + 59_000, 2_000, Status.COMPLETED, **made)
    await ended(clickhouse, BEGIN + 61_000, 4_000, Status.COMPLETED, **made)
    await ended(clickhouse, BEGIN + 1_000, 10, Status.FAILED)
    await ended(clickhouse, BEGIN + 200_000, 10, Status.CANCELLED)
    await write(clickhouse, row(BEGIN + 5))
    first, second, third = await HistoryRepository(clickhouse).ended(BEGIN, MINUTE_MS)
    assert (first.at, first.completed, first.failed, first.total_bytes) == (BEGIN, 0, 1, 0)
    assert (second.at, second.completed, second.total_bytes, second.ended) == (BEGIN + MINUTE_MS, 2, 1400, 2)
    assert 2_000 <= (second.total_p50 or 0) < (second.total_p95 or 0) <= 4_000
    assert (third.at, third.cancelled) == (BEGIN + 3 * MINUTE_MS, 1)


async def test_what_ended_before_the_time_is_left_out_however_it_waited(clickhouse: ClickHouse) -> None:
    await ended(clickhouse, BEGIN - 500, 499, Status.COMPLETED)
    await ended(clickhouse, BEGIN - SLACK_MS, SLACK_MS, Status.COMPLETED)
    numbers = HistoryRepository(clickhouse)
    assert [bucket.completed for bucket in await numbers.ended(BEGIN, MINUTE_MS)] == [1]
    assert await numbers.ended(BEGIN + 1, MINUTE_MS) == []


async def test_a_document_that_was_deleted_later_was_made_all_the_same(clickhouse: ClickHouse) -> None:
    last = await ended(clickhouse, BEGIN, 10, Status.COMPLETED)
    await write(clickhouse, later(last, event="deleted", deleted=1))
    assert [bucket.completed for bucket in await HistoryRepository(clickhouse).ended(BEGIN, MINUTE_MS)] == [1]


def test_a_bucket_without_documents_has_no_quantiles() -> None:
    empty = Bucket(0)
    assert (empty.ended, empty.total_p50, empty.total_p95) == (0, None, None)


async def delivery(clickhouse: ClickHouse, status: str, created_at: int, delivery_id: UUID | None = None) -> UUID:
    line = {
        "delivery_id": str(delivery_id or uuid4()),
        "document_id": str(new_id()),
        "user_id": str(UUID(int=1)),
        "created_at": created_at,
        "status": status,
        "version": {"pending": 1, "dead": 2, "delivered": 3}[status],
    }
    await clickhouse.insert_lines("deliveries", [orjson.dumps(line)], token=uuid4().hex)
    return UUID(str(line["delivery_id"]))


async def test_webhooks_that_were_given_up_are_counted_until_they_are_delivered(clickhouse: ClickHouse) -> None:
    numbers = HistoryRepository(clickhouse)
    assert await numbers.dead_deliveries(BEGIN) == 0
    await delivery(clickhouse, "dead", BEGIN - 1)
    await delivery(clickhouse, "pending", BEGIN + 1)
    resent = await delivery(clickhouse, "dead", BEGIN + 2)
    await delivery(clickhouse, "dead", BEGIN + 3)
    assert await numbers.dead_deliveries(BEGIN) == 2
    await delivery(clickhouse, "delivered", BEGIN + 2, resent)
    assert await numbers.dead_deliveries(BEGIN) == 1


def a_job(lane: str, priority: str = "normal") -> GenerationJob:
    now = now_ms()
    return GenerationJob(
        document_id=new_id(now),
        user_id=UUID(int=1),
        created_at=now,
        template=PinnedTemplate(name="letter", version=1, sha256="ab" * 32, engine="typst"),
        data={},
        format="pdf",
        filename="letter.pdf",
        lane=lane,
        priority=priority,
    )


async def waits_since(redis: Redis, job: GenerationJob, age_ms: int) -> None:
    await redis.hset("{pw}:doc:" + str(job.document_id), "queued_at", str(now_ms() - age_ms))


async def test_the_oldest_document_is_found_in_any_lane_of_any_priority(queue: DocumentQueue, redis: Redis) -> None:
    assert await queue.oldest_ms() is None
    jobs = [a_job("a"), a_job("b"), a_job("c", "batch"), a_job("a", "interactive")]
    for job, age_ms in zip(jobs, (1_000, 60_000, 90_000, 30_000), strict=True):
        await queue.enqueue(job)
        await waits_since(redis, job, age_ms)
    assert 90_000 <= (await queue.oldest_ms() or 0) < 95_000


async def test_a_claimed_document_waits_no_longer(queue: DocumentQueue, redis: Redis) -> None:
    job = a_job("a")
    await queue.enqueue(job)
    await waits_since(redis, job, 60_000)
    assert await queue.claim("worker", 1, uuid4().hex)
    assert await queue.oldest_ms() is None


async def test_a_clock_that_is_ahead_never_makes_a_wait_negative(queue: DocumentQueue, redis: Redis) -> None:
    job = a_job("a")
    await queue.enqueue(job)
    await waits_since(redis, job, -60_000)
    assert await queue.oldest_ms() == 0
