"""Webhooks from the queue to the receiver: signed, retried, isolated, and never lost, whatever dies in between."""

import asyncio
import json
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import cast
from uuid import UUID

import pytest
from standardwebhooks import Webhook
from structlog.testing import capture_logs

from backends.deliveries import Deliveries, LeasedDelivery
from backends.queue import DocumentQueue
from contracts.deliveries import COMPLETED, DeliveryAttempt, webhook_id
from contracts.errors import NotFound, QueueUnavailable
from contracts.ids import now_ms
from contracts.secrets import SecretBox, UrlSigner
from contracts.targets import AllowList
from contracts.views import Links, document_view
from generator.delivery import Attempter, Deliverer, Dialer, DialLimits, Schedule
from generator.delivery.dial import Answer
from generator.delivery.loop import DeliverLimits
from generator.payloads import end_of_run
from tests.integration.delivery_zoo import (
    SECRET,
    USER,
    Broker,
    answers,
    broker,
    receiving,
    silence,
    wait_until,
)
from tests.integration.history_servers import Server, redis_server

BOX = SecretBox("s" * 32)
LINKS = Links("http://docs.example", UrlSigner("s" * 32))
LOOPBACK = AllowList.parse(cidrs="127.0.0.1/32")
QUICK = DialLimits(connect_s=1, total_s=5, body_s=0.5)


class LivePayloads:
    """Documents that are in Redis; there is no history behind it."""

    def __init__(self, queue: DocumentQueue) -> None:
        self._queue = queue

    async def document_payload(self, document_id: UUID, run: int) -> Mapping[str, object]:
        row = end_of_run(await self._queue.live_events(document_id), run)
        if row is None:
            raise NotFound("document")
        return document_view(row, LINKS, now_ms())


class OneSecret:
    """A user whose secret is known; nobody else exists."""

    async def webhook_secrets(self, user_id: UUID) -> Sequence[str]:
        await asyncio.sleep(0)
        if user_id != USER:
            raise NotFound("user")
        return [BOX.seal(SECRET)]


class Answering:
    """A dialer that gives these answers in turn, the last one for ever, and keeps what was sent."""

    def __init__(self, *given: Answer) -> None:
        self.given = list(given)
        self.sent: list[tuple[Mapping[str, str], bytes]] = []

    async def post(self, url: str, headers: Mapping[str, str], body: bytes) -> Answer:
        await asyncio.sleep(0)
        self.sent.append((headers, body))
        return self.given.pop(0) if len(self.given) > 1 else self.given[0]


class Clock:
    """Epoch milliseconds that pass when told to; it starts a little ahead of Redis TIME."""

    def __init__(self, start_ms: int) -> None:
        self.now = start_ms

    def __call__(self) -> int:
        return self.now


@pytest.fixture
async def pw(redis_node: Server) -> AsyncIterator[Broker]:
    async with broker(redis_node) as made:
        yield made


async def clock_of(pw: Broker) -> Clock:
    seconds, _ = await pw.redis.time()
    return Clock((seconds + 1) * 1000)


def attempter(
    pw: Broker, dialer: Dialer | Answering, schedule: str = "0,0.02,0.02,0.02", jitter: float = 0
) -> Attempter:
    payloads = LivePayloads(pw.queue)
    plan = Schedule.parse(schedule)
    return Attempter(dialer, payloads, OneSecret(), BOX.open, plan, random_=lambda: jitter)


@asynccontextmanager
async def delivering(
    pw: Broker, allow: AllowList = LOOPBACK, *, schedule: str = "0,0.02,0.02,0.02", limits: DeliverLimits | None = None
) -> AsyncIterator[Deliverer]:
    deliverer = Deliverer(pw.deliveries(), attempter(pw, Dialer(allow, QUICK), schedule), limits)
    running = asyncio.create_task(deliverer.run())
    try:
        yield deliverer
    finally:
        deliverer.stop()
        await running


async def settled(pw: Broker, document_id: UUID, status: str) -> bool:
    row = await pw.queue.live(document_id)
    return row is not None and row.delivery.status == status


async def attempts(pw: Broker) -> list[DeliveryAttempt]:
    return [DeliveryAttempt.model_validate_json(line) for line in await pw.attempts()]


async def test_a_finished_document_calls_back_signed_and_verifiable(pw: Broker) -> None:
    async with receiving(answers(200)) as receiver, delivering(pw):
        document_id = await pw.completed(receiver.url, {"X-Team": "a"})
        await wait_until(lambda: settled(pw, document_id, "delivered"))
    (call,) = receiver.calls
    message = Webhook(SECRET).verify(call.body, call.headers)
    assert message["type"] == COMPLETED and message["data"]["id"] == str(document_id)
    assert message["data"]["status"] == "completed"
    assert message["data"]["result"]["url"].startswith(f"http://docs.example/v1/documents/{document_id}/content?")
    assert call.headers["webhook-id"] == str(webhook_id(document_id, 1, COMPLETED))
    assert call.headers["x-team"] == "a"
    row = await pw.queue.live(document_id)
    assert row and (row.event, row.delivery.attempts, row.delivery.next_attempt_at) == ("delivered", 1, None)


@pytest.mark.parametrize("end", ["failed", "cancelled"])
async def test_failure_and_cancellation_call_back_too(pw: Broker, end: str) -> None:
    async with receiving(answers(200)) as receiver, delivering(pw):
        document_id = await pw.completed(receiver.url)
        await wait_until(lambda: settled(pw, document_id, "delivered"))
        job = await pw.queue.job(document_id)
        assert job
        await pw.queue.retry(job, "again")
        await (pw.queue.cancel(document_id) if end == "cancelled" else pw.fail())
        await wait_until(lambda: len(receiver.calls) == 2)
        await wait_until(lambda: settled(pw, document_id, "delivered"))
    message = Webhook(SECRET).verify(receiver.calls[1].body, receiver.calls[1].headers)
    assert message["type"] == f"document.{end}" and message["data"]["run"] == 2
    assert (message["data"]["error"] is not None) == (end == "failed")
    assert receiver.calls[1].headers["webhook-id"] == str(webhook_id(document_id, 2, f"document.{end}"))


async def test_a_receiver_that_recovers_gets_the_same_message_again(pw: Broker) -> None:
    async with receiving(answers(500, (429, {"Retry-After": "0"}), 200)) as receiver, delivering(pw):
        document_id = await pw.completed(receiver.url)
        await wait_until(lambda: settled(pw, document_id, "delivered"))
    assert len({call.headers["webhook-id"] for call in receiver.calls}) == 1
    tried = await attempts(pw)
    assert [(one.attempt, one.http_status, one.status) for one in tried] == [
        (1, 500, "pending"),
        (2, 429, "pending"),
        (3, 200, "delivered"),
    ]
    assert tried[0].next_attempt_at is not None and tried[1].at >= tried[0].next_attempt_at


async def test_a_document_tells_of_every_attempt_while_its_webhook_is_retried(pw: Broker) -> None:
    async with receiving(answers(500)) as receiver, delivering(pw, schedule="0,60,60"):
        document_id = await pw.completed(receiver.url)
        completed = (await pw.queue.live_events(document_id))[-1]
        await wait_until(lambda: tried_once(pw, document_id))
        row = await pw.queue.live(document_id)
        assert row and row.delivery.status == "pending"
        assert row.delivery.next_attempt_at is not None and row.delivery.next_attempt_at > row.at + 50_000
        assert (await pw.queue.live_events(document_id))[-1] == completed, "an attempt makes no event"
        assert await pw.queue.with_live_deliveries([completed]) == [row]


async def tried_once(pw: Broker, document_id: UUID) -> bool:
    row = await pw.queue.live(document_id)
    return row is not None and row.delivery.attempts == 1


async def test_a_row_of_an_earlier_run_keeps_the_delivery_of_that_run(pw: Broker) -> None:
    async with receiving(answers(200)) as receiver:
        document_id = await pw.completed(receiver.url)
        first_run = (await pw.queue.live_events(document_id))[-1]
        job = await pw.queue.job(document_id)
        assert job
        await pw.queue.retry(job, "again")
        assert await pw.queue.with_live_deliveries([first_run]) == [first_run]


async def test_each_call_says_how_many_attempts_came_before_it(pw: Broker) -> None:
    async with receiving(answers(500, 500, 200)) as receiver, delivering(pw):
        document_id = await pw.completed(receiver.url)
        await wait_until(lambda: settled(pw, document_id, "delivered"))
    told = [json.loads(call.body)["data"]["delivery"] for call in receiver.calls]
    assert told == [{"status": "pending", "attempts": before, "next_attempt_at": None} for before in range(3)]


async def test_410_ends_a_delivery_at_once(pw: Broker) -> None:
    async with receiving(answers(410)) as receiver, delivering(pw):
        document_id = await pw.completed(receiver.url)
        await wait_until(lambda: settled(pw, document_id, "dead"))
    assert len(receiver.calls) == 1
    row = await pw.queue.live(document_id)
    assert row and row.event == "delivery_dead" and row.status == "completed"


async def test_private_targets_are_refused_when_dialled(pw: Broker) -> None:
    async with receiving(answers(200)) as receiver, delivering(pw, AllowList(), schedule="0,0"):
        document_id = await pw.completed(receiver.url)
        await wait_until(lambda: settled(pw, document_id, "dead"))
    assert receiver.calls == []
    assert {one.error for one in await attempts(pw)} == {"blocked"}


async def test_a_hanging_receiver_holds_up_nobody_else(pw: Broker) -> None:
    limits = DeliverLimits(concurrency=16, per_receiver=3, drain_s=0)
    async with receiving(silence) as hanging, receiving(answers(200)) as healthy, delivering(pw, limits=limits):
        for _ in range(30):
            await pw.completed(hanging.url)
        last = await pw.completed(healthy.url)
        await wait_until(lambda: settled(pw, last, "delivered"))
        assert hanging.most == 3 and len(hanging.calls) == 3
        backlog = await pw.deliveries().backlog()
        assert (backlog.pending, backlog.due) == (30, 27) and backlog.oldest_due_ms >= 0


async def test_one_fast_receiver_gets_everything_at_no_more_than_its_share_at_once(pw: Broker) -> None:
    limits = DeliverLimits(concurrency=16, per_receiver=4)
    async with receiving(answers(200)) as receiver, delivering(pw, limits=limits):
        for _ in range(100):
            await pw.completed(receiver.url)
        await wait_until(lambda: len(receiver.calls) >= 100)
    assert len({call.headers["webhook-id"] for call in receiver.calls}) == len(receiver.calls) == 100
    assert receiver.most <= 4
    assert (await pw.deliveries().backlog()).pending == 0


async def test_what_is_interrupted_by_a_stop_goes_out_again_with_the_same_id(pw: Broker) -> None:
    async with receiving(silence) as hanging:
        async with delivering(pw, limits=DeliverLimits(drain_s=0)):
            document_id = await pw.completed(hanging.url)
            await wait_until(lambda: len(hanging.calls) == 1)
        assert await pw.attempts() == []
        hanging.behaviour = answers(200)
        async with delivering(pw):
            await wait_until(lambda: settled(pw, document_id, "delivered"))
    assert [call.headers["webhook-id"] for call in hanging.calls] == [str(webhook_id(document_id, 1, COMPLETED))] * 2


async def test_in_haste_what_is_interrupted_is_due_again_at_once(pw: Broker) -> None:
    hurried = asyncio.Event()
    async with receiving(silence) as hanging:
        async with delivering(pw, limits=DeliverLimits(drain_s=600)) as deliverer:
            await pw.completed(hanging.url)
            await wait_until(lambda: len(hanging.calls) == 1)
            deliverer.stop(hurried)
            hurried.set()
        assert await pw.attempts() == []
    backlog = await pw.deliveries().backlog()
    assert (backlog.pending, backlog.due) == (1, 1)


async def test_a_dead_sender_is_replaced_after_its_lease_and_its_late_report_is_refused(pw: Broker) -> None:
    clock = await clock_of(pw)
    deliveries, sender = pw.deliveries(clock), attempter(pw, Answering(Answer(200)))
    await pw.completed("https://hooks.example/")
    (dead,) = (await deliveries.claim(8, room=8, loads={})).items
    clock.now += deliveries.lease_ms - 1
    assert (await deliveries.claim(8, room=8, loads={})).items == []
    clock.now += 2
    (heir,) = (await deliveries.claim(8, room=8, loads={})).items
    assert heir.delivery_id == dead.delivery_id and heir.token > dead.token
    assert await deliveries.record(dead, await sender.make(dead)) == "stale"
    assert await pw.attempts() == []
    assert await deliveries.record(heir, await sender.make(heir)) == "ok"
    assert [one.attempt for one in await attempts(pw)] == [1]


async def test_a_repeated_claim_or_record_changes_nothing(pw: Broker) -> None:
    document_id = await pw.completed("https://hooks.example/")
    arguments = ("", 8, 60_000, 8, "same-request")
    first = await pw.scripts.run("deliver_claim", *arguments)
    await pw.completed("https://hooks.example/")
    again = await pw.scripts.run("deliver_claim", *arguments)
    assert isinstance(first, list) and isinstance(again, list)
    assert first[2] == again[2] and len(cast(list[object], first[2])) == 1
    key = f"{pw.scripts.prefix}delivery:{document_id}:1"
    assert await pw.redis.hget(key, "token") == "1"
    for _ in range(2):
        line = ("", "", 1000, '{"n":1}')
        assert await pw.scripts.run("deliver_record", f"{document_id}:1", 1, "delivered", *line) == "ok"
    assert await pw.redis.hget(key, "attempts") == "1" and await pw.attempts() == ['{"n":1}']


async def test_the_whole_schedule_ends_in_a_dead_letter_and_is_never_early(pw: Broker) -> None:
    clock, dialer = await clock_of(pw), Answering(Answer(500, "status", "HTTP 500"))
    deliveries = pw.deliveries(clock)
    sender = attempter(pw, dialer, "0,5,300,1800,7200,18000,36000,50400,72000,86400", jitter=0.999)
    document_id = await pw.completed("https://hooks.example/")
    times: list[int] = []
    while (await deliveries.backlog()).pending:
        due = await deliveries.claim(8, room=8, loads={})
        for leased in due.items:
            times.append(due.now)
            await deliveries.record(leased, await sender.make(leased))
        if not due.items:
            assert due.next_due and due.next_due > clock.now
            clock.now = due.next_due
    gaps = [(later - earlier) / 1000 for earlier, later in zip(times, times[1:], strict=False)]
    plan = [5, 300, 1800, 7200, 18000, 36000, 50400, 72000, 86400]
    assert len(gaps) == 9 and all(delay <= gap <= delay * 1.2 + 1 for gap, delay in zip(gaps, plan, strict=True))
    assert await settled(pw, document_id, "dead")
    assert [int(headers["webhook-timestamp"]) for headers, _ in dialer.sent] == [time // 1000 for time in times]
    assert len({headers["webhook-id"] for headers, _ in dialer.sent}) == 1
    assert await pw.redis.pttl(f"{pw.scripts.prefix}delivery:{document_id}:1") > 0


async def test_an_older_runs_delivery_leaves_the_newer_runs_row_alone(pw: Broker) -> None:
    clock = await clock_of(pw)
    deliveries, sender = pw.deliveries(clock), attempter(pw, Answering(Answer(200)))
    document_id = await pw.completed("https://hooks.example/")
    (old,) = (await deliveries.claim(8, room=8, loads={})).items
    job = await pw.queue.job(document_id)
    assert job
    await pw.queue.retry(job, "again")
    attempt = await sender.make(old)
    assert await deliveries.record(old, attempt) == "ok"
    row = await pw.queue.live(document_id)
    assert row and (row.run, row.event, row.delivery.status) == (2, "retried", "none")
    assert [one.run for one in await attempts(pw)] == [1]


async def test_a_document_that_is_gone_ends_its_delivery(pw: Broker) -> None:
    document_id = await pw.completed("https://hooks.example/")
    deliveries, dialer = pw.deliveries(), Answering(Answer(200))
    await pw.redis.delete(f"{pw.scripts.prefix}doc:{document_id}")
    (leased,) = (await deliveries.claim(8, room=8, loads={})).items
    attempt = await attempter(pw, dialer).make(leased)
    assert (attempt.status, attempt.error, dialer.sent) == ("dead", "gone", [])
    assert await deliveries.record(leased, attempt) == "ok"
    assert not await pw.redis.exists(f"{pw.scripts.prefix}doc:{document_id}")


async def test_a_secret_that_does_not_open_is_tried_again_later_and_never_sent_unsigned(pw: Broker) -> None:
    await pw.completed("https://hooks.example/")
    (leased,) = (await pw.deliveries().claim(8, room=8, loads={})).items
    dialer = Answering(Answer(200))
    other = SecretBox("t" * 32)
    sender = Attempter(dialer, LivePayloads(pw.queue), OneSecret(), other.open, Schedule.parse())
    with capture_logs() as logs:
        attempt = await sender.make(leased)
    assert (attempt.status, attempt.error, dialer.sent) == ("pending", "internal", [])
    assert "delivery.broken" in {entry["event"] for entry in logs}


async def test_a_dialer_that_breaks_costs_an_attempt_and_not_a_lease_for_ever(pw: Broker) -> None:
    class Breaking:
        async def post(self, url: str, headers: Mapping[str, str], body: bytes) -> Answer:
            raise ZeroDivisionError

    await pw.completed("https://hooks.example/")
    (leased,) = (await pw.deliveries().claim(8, room=8, loads={})).items
    sender = Attempter(Breaking(), LivePayloads(pw.queue), OneSecret(), BOX.open, Schedule.parse())
    attempt = await sender.make(leased)
    assert (attempt.attempt, attempt.status, attempt.error) == (1, "pending", "internal")


async def test_an_attempt_is_one_wide_log_line_without_secrets(pw: Broker) -> None:
    await pw.completed("https://hooks.example/in?token=hush", {"Authorization": "Bearer hush"})
    (leased,) = (await pw.deliveries().claim(8, room=8, loads={})).items
    with capture_logs() as logs:
        attempt = await attempter(pw, Answering(Answer(503, "status", "HTTP 503", excerpt="hush"))).make(leased)
    (line,) = logs
    assert line["event"] == "delivery.attempted" and line["url"] == "https://hooks.example/in?..."
    assert (line["attempt"], line["http_status"], line["status"]) == (1, 503, "pending")
    assert "hush" not in json.dumps(line) and SECRET not in json.dumps(line)
    assert "hush" not in attempt.url


class Restless(Deliveries):
    """A queue that is away for the first few records."""

    away = 2

    async def record(self, leased: LeasedDelivery, attempt: DeliveryAttempt):  # type: ignore[no-untyped-def]
        if self.away:
            self.away -= 1
            raise QueueUnavailable()
        return await super().record(leased, attempt)


async def test_an_outcome_is_recorded_once_the_queue_is_back(pw: Broker) -> None:
    async with receiving(answers(200)) as receiver:
        deliverer = Deliverer(Restless(pw.scripts), attempter(pw, Dialer(LOOPBACK, QUICK)))
        running = asyncio.create_task(deliverer.run())
        document_id = await pw.completed(receiver.url)
        await wait_until(lambda: settled(pw, document_id, "delivered"))
        deliverer.stop()
        await running
    assert len(receiver.calls) == 1


@pytest.fixture
def own_server(tmp_path: Path) -> Iterator[Server]:
    with redis_server(tmp_path / "redis") as server:
        yield server


async def test_a_killed_redis_loses_no_delivery_and_the_loop_goes_on(own_server: Server) -> None:
    async with broker(own_server) as pw, receiving(answers(500, 200)) as receiver:
        async with delivering(pw, schedule="0,2,2"):
            document_id = await pw.completed(receiver.url)
            await wait_until(lambda: len(receiver.calls) == 1)
            await wait_until(lambda: attempted(pw))
            own_server.kill()
            await asyncio.to_thread(own_server.start)
            await wait_until(lambda: len(receiver.calls) == 2)
            await wait_until(lambda: settled(pw, document_id, "delivered"))
    assert receiver.calls[0].headers["webhook-id"] == receiver.calls[1].headers["webhook-id"]


async def attempted(pw: Broker) -> bool:
    return len(await pw.attempts()) == 1


async def test_every_key_of_deliveries_ends_or_is_needed(pw: Broker) -> None:
    async with receiving(answers(200)) as receiver, delivering(pw):
        for _ in range(5):
            document_id = await pw.completed(receiver.url)
        await wait_until(lambda: settled(pw, document_id, "delivered"))
        await wait_until(lambda: empty(pw))
    for key in await pw.redis.keys(f"{pw.scripts.prefix}deliver*"):
        assert await pw.redis.pttl(key) > 0, key


async def empty(pw: Broker) -> bool:
    return (await pw.deliveries().backlog()).pending == 0
