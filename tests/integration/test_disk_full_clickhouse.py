"""The history on a full disk: it says that it is away, never that there is nothing; afterwards all is there, once."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from backends.clickhouse import ClickHouse
from contracts.errors import HistoryUnavailable
from tests.integration.history_servers import Server, clickhouse_server, fresh_database
from tests.integration.small_disk import SmallDisk, small_disk

TABLE = (
    "CREATE TABLE numbered (n UInt64, text String) ENGINE = MergeTree ORDER BY n"
    " SETTINGS non_replicated_deduplication_window = 100, fsync_after_insert = 1"
)
COUNT = "SELECT count() AS rows FROM numbered"


def lines(first: int) -> list[bytes]:
    return [b'{"n":%d,"text":"%s"}' % (n, b"x" * 1000) for n in range(first, first + 100)]


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[SmallDisk]:
    with small_disk(tmp_path / "disk", 64) as disk:
        yield disk


@pytest.fixture
def server(disk: SmallDisk) -> Iterator[Server]:
    with clickhouse_server(disk.folder / "clickhouse") as server:
        yield server


@pytest.fixture
async def history(server: Server) -> AsyncIterator[ClickHouse]:
    async with fresh_database(server.url, migrated=False) as client:
        await client.command(f"CREATE DATABASE {client.address.database}", database="system")
        await client.command(TABLE)
        await client.insert_lines("numbered", lines(0), token="first")
        yield client


async def test_what_has_no_room_is_refused_as_away_and_stored_once_when_there_is_room(
    history: ClickHouse, disk: SmallDisk
) -> None:
    disk.fill()
    for _ in range(3):
        with pytest.raises(HistoryUnavailable):
            await history.insert_lines("numbered", lines(100), token="second")
    disk.free()
    for _ in range(2):
        await history.insert_lines("numbered", lines(100), token="second")
    assert await history.rows(COUNT) == [{"rows": 200}]


async def test_an_answer_is_whole_or_none_on_a_full_disk(history: ClickHouse, disk: SmallDisk) -> None:
    disk.fill()
    assert await history.rows(COUNT) == [{"rows": 100}]
    assert len(await history.rows("SELECT * FROM numbered")) == 100
    too_much_for_memory = "SELECT *, repeat('y', 100000) AS more FROM numbered"
    with pytest.raises(HistoryUnavailable):
        await history.rows(too_much_for_memory)
    disk.free()
    assert len(await history.rows(too_much_for_memory)) == 100


async def test_a_node_that_is_killed_on_a_full_disk_starts_and_has_what_it_had(
    history: ClickHouse, disk: SmallDisk, server: Server
) -> None:
    disk.fill()
    server.kill()
    await asyncio.to_thread(server.start_again)
    assert await history.rows(COUNT) == [{"rows": 100}]
    disk.free()
    await history.insert_lines("numbered", lines(100), token="second")
    assert await history.rows(COUNT) == [{"rows": 200}]
