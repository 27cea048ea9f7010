"""The history on a full disk: it says that it is away, never that there is nothing; afterwards all is there, once."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from backends.clickhouse import ClickHouse
from contracts.errors import HistoryUnavailable
from tests.conftest import WaitUntil
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
    with small_disk(tmp_path / "disk", 160) as disk:
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


async def test_merges_on_a_full_disk_leave_nothing_that_a_start_does_not_mend(
    history: ClickHouse, disk: SmallDisk, server: Server, wait_until: WaitUntil
) -> None:
    tables = [f"merged_{number}" for number in range(4)]
    for table in tables:
        await history.command(TABLE.replace("numbered", table, 1))
    writers = [SmallParts(history, table) for table in tables]
    async with asyncio.TaskGroup() as group:
        writing = [group.create_task(writer.write()) for writer in writers]
        for _ in range(4):
            await wait_until(lambda: all_wrote(writers, 12), "parts to merge")
            while not all_refused(writers, 20):
                await asyncio.to_thread(disk.fill)
            disk.free()
            for writer in writers:
                writer.begin_again()
        for task in writing:
            task.cancel()
    try:
        await read_all(history, tables)
    except HistoryUnavailable:  # rare, since some room is kept free: the node would start again by itself
        server.kill()
        await asyncio.to_thread(server.start_again)
        await read_all(history, tables)


async def read_all(history: ClickHouse, tables: list[str]) -> None:
    for table in tables:
        (read,) = await history.rows(f"SELECT sum(length(text)) AS bytes FROM {table}")
        assert int(str(read["bytes"])) > 0


class SmallParts:
    """Writes one small part after another, as a shipper with little to do does."""

    def __init__(self, history: ClickHouse, table: str) -> None:
        self._history = history
        self._table = table
        self.written = self.refused = self._number = 0

    def begin_again(self) -> None:
        self.written = self.refused = 0

    async def write(self) -> None:
        """Write until cancelled."""
        while True:
            self._number += 1
            try:
                await self._history.insert_lines(self._table, lines(self._number)[:10], token=f"part {self._number}")
                self.written += 1
            except HistoryUnavailable:
                self.refused += 1


async def all_wrote(writers: list[SmallParts], parts: int) -> bool:
    return all(writer.written >= parts for writer in writers)


def all_refused(writers: list[SmallParts], times: int) -> bool:
    return all(writer.refused >= times for writer in writers)
