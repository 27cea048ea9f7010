"""A stage for the shipper: a database, a prefix and a folder of their own, and documents that live through it all."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from uuid import UUID, uuid4

from backends.blobs import FileBlobStore
from backends.clickhouse import ClickHouse
from backends.deliveries import Deliveries
from backends.event_log import EventLog
from backends.queue import Completion, DocumentQueue
from backends.role_lease import RoleLease
from backends.scripts import Scripts
from contracts.documents import Result
from contracts.jobs import Callback, GenerationJob, input_key
from generator.shipper import Shipper, ShipperSettings
from tests.integration.attempts import attempt_of
from tests.integration.history_servers import fresh_database, fresh_prefix, job

TTL_S = 600
RESULT = Result(
    key="results/x/1", bytes=4321, sha256="cd" * 32, pages=3, content_type="application/pdf", filename="a.pdf"
)
CALLBACK = Callback(url="https://example.com/hook")

#: Events of a document that lives through it all: accepted, started, completed, delivered; due, delivered.
EVENTS_OF_A_LIFE = 6


@dataclass
class Stage:
    """A database, a prefix and a folder of their own, and the shippers that work on them."""

    scripts: Scripts
    clickhouse: ClickHouse
    blobs: FileBlobStore

    @property
    def queue(self) -> DocumentQueue:
        return DocumentQueue(self.scripts)

    def shipper(self, clickhouse: ClickHouse | None = None, *, max_rows: int = 10_000) -> Shipper:
        lease = RoleLease(self.scripts.redis, self.scripts.prefix, role="ship", holder=uuid4().hex, ttl_ms=1000)
        settings = ShipperSettings(
            interval_s=0.02, first_backoff_s=0.02, max_rows=max_rows, live_ttl_s=TTL_S, max_backoff_s=0.1
        )
        return Shipper(self.scripts, clickhouse or self.clickhouse, self.blobs, lease, settings)

    async def accept(self, *jobs: GenerationJob) -> None:
        for one in jobs:
            await self.queue.enqueue(one)

    async def finish(self, want: int) -> list[UUID]:
        """Claim, start and complete up to `want` documents."""
        claims = await self.queue.claim("w1", want, uuid4().hex)
        await self.queue.start([claim.ref for claim in claims])
        await self.queue.complete([Completion(*claim.ref, RESULT, render_ms=12, expires_at=None) for claim in claims])
        return [claim.job.document_id for claim in claims]

    async def add(self, kind: str, line: str) -> None:
        await self.scripts.redis.xadd(f"{self.scripts.prefix}events", {kind: line})

    async def count(self, table: str, what: str = "count()") -> int:
        return int(str((await self.clickhouse.rows(f"SELECT {what} AS n FROM {table}"))[0]["n"]))

    async def ttl(self, kind: str, document_id: UUID) -> int:
        return await self.scripts.redis.ttl(f"{self.scripts.prefix}{kind}:{document_id}")

    async def waiting(self) -> int:
        return await EventLog(self.scripts).length()

    async def live_through(self, count: int) -> list[UUID]:
        """Let documents be accepted, made and delivered, EVENTS_OF_A_LIFE each; returns their ids."""
        await self.accept(*[job(callback=CALLBACK) for _ in range(count)])
        ids = await self.finish(count)
        await self.deliver(count)
        return ids

    async def deliver(self, want: int) -> None:
        """Deliver up to `want` webhooks at the first attempt."""
        deliveries = Deliveries(self.scripts)
        for leased in (await deliveries.claim(want, room=want, loads={})).items:
            assert await deliveries.record(leased, attempt_of(leased)) == "ok"

    async def assert_complete(self, ids: list[UUID]) -> None:
        """Check that history has these documents' lives, each line once, and nothing else."""
        count = len(ids)
        for table, sums in {
            "document_events": {"count()": 4, "uniqExact(document_id, seq)": 4, "sum(seq)": 10},
            "documents": {"uniqExact(document_id)": 1},
            "documents FINAL": {
                "count()": 1,
                "sum(seq)": 4,
                "sum(bytes)": RESULT.bytes,
                "countIf(event = 'delivered')": 1,
            },
            "webhook_deliveries": {"count()": 2, "uniqExact(delivery_id, attempt)": 2, "sum(attempt)": 1},
            "deliveries FINAL": {"count()": 1, "countIf(status = 'delivered')": 1},
            "events_quarantine": {"count()": 0},
        }.items():
            found = {what: await self.count(table, what) for what in sums}
            assert found == {what: each * count for what, each in sums.items()}, table
        for id_ in ids:
            assert await self.blobs.size(input_key(id_)) is not None
            assert 0 < await self.ttl("doc", id_) <= TTL_S
        assert await self.waiting() == 0


@asynccontextmanager
async def fresh_stage(clickhouse_url: str, redis_url: str, folder: Path) -> AsyncIterator[Stage]:
    async with fresh_database(clickhouse_url) as clickhouse, fresh_prefix(redis_url) as scripts:
        yield Stage(scripts, clickhouse, FileBlobStore(folder / "blobs"))
