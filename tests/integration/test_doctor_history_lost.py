"""ClickHouse lost everything, or a part: the doctor brings back what Redis still holds, each event exactly once."""

import asyncio

import pytest

from contracts.ids import new_id, now_ms
from generator.maintenance.doctor.document_history import DocumentHistory
from tests.integration.doctor_stage import HOOK, HOUR_MS, Clinic, flaws, found_mended_and_gone

TABLES = ("document_events", "documents", "user_events", "users", "key_events", "api_keys", "webhook_deliveries")


async def emptied(clinic: Clinic) -> None:
    for table in (*TABLES, "deliveries"):
        await clinic.clickhouse.command(f"TRUNCATE TABLE {table}")


async def dropped(clinic: Clinic) -> None:
    name = clinic.clickhouse.address.database
    await clinic.clickhouse.command(f"DROP DATABASE {name} SYNC", database="system")


async def busy(clinic: Clinic) -> None:
    """Leave documents in every state, with webhooks, and events that have not been shipped yet."""
    await clinic.accept(run_at=now_ms() + HOUR_MS)
    await clinic.complete(callback=HOOK)
    await clinic.complete()
    started = await clinic.start()
    await clinic.ship()
    await clinic.end(started)
    await clinic.accept()


async def exactly_once(clinic: Clinic) -> None:
    """Every event of every document of Redis is in the log once, and its newest row is the document's."""
    ids = [name.rpartition(":")[2] async for name in clinic.scripts.redis.scan_iter(match=clinic.name("doc:*"))]
    doubled = "SELECT count() AS n FROM (SELECT 1 FROM document_events GROUP BY document_id, seq HAVING count() > 1)"
    assert (await clinic.clickhouse.rows(doubled))[0]["n"] == 0
    newest = await clinic.stores.history.newest(ids)
    for id_ in ids:
        rows = await clinic.queue.live_events(newest[id_].document_id)
        assert newest[id_] == rows[-1]
        assert await clinic.stores.history.sequences([id_]) == {id_: {row.seq for row in rows}}


async def test_an_emptied_history_gets_every_event_that_redis_holds_once(clinic: Clinic) -> None:
    await busy(clinic)
    await emptied(clinic)
    await found_mended_and_gone(
        clinic,
        {
            "document-history:missing": 4,
            "account-history:user": 1,
            "account-history:key": 1,
            "delivery-history:missing": 1,
        },
    )
    await exactly_once(clinic)
    assert await clinic.count("users FINAL") == await clinic.count("api_keys FINAL") == 1
    assert await clinic.count("deliveries FINAL", "status = 'pending'") == 1
    assert await clinic.count("webhook_deliveries", "url = 'https://example.com/hook?...'") == 1


async def test_a_history_without_tables_is_migrated_and_filled(clinic: Clinic) -> None:
    await busy(clinic)
    await dropped(clinic)
    dry = await clinic.examine(dry_run=True)
    assert dry.checks[0].name == "schema" and len(dry.checks[0].left) > 10
    assert dry.exit_code == 1
    report = await clinic.examine()
    assert report.exit_code == 0, report.as_text()
    await clinic.ship()
    assert flaws(await clinic.examine()) == {}
    await exactly_once(clinic)


async def test_what_waits_in_the_stream_is_no_loss(clinic: Clinic) -> None:
    await clinic.complete(callback=HOOK)
    await clinic.add_user(new_id())
    assert flaws(await clinic.examine()) == {}


async def test_events_that_cannot_be_read_hinder_no_check(clinic: Clinic) -> None:
    await clinic.complete(callback=HOOK)
    for kind in ("d", "u", "w", "x"):
        for line in (b"\xff\xfe", b"[]", b'{"document_id": 7}', b"null"):
            await clinic.scripts.redis.xadd(clinic.name("events"), {kind: line})
    assert flaws(await clinic.examine()) == {}


async def test_one_missing_event_comes_back_alone(clinic: Clinic) -> None:
    document_id = await clinic.complete()
    await clinic.ship()
    await clinic.clickhouse.command(
        f"ALTER TABLE document_events DELETE WHERE document_id = '{document_id}' AND seq = 2"
        " SETTINGS mutations_sync = 1"
    )
    await found_mended_and_gone(clinic, {"document-history:missing": 1})
    assert await clinic.count("document_events", "event = 'readmitted'") == 0
    await exactly_once(clinic)


async def test_doctors_at_once_and_again_before_anything_is_shipped_send_each_event_once(clinic: Clinic) -> None:
    await busy(clinic)
    await emptied(clinic)
    await asyncio.gather(*(clinic.examine() for _ in range(3)))
    assert flaws(await clinic.examine()) == {}
    await clinic.ship()
    assert flaws(await clinic.examine()) == {}
    await exactly_once(clinic)
    assert await clinic.count("user_events") == await clinic.count("key_events") == 1


async def test_a_doctor_that_looked_before_another_mended_and_mends_after_it_sends_nothing(clinic: Clinic) -> None:
    await clinic.complete()
    await clinic.ship()
    await emptied(clinic)
    slow = DocumentHistory(clinic.stores)
    found = [finding async for finding in slow.look()]
    await clinic.examine()
    await clinic.ship()
    await slow.mend(found)
    await clinic.ship()
    assert len(found) == 1 and flaws(await clinic.examine()) == {}
    await exactly_once(clinic)


async def test_an_event_that_is_in_quarantine_is_not_sent_for_ever(clinic: Clinic) -> None:
    document_id = await clinic.complete()
    await clinic.ship()
    rows = await clinic.queue.live_events(document_id)
    await emptied(clinic)
    await clinic.examine()
    await clinic.ship()
    where = f"document_id = '{document_id}' AND seq = 2"
    await clinic.clickhouse.command(f"ALTER TABLE document_events DELETE WHERE {where} SETTINGS mutations_sync = 1")
    await clinic.clickhouse.command(
        "INSERT INTO events_quarantine (at, entry_id, kind, reason, line)"
        f" VALUES ({now_ms()}, '1-1', 'd', 'no', '{rows[1].model_dump_json(exclude={'error', 'result'})}')"
    )
    assert flaws(await clinic.examine()) == {}


@pytest.mark.parametrize("table", ["users", "api_keys"])
async def test_rows_without_their_events_are_enough(clinic: Clinic, table: str) -> None:
    await clinic.clickhouse.command(f"TRUNCATE TABLE {table}")
    kind = {"users": "user", "api_keys": "key"}[table]
    await found_mended_and_gone(clinic, {f"account-history:{kind}": 1})
    assert await clinic.count(f"{table} FINAL") == 1
