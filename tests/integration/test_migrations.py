"""The schema: applied once, by many at once, never edited; and how long its rows are kept."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from uuid import uuid4

import orjson
import pytest

from backends.clickhouse import ClickHouse
from backends.history import DOCUMENT_COLUMNS, document_row
from backends.migrations.retention import HistoryRetention, apply_retention
from backends.migrations.runner import Migration, MigrationChanged, load_migrations, migrate
from contracts.deliveries import DeliveryAttempt
from contracts.documents import DocumentRow
from contracts.endpoints import EndpointEvent
from contracts.ids import now_ms
from contracts.templates import TemplateEvent
from contracts.users import KeyEvent, KeyRow, UserEvent, UserRow
from tests.integration.copied_schema import Schema
from tests.integration.history_servers import Server, fresh_database


@pytest.fixture
async def empty(clickhouse_node: Server) -> AsyncIterator[ClickHouse]:
    async with fresh_database(clickhouse_node.url, migrated=False) as client:
        yield client


async def columns(clickhouse: ClickHouse, table: str) -> set[str]:
    sql = "SELECT name FROM system.columns WHERE database = currentDatabase() AND table = {table:String}"
    return {str(row["name"]) for row in await clickhouse.rows(sql, {"table": table})}


async def test_migrations_are_applied_once(empty: ClickHouse) -> None:
    names = [migration.name for migration in load_migrations()]
    assert await migrate(empty) == names != []
    assert await migrate(empty) == []


async def test_processes_that_start_together_all_find_the_schema(empty: ClickHouse) -> None:
    await asyncio.gather(*(migrate(empty) for _ in range(4)))
    assert await migrate(empty) == []
    assert await empty.rows("SELECT count() AS n FROM documents FINAL") == [{"n": 0}]


async def test_a_migration_that_was_cut_off_is_finished_by_the_next_start(empty: ClickHouse) -> None:
    await migrate(empty, [Migration(0, "nothing", "SELECT 1;\n")])
    for statement in load_migrations()[0].statements[:4]:
        await empty.command(statement)
    assert await migrate(empty) == [migration.name for migration in load_migrations()]


async def test_the_databases_of_tests_are_like_migrated_ones(clickhouse_node: Server, empty: ClickHouse) -> None:
    await migrate(empty)
    migrated = await Schema.of(empty)
    assert len(migrated.applied) == len(load_migrations()) and len(migrated.tables) > 10 and len(migrated.views) > 3
    async with fresh_database(clickhouse_node.url, migrated=False) as copy:
        await migrated.copy_to(copy)
        assert await migrate(copy) == []
        copied, name = await Schema.of(copy), copy.address.database
    assert [one.replace(name, migrated.database) for one in (*copied.tables, *copied.views)] == [
        *migrated.tables,
        *migrated.views,
    ]
    assert copied.applied == migrated.applied


async def test_an_edited_migration_is_refused(empty: ClickHouse) -> None:
    first = Migration(1, "first", "CREATE TABLE a (x UInt8) ENGINE = Memory;\n")
    await migrate(empty, [first])
    with pytest.raises(MigrationChanged, match=r"0001 \(first\)"):
        await migrate(empty, [replace(first, sql=first.sql.replace("UInt8", "UInt16"))])


async def test_migrations_of_a_newer_release_are_left_alone(empty: ClickHouse) -> None:
    newer = Migration(2, "newer", "CREATE TABLE b (x UInt8) ENGINE = Memory;\n")
    first = Migration(1, "first", "CREATE TABLE a (x UInt8) ENGINE = Memory;\n")
    await migrate(empty, [first, newer])
    assert await migrate(empty, [first]) == []


def test_statements_are_split_at_the_ends_of_lines_only() -> None:
    sql = "-- a; comment;\nSELECT ';' ;\n\nSELECT\n  2;\n  -- last;\n"
    assert Migration(1, "x", sql).statements == ["SELECT ';'", "SELECT\n  2"]


@pytest.mark.parametrize(
    ("table", "model"),
    [
        ("document_events", DocumentRow),
        ("documents", DocumentRow),
        ("user_events", UserEvent),
        ("users", UserRow),
        ("key_events", KeyEvent),
        ("api_keys", KeyRow),
        ("template_events", TemplateEvent),
        ("endpoint_events", EndpointEvent),
        ("webhook_deliveries", DeliveryAttempt),
    ],
)
async def test_every_field_of_an_event_has_its_column(empty: ClickHouse, table: str, model: type[DocumentRow]) -> None:
    await migrate(empty)
    logged = {name for name, field in model.model_fields.items() if not field.exclude}
    assert logged <= await columns(empty, table)


def test_the_columns_that_are_asked_for_are_the_fields_of_a_row() -> None:
    assert DOCUMENT_COLUMNS.split(", ") == list(DocumentRow.model_fields)


async def test_times_are_milliseconds_and_people_see_dates(empty: ClickHouse) -> None:
    await migrate(empty)
    await empty.command("SYSTEM STOP MERGES documents")  # the row is older than the retention
    line = b'{"document_id":"01932b7c-1111-7000-8000-000000000001","created_at":1731234567890,"at":1731234567891}'
    await empty.insert_lines("document_events", [line], token="t")
    found = await empty.rows("SELECT created_at, created_time, time FROM documents")
    assert found == [
        {
            "created_at": 1731234567890,
            "created_time": "2024-11-10 10:29:27.890",
            "time": "2024-11-10 10:29:27.891",
        }
    ]


async def test_every_table_a_batch_reaches_deduplicates_and_is_on_disk_at_once(empty: ClickHouse) -> None:
    await migrate(empty)
    sql = "SELECT name, engine_full FROM system.tables WHERE database = currentDatabase() AND engine LIKE '%MergeTree'"
    tables = {str(row["name"]): str(row["engine_full"]) for row in await empty.rows(sql)}
    assert len(tables) == 14
    for name, engine in tables.items():
        assert "fsync_after_insert = 1" in engine, name
        assert name == "schema_migrations" or "non_replicated_deduplication_window = 10000" in engine, name


async def test_retention_is_set_once_and_can_be_lifted(empty: ClickHouse) -> None:
    await migrate(empty)
    assert await apply_retention(empty, HistoryRetention()) == [], "the schema's own retention is the default"
    shorter = HistoryRetention(history_months=3, delivery_days=7)
    assert set(await apply_retention(empty, shorter)) == {
        "document_events",
        "documents",
        "events_quarantine",
        "webhook_deliveries",
        "deliveries",
    }
    assert await apply_retention(empty, shorter) == []
    for_ever = HistoryRetention(history_months=None, delivery_days=None)
    assert len(await apply_retention(empty, for_ever)) == 5
    assert await apply_retention(empty, for_ever) == []


async def test_history_beyond_its_retention_goes_and_younger_stays(empty: ClickHouse) -> None:
    await migrate(empty)
    day = 86_400_000
    for age in (500 * day, 10 * day):
        line = {"document_id": str(uuid4()), "created_at": now_ms() - age, "seq": 1, "delivery": {}}
        await empty.insert_lines("document_events", [orjson.dumps(line)], token=uuid4().hex)
    await empty.command("OPTIMIZE TABLE documents FINAL")
    await empty.command("OPTIMIZE TABLE document_events FINAL")
    for table in ("documents", "document_events"):
        ages = await empty.rows(f"SELECT created_at FROM {table}")
        assert [now_ms() - int(str(row["created_at"])) < 11 * day for row in ages] == [True], table


async def test_webhook_attempts_beyond_their_retention_go_and_younger_stay(empty: ClickHouse) -> None:
    await migrate(empty)
    day = 86_400_000
    for age in (130 * day, 10 * day):
        line = {"delivery_id": str(uuid4()), "attempt": 1, "at": now_ms() - age, "created_at": now_ms() - age}
        await empty.insert_lines("webhook_deliveries", [orjson.dumps(line)], token=uuid4().hex)
    for table in ("webhook_deliveries", "deliveries"):
        await empty.command(f"OPTIMIZE TABLE {table} FINAL")
        ages = await empty.rows(f"SELECT created_at FROM {table}")
        assert [now_ms() - int(str(row["created_at"])) < 11 * day for row in ages] == [True], table


async def test_a_row_with_nothing_but_its_key_can_still_be_read(empty: ClickHouse) -> None:
    row = DocumentRow.model_validate(
        {
            "document_id": "01932b7c-1111-7000-8000-000000000001",
            "user_id": "01932b7c-1111-7000-8000-000000000002",
            "created_at": now_ms(),
            "output_format": "pdf",
            "template_name": None,
            "template_version": None,
            "template_sha256": "",
            "priority": "normal",
            "lane": "",
            "seq": 1,
            "event": "accepted",
            "at": 1,
            "status": "queued",
            "run": 1,
            "attempt": 0,
            "queued_at": 1,
        }
    )
    await migrate(empty)
    await empty.insert_lines("document_events", [row.model_dump_json(exclude_defaults=True).encode()], token="t")
    found = await empty.rows(f"SELECT {DOCUMENT_COLUMNS} FROM documents")
    assert document_row(found[0]) == row


async def test_deliveries_that_were_logged_before_their_table_was_made_are_in_it(empty: ClickHouse) -> None:
    await migrate(empty, load_migrations()[:2])
    delivery, made = str(uuid4()), now_ms()
    for attempt, status in ((1, "pending"), (2, "dead")):
        line = {"delivery_id": delivery, "attempt": attempt, "status": status, "at": made + attempt, "created_at": made}
        await empty.insert_lines("webhook_deliveries", [orjson.dumps(line)], token=uuid4().hex)
    assert (await migrate(empty))[0] == "deliveries"
    late = {"delivery_id": delivery, "attempt": 0, "status": "pending", "at": made, "created_at": made}
    await empty.insert_lines("webhook_deliveries", [orjson.dumps(late)], token=uuid4().hex)
    found = await empty.rows("SELECT delivery_id, status FROM deliveries FINAL")
    assert found == [{"delivery_id": delivery, "status": "dead"}]
