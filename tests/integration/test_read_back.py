"""What was stored in doubt is read back: rows that are gone come again, once, in every table that had them."""

import asyncio
import os
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from uuid import UUID, uuid4

import orjson
import pytest

from backends.clickhouse import ClickHouse
from backends.read_back import LOGS, STEP, ReadBack, key_of
from contracts.errors import HistoryUnavailable
from tests.integration.history_rows import row
from tests.integration.history_servers import Server, clickhouse_server, fresh_database

AT = 1_790_000_000_000


def document(number: int, seq: int = 1) -> bytes:
    return row(document_id=UUID(int=number), created_at=AT + number, seq=seq).model_dump_json().encode()


def line(table: str, number: int) -> bytes:
    """Make a line of a table with as little as its key takes."""
    log = LOGS[table]
    id_ = str(UUID(int=number)) if log.id_type == "UUID" else f"{number}-0"
    return orjson.dumps(dict(zip(log.key, (AT + number, id_, 7), strict=False)))


@pytest.fixture
async def history(clickhouse_node: Server) -> AsyncIterator[ClickHouse]:
    async with fresh_database(clickhouse_node.url) as one:
        yield one


async def count(history: ClickHouse, table: str) -> int:
    return int(str((await history.rows(f"SELECT count() AS n FROM {table}"))[0]["n"]))


async def lose(history: ClickHouse, table: str, condition: str) -> None:
    await history.command(f"ALTER TABLE {table} DELETE WHERE {condition} SETTINGS mutations_sync = 1")


@pytest.mark.parametrize("table", LOGS)
async def test_rows_that_are_gone_though_their_token_is_remembered_are_stored_again(
    history: ClickHouse, table: str
) -> None:
    lines = [line(table, number) for number in range(10)]
    id_ = LOGS[table].key[1]
    await history.insert_lines(table, lines, token="t")
    for lost in (table, LOGS[table].target):
        if lost:
            await lose(history, lost, f"{id_} >= {'toUUID' * (LOGS[table].id_type == 'UUID')}('{UUID(int=4)}')")
    await history.insert_lines(table, lines, token="t")
    assert await count(history, table) < 10, "the repetition was taken for a duplicate"
    for _ in range(2):
        assert await ReadBack(history).settle(table, lines, token="t") == []
        assert await count(history, table) == 10
        if LOGS[table].view:
            assert await count(history, f"{LOGS[table].target} FINAL") == 10


async def test_what_is_there_is_not_stored_again(history: ClickHouse) -> None:
    lines = [document(number) for number in range(2 * STEP + 1)]
    await history.insert_lines("document_events", lines, token="t")
    assert await ReadBack(history).settle("document_events", lines, token="t") == []
    assert await count(history, "document_events") == len(lines)


async def test_the_newest_state_is_what_a_view_shows_after_rows_came_again(history: ClickHouse) -> None:
    early, late = document(1, seq=1), document(1, seq=2)
    for token, rows in (("early", early), ("late", late)):
        await history.insert_lines("document_events", [rows], token=token)
    await lose(history, "documents", "1")
    assert await ReadBack(history).settle("document_events", [early], token="early") == []
    assert await history.rows("SELECT seq FROM documents FINAL") == [{"seq": 2}]


async def test_two_that_read_back_the_same_batch_store_it_once(history: ClickHouse) -> None:
    lines = [document(number) for number in range(50)]
    await history.insert_lines("document_events", lines, token="t")
    await lose(history, "document_events", "seq = 1")
    readers = [ReadBack(history).settle("document_events", lines, token="t") for _ in range(4)]
    assert await asyncio.gather(*readers) == [[]] * 4
    assert await count(history, "document_events") == 50


async def test_nothing_is_stored_again_while_an_insert_of_the_same_rows_runs(history: ClickHouse) -> None:
    lines = [document(1)]
    slow = "INSERT INTO document_events (seq) SELECT sleepEachRow(0.5) FROM numbers(6) SETTINGS max_block_size = 1"
    token = f"t{uuid4().hex}"
    running = asyncio.create_task(history.command(f"{slow}, insert_deduplication_token = '{token}:missing:ab:0'"))
    await asyncio.sleep(0.3)
    with pytest.raises(HistoryUnavailable) as refused:
        await ReadBack(history).settle("document_events", lines, token=token)
    assert "not ended" in str(refused.value.hint)
    await running
    assert await ReadBack(history).settle("document_events", lines, token=token) == []


async def test_what_is_stored_and_never_found_is_told_and_does_not_go_on_for_ever(history: ClickHouse) -> None:
    """A number that does not fit its column is cut by ClickHouse, so the row is another one than its line says."""
    good, strange = document(1), document(2).replace(b'"seq":1', b'"seq":4294967303')
    await history.insert_lines("document_events", [good, strange], token="t")
    assert await ReadBack(history).settle("document_events", [good, strange], token="t") == [strange]
    assert await history.rows("SELECT count() AS n FROM document_events WHERE seq = 1") == [{"n": 1}]


@pytest.mark.parametrize("text", [b"{}", b"[]", b"no JSON", b'{"created_at":null,"document_id":"x","seq":1}'])
async def test_a_line_without_a_plain_key_is_not_looked_for(text: bytes) -> None:
    assert key_of("document_events", text) is None


@pytest.fixture
def own_server(tmp_path: Path) -> Iterator[Server]:
    with clickhouse_server(tmp_path / "clickhouse") as server:
        yield server


async def spoil(history: ClickHouse, table: str, folder: Path) -> None:
    """Empty the data of a table's parts, as a full disk does."""
    found = await history.rows(f"SELECT path FROM system.parts WHERE table = '{table}' AND active")
    for path in [str(part["path"]) for part in found]:
        assert Path(path).is_relative_to(folder)
        for file in Path(path).glob("*.bin"):
            os.truncate(file, 0)


async def test_a_part_with_empty_files_is_waited_for_until_the_server_has_set_it_aside(
    own_server: Server, tmp_path: Path
) -> None:
    lines = [document(number) for number in range(10)]
    async with fresh_database(own_server.url) as history:
        await history.insert_lines("document_events", lines, token="t")
        for table in ("document_events", "documents"):
            await spoil(history, table, tmp_path)
        for _ in range(2):
            await history.insert_lines("document_events", lines, token="t")
            with pytest.raises(HistoryUnavailable):
                await ReadBack(history).settle("document_events", lines, token="t")
        own_server.kill()
        await asyncio.to_thread(own_server.start_again)
        assert await ReadBack(history).settle("document_events", lines, token="t") == []
        for table in ("document_events", "documents FINAL"):
            assert await count(history, table) == 10


async def test_a_node_with_a_part_that_cannot_be_read_ends_so_that_a_start_sets_it_aside(
    own_server: Server, tmp_path: Path
) -> None:
    async with fresh_database(own_server.url) as history:
        await history.insert_lines("document_events", [document(1)], token="t")
        await spoil(history, "document_events", tmp_path)
        assert own_server.process is not None
        while own_server.process.poll() is None:
            with pytest.raises(HistoryUnavailable):
                await history.rows("SELECT * FROM document_events")
            await asyncio.sleep(0.1)
        assert own_server.process.returncode == 1
        await asyncio.to_thread(own_server.start_again)
        assert await ReadBack(history).settle("document_events", [document(1)], token="t") == []
        assert len(await history.rows("SELECT * FROM document_events")) == 1
