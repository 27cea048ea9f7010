"""Attempts one by one: what each records, whose report counts, and when the next one is due."""

import json
from collections.abc import Mapping
from typing import cast

from structlog.testing import capture_logs

from backends.deliveries import LeasedDelivery, Sign
from contracts.deliveries import DeliveryAttempt
from contracts.documents import DocumentRow, Status
from contracts.secrets import SecretBox
from generator.delivery import Attempter, Schedule
from generator.delivery.dial import Answer
from tests.integration.delivery_stage import BOX, Answering, LivePayloads, OneSecret, attempter, attempts, settled
from tests.integration.delivery_zoo import SECRET, Broker, Clock


async def clock_of(pw: Broker) -> Clock:
    """Start a little ahead of Redis TIME."""
    seconds, _ = await pw.redis.time()
    return Clock((seconds + 1) * 1000)


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
    arguments = ("", 8, 60_000, 8, 100, 0, "same-request")
    first = await pw.scripts.run("deliver_claim", *arguments)
    await pw.completed("https://hooks.example/")
    again = await pw.scripts.run("deliver_claim", *arguments)
    assert isinstance(first, list) and isinstance(again, list)
    assert first[2] == again[2] and len(cast(list[object], first[2])) == 1
    key = f"{pw.scripts.prefix}delivery:{document_id}:1"
    assert await pw.redis.hget(key, "token") == "1"
    for _ in range(2):
        record = (1000, "", 10, 70, 1000, 1000, f"{document_id}:1", 1, "delivered", "", "", 0, '{"n":1}')
        assert await pw.scripts.run("deliver_record", *record) == [["ok", "0", "0"]]
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
    clock.now += 60_000  # it may have become due after the clock was read
    (old,) = (await deliveries.claim(8, room=8, loads={})).items
    job = await pw.queue.job(document_id)
    assert job
    await pw.queue.retry(job, "again")
    attempt = await sender.make(old)
    assert await deliveries.record(old, attempt) == "ok"
    row = await pw.queue.live(document_id)
    assert row and (row.run, row.event, row.delivery.status) == (2, "retried", "none")
    assert [one.run for one in await attempts(pw)] == [1]


async def test_a_claim_brings_the_row_with_which_the_run_ended(pw: Broker) -> None:
    document_id = await pw.completed("https://hooks.example/")
    job = await pw.queue.job(document_id)
    assert job
    await pw.queue.retry(job, "again")
    (leased,) = (await pw.deliveries().claim(8, room=8, loads={})).items
    row = DocumentRow.model_validate_json(leased.row)
    assert (row.document_id, row.run, row.event, row.status) == (document_id, 1, "completed", Status.COMPLETED)
    ended = f"e{row.seq}"
    await pw.deliveries().release([leased])
    await pw.redis.hdel(f"{pw.scripts.prefix}doc:{document_id}", ended)
    (leased,) = (await pw.deliveries().claim(8, room=8, loads={})).items
    assert leased.row == ""


async def test_outcomes_of_several_deliveries_are_recorded_in_one_step_each_by_itself(pw: Broker) -> None:
    deliveries, sender = pw.deliveries(), attempter(pw, Answering(Answer(200)))
    for _ in range(3):
        await pw.completed("https://hooks.example/")
    first, second, third = (await deliveries.claim(8, room=8, loads={})).items
    await deliveries.release([second])
    made: list[tuple[LeasedDelivery, DeliveryAttempt, Sign]] = [
        (one, await sender.make(one), "ok") for one in (first, second, third)
    ]
    assert [report.outcome for report in await deliveries.record_all(made)] == ["ok", "stale", "ok"]
    assert [one.document_id for one in await attempts(pw)] == [first.document_id, third.document_id]


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
