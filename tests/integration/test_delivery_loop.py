"""Webhooks from the queue to the receiver: signed, retried, isolated, and never lost, whatever dies in between."""

import asyncio
import json
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from uuid import UUID

import pytest
from standardwebhooks import Webhook

from backends.deliveries import Deliveries, LeasedDelivery, Report, Sign
from contracts.deliveries import COMPLETED, DeliveryAttempt, webhook_id
from contracts.errors import QueueUnavailable
from contracts.targets import AllowList
from generator.delivery import Deliverer, Dialer
from generator.delivery.loop import DeliverLimits
from tests.integration.delivery_stage import QUICK, attempter, attempts, settled
from tests.integration.delivery_zoo import (
    LOOPBACK,
    OTHER_USER,
    SECRET,
    Broker,
    Receiver,
    answers,
    broker,
    receiving,
    silence,
    wait_until,
)
from tests.integration.history_servers import Server, redis_server


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


async def hanging_receivers(stack: AsyncExitStack, count: int) -> list[Receiver]:
    return [await stack.enter_async_context(receiving(silence)) for _ in range(count)]


async def test_hanging_receivers_of_a_user_do_not_fill_its_places(pw: Broker) -> None:
    limits = DeliverLimits(concurrency=64, per_user=16, per_receiver=8, drain_s=0)
    async with AsyncExitStack() as stack:
        hanging = await hanging_receivers(stack, 5)
        healthy = await stack.enter_async_context(receiving(answers(200)))
        for one in hanging * 10:
            await pw.completed(one.url)
        await stack.enter_async_context(delivering(pw, limits=limits))
        await wait_until(lambda: sum(one.now for one in hanging) >= 8)
        for _ in range(5):
            await pw.completed(healthy.url)
        await wait_until(lambda: len(healthy.calls) == 5)
        assert sum(one.most for one in hanging) <= 8 + len(hanging), "half of them in any way, then one for each"


async def test_a_user_with_many_hanging_receivers_does_not_fill_the_places_of_others(pw: Broker) -> None:
    limits = DeliverLimits(concurrency=16, per_user=8, per_receiver=4, drain_s=0)
    async with AsyncExitStack() as stack:
        hanging = await hanging_receivers(stack, 20)
        healthy = await stack.enter_async_context(receiving(answers(200)))
        for one in hanging:
            await pw.completed(one.url)
        await stack.enter_async_context(delivering(pw, limits=limits))
        await wait_until(lambda: sum(one.now for one in hanging) == 8)
        last = await pw.completed(healthy.url, user=OTHER_USER)
        await wait_until(lambda: settled(pw, last, "delivered"))
        assert sum(one.now for one in hanging) <= 8


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


class Restless(Deliveries):
    """A queue that is away for the first few records."""

    away = 2

    async def record_all(self, made: Sequence[tuple[LeasedDelivery, DeliveryAttempt, Sign]]) -> list[Report]:
        if self.away:
            self.away -= 1
            raise QueueUnavailable()
        return await super().record_all(made)


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
