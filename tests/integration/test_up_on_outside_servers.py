"""`presswork up` on a Redis and a ClickHouse that it did not start: it dials them, and leaves them running."""

import asyncio
import signal
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from redis.asyncio import Redis

from backends.clickhouse import ClickHouse
from tests.conftest import WaitUntil
from tests.e2e.test_up import Up, free_ports, sample
from tests.integration.conftest import url_of
from tests.integration.history_servers import Server, fresh_database

pytestmark = pytest.mark.timeout(240)


@dataclass
class OnOutsideServers(Up):
    """A start that is told where its servers are."""

    redis_url: str = ""
    clickhouse_url: str = ""

    def environment(self) -> dict[str, str]:
        urls = {"PRESSWORK_REDIS_URL": self.redis_url, "PRESSWORK_CLICKHOUSE_URL": self.clickhouse_url}
        return super().environment() | urls


@pytest.fixture
async def empty(clickhouse_node: Server) -> AsyncIterator[ClickHouse]:
    """A database that does not exist yet."""
    async with fresh_database(clickhouse_node.url, migrated=False) as client:
        yield client


@pytest.fixture
async def up(redis_node: Server, redis: Redis, empty: ClickHouse, tmp_path: Path) -> AsyncIterator[OnOutsideServers]:
    up = OnOutsideServers(tmp_path, free_ports(), redis_url=redis_node.url, clickhouse_url=url_of(empty))
    await asyncio.to_thread(up.start)
    yield up
    if not up.ended:
        up.signal(signal.SIGTERM)
        await asyncio.to_thread(up.wait, 20)


async def test_documents_are_made_and_listed_and_the_servers_outlive_it(
    up: OnOutsideServers, redis: Redis, empty: ClickHouse, wait_until: WaitUntil
) -> None:
    assert set(up.facts["pids"]) == {"api", "generator"}, "no embedded server was started"
    document = await asyncio.to_thread(up.ask, "/v1/documents", **sample(up))
    assert document["status"] == "completed", document

    async def listed() -> bool:
        return [one["id"] for one in (await asyncio.to_thread(up.ask, "/v1/documents"))["items"]] == [document["id"]]

    await wait_until(listed, "ClickHouse lists the document")
    up.signal(signal.SIGTERM)
    assert await asyncio.to_thread(up.wait) == 0, up.output
    assert await redis.ping() and await empty.rows("SELECT count() AS n FROM documents FINAL") == [{"n": 1}]
