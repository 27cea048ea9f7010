"""A document moves from Redis to history while it is read: never a 404, never an older state than before."""

import asyncio
from collections.abc import AsyncIterator
from uuid import UUID

import httpx2
import pytest

from backends.role_lease import RoleLease
from generator.shipper import Shipper, ShipperSettings
from tests.conftest import WaitUntil
from tests.integration.conftest import Api
from tests.integration.instant_pool import LETTER
from tests.integration.shipper_stage import CALLBACK, Stage

DOCUMENTS = 8
PROGRESS = {"queued": 1, "rendering": 2, "completed": 3}
DELIVERY = {"none": 0, "pending": 1, "delivered": 2}


class Reader:
    """Reads one document again and again, and remembers what it saw last."""

    def __init__(self, client: httpx2.AsyncClient, document_id: str) -> None:
        self._client = client
        self.path = f"/v1/documents/{document_id}"
        self.seen: tuple[int, ...] = ()
        self.events: list[object] = []
        self.reads = 0

    async def run(self) -> None:
        while True:
            await self._read()
            await self._read_events()
            self.reads += 1
            await asyncio.sleep(0)

    async def _read(self) -> None:
        answer = await self._client.get(self.path)
        assert answer.status_code == 200, answer.text
        row = answer.json()
        delivery = row["delivery"]
        now = (row["run"], PROGRESS[row["status"]], DELIVERY[delivery["status"]], delivery["attempts"])
        assert now >= self.seen, f"{now} after {self.seen}"
        self.seen = now

    async def _read_events(self) -> None:
        answer = await self._client.get(f"{self.path}/events")
        assert answer.status_code == 200, answer.text
        events = [(item["event"], item["run"], item["at"]) for item in answer.json()["items"]]
        assert events[: len(self.events)] == self.events, "what happened once has happened"
        self.events = events


@pytest.fixture
async def hasty(api: Api) -> AsyncIterator[Shipper]:
    """A shipper after which documents leave Redis at the first moment they may."""
    lease = RoleLease(api.scripts.redis, api.scripts.prefix, role="shipper", holder="test")
    shipper = Shipper(
        api.scripts, api.clickhouse, api.blobs, lease, ShipperSettings(interval_s=0.01, max_rows=7, live_ttl_s=1)
    )
    task = asyncio.create_task(shipper.run())
    yield shipper
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


async def accept(api: Api) -> str:
    answer = await api.admin.post("/v1/documents", json={**LETTER, "callback_url": CALLBACK.url})
    assert answer.status_code == 202, answer.text
    return str(answer.json()["id"])


async def live_and_leave(api: Api, ids: list[str], wait_until: WaitUntil) -> None:
    """Make and deliver documents one by one, and wait until Redis has forgotten them."""
    stage = Stage(api.scripts, api.clickhouse, api.blobs)
    for _ in ids:
        assert len(await stage.finish(1)) == 1
        await stage.deliver(1)

    async def forgotten() -> bool:
        return not await api.scripts.redis.exists(*[f"{api.scripts.prefix}doc:{UUID(id_)}" for id_ in ids])

    await wait_until(forgotten, "they have left Redis", 60)


async def test_reads_fall_over_from_redis_to_history_and_back_without_a_gap(
    api: Api, hasty: Shipper, wait_until: WaitUntil
) -> None:
    ids = [await accept(api) for _ in range(DOCUMENTS)]
    readers = [Reader(api.admin, id_) for id_ in ids]
    reading = asyncio.gather(*(reader.run() for reader in readers))

    async def read_on() -> None:
        """Let each reader read twice more; fail with what any of them has found."""
        target = [reader.reads + 2 for reader in readers]

        async def done() -> bool:
            if reading.done():
                await reading
            return all(reader.reads >= wanted for reader, wanted in zip(readers, target, strict=True))

        await wait_until(done, "they are read", 60)

    try:
        for run in (1, 2):
            await live_and_leave(api, ids, wait_until)
            await read_on()
            assert {reader.seen for reader in readers} == {(run, 3, 2, 1)}
            assert {len(reader.events) for reader in readers} == {4 * run}
            for id_ in ids if run == 1 else ():
                assert (await api.admin.post(f"/v1/documents/{id_}/retry")).status_code == 200
    finally:
        reading.cancel()
        await asyncio.gather(reading, return_exceptions=True)
