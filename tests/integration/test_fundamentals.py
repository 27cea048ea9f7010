"""How Presswork works, told by its parts: read from top to bottom, each test is one chapter.

The parts are the real ones, on a real Redis, ClickHouse and file system, wired by hand as `main.py` wires them.
"""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from uuid import uuid4

import pytest
from prometheus_client import CollectorRegistry
from redis.asyncio import Redis

from app.repository.documents import DocumentFilter, DocumentRepository
from backends.blobs import FileBlobStore
from backends.clickhouse import ClickHouse
from backends.deliveries import Deliveries
from backends.queue import DocumentQueue
from backends.role_lease import RoleLease
from backends.scripts import Scripts
from backends.template_store import TemplateStore
from contracts.documents import Status
from contracts.ids import new_id, now_ms
from contracts.jobs import Callback, GenerationJob, InlineSource, JobOptions, PinnedTemplate, input_key
from generator.bundles import Bundles, register
from generator.sandbox import RenderPool, SandboxLimits
from generator.shipped import load_shipped
from generator.shipper import Shipper
from generator.worker import Worker, WorkerSettings
from generator.worker_metrics import WorkerMetrics

ANN = new_id()
DATA = {
    "number": "INV-7",
    "date": "2026-03-01",
    "currency": "EUR",
    "seller": {"name": "Blue Harbour Ltd"},
    "buyer": {"name": "Acme GmbH"},
    "items": [{"name": "Consulting", "qty": 2, "unit": "h", "price": 120}],
    "vat_rate": 20,
}


@dataclass
class World:
    """Everything a document meets on its way."""

    queue: DocumentQueue
    deliveries: Deliveries
    shipper: Shipper
    history: DocumentRepository
    blobs: FileBlobStore
    invoice: PinnedTemplate
    pool: RenderPool

    def job(self, **changes: object) -> GenerationJob:
        now = now_ms()
        plain = GenerationJob(
            document_id=new_id(now),
            user_id=ANN,
            created_at=now,
            template=self.invoice,
            data=DATA,
            format="pdf",
            filename="INV-7.pdf",
            lane=str(ANN),
            expires_in=3600,
        )
        return plain.model_copy(update=changes)

    async def work_off(self) -> None:
        """Let a worker render until nothing waits."""
        stop, settings = asyncio.Event(), WorkerSettings("worker-1", drain_s=30)
        worker = Worker(
            self.queue, self.pool, self.blobs, Bundles(self.blobs), settings, WorkerMetrics(CollectorRegistry())
        )
        task = asyncio.create_task(worker.run(stop))
        async with asyncio.timeout(60):
            while (await self.queue.lengths())["open"]:
                await asyncio.sleep(0.02)
        stop.set()
        await task


@pytest.fixture
async def world(scripts: Scripts, clickhouse: ClickHouse, tmp_path: Path) -> AsyncIterator[World]:
    blobs = FileBlobStore(tmp_path / "blobs")
    shipped = load_shipped()
    await register(shipped, blobs, TemplateStore(scripts))
    sha256 = next(template.bundle.sha256 for template in shipped if template.name == "invoice")
    lease = RoleLease(scripts.redis, scripts.prefix, role="shipper", holder="shipper-1")
    pool = RenderPool(SandboxLimits(workers=1, spare=0))
    await pool.start()
    yield World(
        queue=DocumentQueue(scripts),
        deliveries=Deliveries(scripts),
        shipper=Shipper(scripts, clickhouse, blobs, lease),
        history=DocumentRepository(clickhouse),
        blobs=blobs,
        invoice=PinnedTemplate(name="invoice", version=1, sha256=sha256, engine="typst"),
        pool=pool,
    )
    await pool.close()


async def test_1_accepting_puts_a_job_its_place_and_its_event_on_disk_in_one_step(world: World, redis: Redis) -> None:
    job = world.job()
    accepted = await world.queue.enqueue(job)

    assert accepted.status == Status.QUEUED
    assert await world.queue.job(job.document_id) == job
    assert await redis.lrange(f"{{pw}}:lane:normal:{ANN}", 0, -1) == [str(job.document_id)]
    assert await redis.xlen("{pw}:events") == 1


async def test_2_a_claim_is_a_lease_with_a_token_and_only_its_holder_may_end_the_attempt(world: World) -> None:
    await world.queue.enqueue(world.job())
    (claim,) = await world.queue.claim("worker-1", want=1, request_id=uuid4().hex)

    assert claim.token == 1
    assert await world.queue.start([claim.ref]) == ["ok"]
    stranger = (claim.job.document_id, claim.token + 1)
    assert await world.queue.start([stranger]) == ["stale"]


async def test_3_the_worker_renders_in_a_child_process_checks_stores_and_completes(world: World) -> None:
    job = world.job()
    await world.queue.enqueue(job)
    await world.work_off()

    row = await world.queue.live(job.document_id)
    assert row is not None and row.status == Status.COMPLETED
    assert row.result is not None and row.result.pages == 1
    content = await world.blobs.get(row.result.key)
    assert content is not None and content.startswith(b"%PDF-") and len(content) == row.result.bytes


async def test_4_the_same_template_makes_a_word_file(world: World) -> None:
    job = world.job(format="docx", template=world.invoice.model_copy(update={"engine": "docx"}))
    await world.queue.enqueue(job)
    await world.work_off()

    row = await world.queue.live(job.document_id)
    assert row is not None and row.result is not None
    content = await world.blobs.get(row.result.key)
    assert content is not None and content.startswith(b"PK")


async def test_5_what_cannot_be_rendered_fails_with_its_place_and_a_reason(world: World) -> None:
    source = InlineSource(engine="typst", content="= Hello\n#nobody", encoding="utf-8", sha256="0" * 64)
    job = world.job(template=None, source=source)
    await world.queue.enqueue(job)
    await world.work_off()

    row = await world.queue.live(job.document_id)
    assert row is not None and row.status == Status.FAILED and row.error is not None
    assert (row.error.code, row.error.line) == ("template_error", 2) and "nobody" in row.error.message


async def test_6_the_end_of_a_run_makes_its_webhook_due(world: World) -> None:
    job = world.job(callback=Callback(url="https://example.com/hook"))
    await world.queue.enqueue(job)
    assert (await world.deliveries.backlog()).pending == 0
    await world.work_off()

    assert (await world.deliveries.backlog()).pending == 1
    due = await world.deliveries.claim(10, room=10, loads={})
    assert [leased.document_id for leased in due.items] == [job.document_id]


async def test_7_the_shipper_brings_every_event_to_history_and_keeps_the_input(world: World) -> None:
    job = world.job(metadata={"order": "7"})
    await world.queue.enqueue(job)
    await world.work_off()
    while await world.shipper.ship_once():
        continue

    events = [row.event for row in await world.history.events(job.document_id)]
    assert events == ["accepted", "started", "completed"]
    listed, _ = await world.history.list(DocumentFilter(metadata={"order": "7"}), None, 10)
    assert [row.document_id for row in listed] == [job.document_id]
    assert listed[0] == await world.queue.live(job.document_id)
    kept = await world.blobs.get(input_key(job.document_id))
    assert kept is not None and GenerationJob.model_validate_json(kept) == job


async def test_8_a_document_whose_worker_died_is_made_by_another(world: World, redis: Redis) -> None:
    job = world.job(options=JobOptions(max_attempts=1))
    await world.queue.enqueue(job)
    (lost,) = await world.queue.claim("worker-that-dies", 1, uuid4().hex)
    await world.queue.start([lost.ref])
    await redis.zadd("{pw}:leases", {str(job.document_id): 0})  # as if its lease had run out
    assert (await world.queue.reap()).requeued == [job.document_id]
    await world.work_off()

    row = await world.queue.live(job.document_id)
    assert row is not None and row.status == Status.COMPLETED and row.attempt == 2
    assert row.result is not None and row.result.key == f"results/{job.document_id}/{lost.token + 2}"
