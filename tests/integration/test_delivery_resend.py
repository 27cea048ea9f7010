"""A webhook that is sent again: due now under the same webhook-id, once, whatever had become of it."""

from uuid import UUID

import pytest

from backends.deliveries import KEEP_MS, Deliveries, EndedRun, LeasedDelivery
from contracts.deliveries import COMPLETED, FAILED, Delivery, DeliveryAttempt, member_of, webhook_id
from contracts.documents import DocumentRow
from contracts.endpoints import EndpointRow
from contracts.ids import new_id
from contracts.jobs import Callback
from tests.integration.attempts import attempt_of
from tests.integration.delivery_zoo import USER, Broker

URL = "https://example.com/hook?token=hush"


async def lines(pw: Broker) -> list[DeliveryAttempt]:
    return [DeliveryAttempt.model_validate_json(line) for line in await pw.delivery_lines()]


async def known(pw: Broker) -> Delivery:
    """The delivery as the log has it."""
    return Delivery.of(await lines(pw))


async def claimed(deliveries: Deliveries) -> list[LeasedDelivery]:
    return (await deliveries.claim(9, room=9, loads={})).items


async def attempted(deliveries: Deliveries, status: str, next_in_ms: int | None = None) -> None:
    """Make one attempt that ends like this."""
    (leased,) = await claimed(deliveries)
    next_at = None if next_in_ms is None else leased.leased_at + next_in_ms
    assert await deliveries.record(leased, attempt_of(leased, status, next_attempt_at=next_at)) == "ok"


def member_key(pw: Broker, document_id: UUID, run: int = 1) -> str:
    return f"{pw.scripts.prefix}delivery:{document_id}:{run}"


async def test_a_delivery_is_in_the_log_as_soon_as_it_is_due(pw: Broker) -> None:
    document_id = await pw.completed(URL)
    (line,) = await lines(pw)
    assert line.delivery_id == webhook_id(document_id, 1, COMPLETED) and line.attempt == 0 and line.status == "pending"
    assert line.url == "https://example.com/hook?..." and line.user_id == USER
    assert line.next_attempt_at == line.at == line.created_at


async def test_the_script_names_webhook_ids_as_the_contract_does(pw: Broker) -> None:
    for number in range(40):
        await (pw.completed(URL) if number % 2 else pw.completed("http://h/p"))
    made = await lines(pw)
    assert [line.delivery_id for line in made] == [webhook_id(line.document_id, line.run, line.type) for line in made]
    assert {str(line.delivery_id)[19] for line in made} == set("89ab")


@pytest.mark.parametrize("url", ["https://e.com/\u00e9?\u2028", 'https://e.com/a"b\\c', "https://e.com/%22#f", "junk"])
async def test_no_url_breaks_the_log(pw: Broker, url: str) -> None:
    await pw.completed(url)
    (line,) = await lines(pw)
    assert "?\u2028" not in line.url and "#" not in line.url


async def test_a_run_that_fails_is_due_under_its_own_type(pw: Broker) -> None:
    await pw.completed(URL)
    job = await pw.queue.job((await known(pw)).document_id)
    assert job is not None
    await pw.queue.retry(job, "again")
    await pw.fail()
    assert [(line.run, line.type) for line in await lines(pw)] == [(1, COMPLETED), (2, FAILED)]


@pytest.mark.parametrize("ending", ["delivered", "dead"])
async def test_a_settled_delivery_is_sent_again_under_the_same_id(pw: Broker, ending: str) -> None:
    document_id, deliveries = await pw.completed(URL), pw.deliveries()
    await attempted(deliveries, ending)
    assert await claimed(deliveries) == [] and await pw.redis.pttl(member_key(pw, document_id)) > 0
    assert await deliveries.resend(await known(pw), "", "r1") == "ok"
    assert await pw.redis.pttl(member_key(pw, document_id)) == -1
    assert (await known(pw)).status == "pending"
    (leased,) = await claimed(deliveries)
    assert leased.delivery_id == webhook_id(document_id, 1, COMPLETED) and leased.attempts == 1
    assert await deliveries.record(leased, attempt_of(leased)) == "ok"
    assert await claimed(deliveries) == [] and await pw.redis.pttl(member_key(pw, document_id)) > 0


async def test_a_resend_comes_after_the_last_attempt_also_when_the_clock_was_set_back(pw: Broker) -> None:
    await pw.completed(URL)
    deliveries = pw.deliveries()
    (leased,) = await claimed(deliveries)
    ahead = leased.leased_at + 60_000
    assert await deliveries.record(leased, attempt_of(leased, at=ahead)) == "ok"
    assert await deliveries.resend(await known(pw), "", "r1") == "ok"
    assert (await known(pw)).status == "pending"


async def test_the_documents_row_tells_of_it(pw: Broker) -> None:
    document_id, deliveries = await pw.completed(URL), pw.deliveries()
    await attempted(deliveries, "dead")
    await pw.redis.expire(f"{pw.scripts.prefix}doc:{document_id}", 60)
    await deliveries.resend(await known(pw), "", "r1")
    row = await pw.queue.live(document_id)
    assert row is not None and (row.event, row.delivery.status, row.status) == (
        "delivery_resent",
        "pending",
        "completed",
    )
    assert await pw.redis.ttl(f"{pw.scripts.prefix}doc:{document_id}") == -1
    await attempted(deliveries, "delivered")
    row = await pw.queue.live(document_id)
    assert row is not None and (row.event, row.delivery.status, row.delivery.attempts) == ("delivered", "delivered", 2)


async def test_what_waits_for_its_time_goes_now_and_not_twice(pw: Broker) -> None:
    await pw.completed(URL)
    deliveries = pw.deliveries()
    await attempted(deliveries, "pending", next_in_ms=3_600_000)
    assert await claimed(deliveries) == []
    assert await deliveries.resend(await known(pw), "", "r1") == "ok"
    await attempted(deliveries, "delivered")
    assert await claimed(deliveries) == [] and (await deliveries.backlog()).pending == 0


async def test_what_waits_in_its_receivers_lane_keeps_its_one_place(pw: Broker) -> None:
    await pw.completed(URL)
    await pw.completed(URL)
    deliveries = pw.deliveries()
    (first,) = (await deliveries.claim(1, room=1, loads={})).items
    waiting = next(Delivery.of([line]) for line in await lines(pw) if line.document_id != first.document_id)
    assert await deliveries.resend(waiting, "", "r1") == "ok"
    assert (await deliveries.backlog()).pending == 2
    assert [one.document_id for one in await claimed(deliveries)] == [waiting.document_id]
    assert await claimed(deliveries) == []


async def test_nothing_changes_while_an_attempt_is_under_way(pw: Broker) -> None:
    await pw.completed(URL)
    deliveries = pw.deliveries()
    (leased,) = await claimed(deliveries)
    assert await deliveries.resend(await known(pw), "", "r1") == "sending"
    assert await deliveries.record(leased, attempt_of(leased)) == "ok"
    assert await claimed(deliveries) == []


async def test_a_lease_given_back_or_run_out_is_no_attempt_under_way(pw: Broker) -> None:
    await pw.completed(URL)
    deliveries = pw.deliveries()
    assert await deliveries.release(await claimed(deliveries)) == 1
    assert await deliveries.resend(await known(pw), "", "r1") == "ok"
    (leased,) = await claimed(deliveries)
    later = pw.deliveries(lambda: leased.leased_at + deliveries.lease_ms + 1)
    assert await later.resend(await known(pw), "", "r2") == "ok"
    assert len(await claimed(later)) == 1 and await claimed(later) == []


async def test_a_repeated_command_sends_once(pw: Broker) -> None:
    await pw.completed(URL)
    deliveries = pw.deliveries()
    await attempted(deliveries, "delivered")
    delivery = await known(pw)
    assert await deliveries.resend(delivery, "", "r1") == "ok"
    await attempted(deliveries, "delivered")
    before = await lines(pw)
    assert await deliveries.resend(delivery, "", "r1") == "ok"
    assert await claimed(deliveries) == [] and await lines(pw) == before


async def test_what_redis_forgot_is_made_again_from_what_is_known(pw: Broker) -> None:
    document_id, deliveries = await pw.completed(URL), pw.deliveries()
    await attempted(deliveries, "dead")
    delivery = await known(pw)
    await pw.redis.delete(member_key(pw, document_id), f"{pw.scripts.prefix}doc:{document_id}")
    assert await deliveries.live(member_of(document_id, 1)) is None
    assert await deliveries.resend(delivery, "", "r1") == "unknown"
    assert not await pw.redis.exists(member_key(pw, document_id))
    assert await deliveries.resend(delivery, Callback(url=URL).model_dump_json(), "r1") == "ok"
    (leased,) = await claimed(deliveries)
    assert (leased.delivery_id, leased.attempts, leased.created_at) == (
        delivery.delivery_id,
        1,
        delivery.created_at,
    )
    assert await deliveries.record(leased, attempt_of(leased)) == "ok"
    assert 0 < await pw.redis.pttl(member_key(pw, document_id)) <= KEEP_MS
    assert not await pw.redis.exists(f"{pw.scripts.prefix}doc:{document_id}")


async def test_an_earlier_runs_webhook_leaves_the_later_runs_row_alone(pw: Broker) -> None:
    document_id, deliveries = await pw.completed(URL), pw.deliveries()
    await attempted(deliveries, "dead")
    first = await known(pw)
    job = await pw.queue.job(document_id)
    assert job is not None
    await pw.queue.retry(job, str(new_id()))
    assert await deliveries.resend(first, "", "r1") == "ok"
    row = await pw.queue.live(document_id)
    assert row is not None and (row.event, row.run, row.delivery.status) == ("retried", 2, "none")


async def test_a_live_delivery_says_when_it_is_due(pw: Broker) -> None:
    document_id, deliveries = await pw.completed(URL), pw.deliveries()
    became_due = (await known(pw)).created_at
    due = await deliveries.live(member_of(document_id, 1))
    assert due is not None and (due.status, due.next_attempt_at) == ("pending", became_due)
    (leased,) = await claimed(deliveries)
    sending = await deliveries.live(member_of(document_id, 1))
    assert sending is not None and sending.next_attempt_at == became_due
    await deliveries.record(leased, attempt_of(leased, "pending", next_attempt_at=leased.leased_at + 9000))
    waiting = await deliveries.live(member_of(document_id, 1))
    assert waiting is not None and waiting.next_attempt_at == leased.leased_at + 9000


async def test_an_earlier_runs_webhook_says_what_it_was_made_from(pw: Broker) -> None:
    document_id, deliveries = await pw.completed(URL), pw.deliveries()
    job = await pw.queue.job(document_id)
    assert job is not None and job.template is not None
    newer = job.template.model_copy(update={"version": job.template.version + 1})
    await pw.queue.retry(job.model_copy(update={"template": newer}), str(new_id()))
    (leased,) = await claimed(deliveries)
    told = DocumentRow.model_validate_json(leased.row)
    assert (told.run, told.template_version) == (1, job.template.version)
    rows = await pw.queue.live_events(document_id)
    assert [(row.run, row.template_version) for row in rows[-2:]] == [(1, job.template.version), (2, newer.version)]


async def test_what_was_missed_shows_in_the_document_once_it_is_due(pw: Broker) -> None:
    document_id, deliveries, endpoint_id = await pw.completed(URL), pw.deliveries(), new_id()
    await attempted(deliveries, "delivered")
    endpoint = EndpointRow.model_construct(endpoint_id=endpoint_id, user_id=USER)
    await deliveries.make_due(endpoint, [EndedRun(document_id, 1, COMPLETED)])
    for status in ("pending", "dead"):
        row = await pw.queue.live(document_id)
        assert row is not None and row.delivery.status == status
        if status == "pending":
            await attempted(deliveries, "dead")
    first = next(Delivery.of([line]) for line in await lines(pw) if line.endpoint_id is None)
    assert await deliveries.resend(first, "", "r1") == "ok"
    await attempted(deliveries, "delivered")
    row = await pw.queue.live(document_id)
    assert row is not None and row.delivery.status == "dead", "the callback's success does not hide it"
