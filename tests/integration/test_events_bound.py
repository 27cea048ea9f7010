"""The event stream is bounded: while nobody ships, requests are refused, and taken again once it has drained."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import httpx2
import pytest
from redis.asyncio import Redis

from backends.clickhouse import ClickHouse
from backends.role_lease import RoleLease
from contracts.ids import new_id
from generator.shipper import Shipper, ShipperSettings
from tests.conftest import WaitUntil
from tests.integration.conftest import Api, running_api
from tests.integration.history_rows import row
from tests.integration.history_servers import Server
from tests.integration.instant_pool import LETTER
from tests.integration.shipper_stage import CALLBACK, Stage

REQUEST = {**LETTER, "callback_url": CALLBACK.url}
EVENTS = 500


@pytest.fixture
async def narrow(redis_node: Server, redis: Redis, clickhouse: ClickHouse, tmp_path: Path) -> AsyncIterator[Api]:
    """An API that takes nothing more once a megabyte of events waits."""
    async with running_api(redis_node.url, clickhouse, tmp_path / "blobs", max_events_mb=1) as api:
        yield api


async def fill(api: Api) -> None:
    """Append events of 4 kB as documents with much metadata have them, two megabytes in all."""
    async with api.scripts.redis.pipeline(transaction=False) as pipe:
        for _ in range(EVENTS):
            line = row(document_id=new_id(), metadata={"text": "x" * 4000}).model_dump_json()
            pipe.xadd(f"{api.scripts.prefix}events", {"d": line})
        await pipe.execute()


async def post(api: Api) -> httpx2.Response:
    return await api.admin.post("/v1/documents", json=REQUEST)


async def refused(api: Api) -> bool:
    return (await post(api)).status_code == 503


async def test_a_stream_that_nobody_ships_refuses_until_it_has_drained(narrow: Api, wait_until: WaitUntil) -> None:
    accepted = await post(narrow)
    assert accepted.status_code == 202
    await fill(narrow)
    await wait_until(lambda: refused(narrow), "the stream is measured again")

    problem = await post(narrow)
    assert problem.status_code == 503 and int(problem.headers["Retry-After"]) > 0
    body = problem.json()
    assert body["retryable"] and "events wait for the history store" in body["detail"]

    stage = Stage(narrow.scripts, narrow.clickhouse, narrow.blobs)
    made = []
    while ids := await stage.finish(10):
        made += ids
        await stage.deliver(10)
    assert accepted.json()["id"] in map(str, made), "what was accepted goes on"

    lease = RoleLease(narrow.scripts.redis, narrow.scripts.prefix, role="shipper", holder="test")
    shipper = Shipper(narrow.scripts, narrow.clickhouse, narrow.blobs, lease, ShipperSettings(interval_s=0.02))
    shipping = asyncio.create_task(shipper.run())

    async def taken() -> bool:
        return (await post(narrow)).status_code == 202

    await wait_until(taken, "documents are taken again")
    shipping.cancel()
    await asyncio.gather(shipping, return_exceptions=True)
    assert await stage.count("document_events") >= EVENTS + 4 * len(made)
    assert await stage.count("documents FINAL", "countIf(event = 'delivered')") == len(made)
