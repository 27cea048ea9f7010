"""How the doctor looks: what history has much of in pages, and a second time only at what it has found."""

from collections.abc import Awaitable, Callable
from uuid import UUID, uuid4

import pytest

from backends.history_inspection import PAGE, HistoryInspection
from backends.inspection import Inspection
from contracts.deliveries import COMPLETED, DeliveryAttempt, webhook_id
from contracts.ids import new_id, now_ms
from generator.maintenance.doctor.indices import Indices
from generator.maintenance.doctor.lifetimes import Lifetimes
from generator.maintenance.doctor.lost_deliveries import LostDeliveries
from generator.maintenance.doctor.lost_documents import LostDocuments
from generator.maintenance.doctor.port import Check, Finding
from tests.integration.doctor_stage import Clinic
from tests.integration.history_rows import row

MANY = PAGE + 5


async def found_by(check: Check, only: set[str] | None = None) -> list[Finding]:
    return [finding async for finding in check.look(only)]


def a_line(document_id: UUID, at: int, **changes: object) -> DeliveryAttempt:
    """Write that the webhook of a document's first run became due."""
    plain = DeliveryAttempt(
        delivery_id=webhook_id(document_id, 1, COMPLETED),
        attempt=0,
        document_id=document_id,
        user_id=UUID(int=1),
        run=1,
        type=COMPLETED,
        url="https://example.com/hook",
        status="pending",
        next_attempt_at=at,
        at=at,
        created_at=at,
    )
    return plain.model_copy(update=changes)


async def log_deliveries(clinic: Clinic, document_ids: list[UUID]) -> None:
    """Log many that became due in the same millisecond, and one that has settled since."""
    at, settled = now_ms(), new_id()
    lines = [a_line(id_, at) for id_ in (*document_ids, settled)]
    lines.append(a_line(settled, at, attempt=1, status="delivered"))
    await clinic.clickhouse.insert_lines(
        "webhook_deliveries", [line.model_dump_json().encode() for line in lines], token=uuid4().hex
    )


async def test_lost_webhooks_of_more_than_one_page_are_found(clinic: Clinic, monkeypatch: pytest.MonkeyPatch) -> None:
    lost = [new_id() for _ in range(MANY)]
    await log_deliveries(clinic, lost)
    check = LostDeliveries(clinic.stores)
    found = await found_by(check)
    assert sorted(finding.subject for finding in found) == sorted(f"{id_}:1" for id_ in lost)
    monkeypatch.delattr(HistoryInspection, "pending_deliveries")
    some = {finding.subject: finding for finding in found[:3]}
    assert set(await found_by(check, set(some))) == set(some.values())


async def test_a_webhook_that_has_settled_meanwhile_is_not_found_again(clinic: Clinic) -> None:
    lost = new_id()
    await log_deliveries(clinic, [lost])
    check = LostDeliveries(clinic.stores)
    (found,) = await found_by(check)
    settled = a_line(lost, now_ms(), attempt=1, status="delivered")
    created = (await clinic.clickhouse.rows("SELECT any(created_at) AS at FROM deliveries"))[0]["at"]
    line = settled.model_copy(update={"created_at": created}).model_dump_json().encode()
    await clinic.clickhouse.insert_lines("webhook_deliveries", [line], token=uuid4().hex)
    assert await found_by(check, {found.subject}) == []


async def test_lost_documents_of_more_than_one_page_are_found(clinic: Clinic, monkeypatch: pytest.MonkeyPatch) -> None:
    lost = [row(at) for at in [now_ms()] for _ in range(MANY)]
    await clinic.clickhouse.insert_lines(
        "document_events", [one.model_dump_json().encode() for one in lost], token=uuid4().hex
    )
    check = LostDocuments(clinic.stores)
    found = await found_by(check)
    assert sorted(finding.subject for finding in found) == sorted(str(one.document_id) for one in lost)
    monkeypatch.delattr(HistoryInspection, "unfinished")
    some = {finding.subject: finding for finding in found[:3]}
    assert set(await found_by(check, set(some))) == set(some.values())


async def email_of_nobody(clinic: Clinic) -> Check:
    await clinic.scripts.redis.set(clinic.name("email:ghost@example.com"), str(uuid4()))
    return Indices(clinic.stores)


async def admin_of_nobody(clinic: Clinic) -> Check:
    await clinic.scripts.redis.sadd(clinic.name("admins"), str(uuid4()))
    return Indices(clinic.stores)


async def memo_that_never_expires(clinic: Clinic) -> Check:
    await clinic.scripts.redis.rpush(clinic.name("claim:request"), "x", "1")
    return Lifetimes(clinic.stores)


@pytest.mark.parametrize("damaged", [email_of_nobody, admin_of_nobody, memo_that_never_expires])
async def test_a_second_look_does_not_go_through_all_keys(
    clinic: Clinic, monkeypatch: pytest.MonkeyPatch, damaged: Callable[[Clinic], Awaitable[Check]]
) -> None:
    check = await damaged(clinic)
    found = await found_by(check)
    monkeypatch.delattr(Inspection, "names")
    assert await found_by(check, {finding.subject for finding in found}) == found != []
