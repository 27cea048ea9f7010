"""The worker on the real queue: what goes wrong before a render ends a run like any other failure."""

import asyncio

from prometheus_client import CollectorRegistry

from backends.blobs import BlobStore
from backends.queue import DocumentQueue
from contracts.documents import DocumentRow
from contracts.errors import BlobUnavailable
from contracts.jobs import JobOptions
from generator.bundles import Bundles
from generator.worker import Worker, WorkerSettings
from generator.worker_metrics import WorkerMetrics
from tests.conftest import WaitUntil
from tests.fakes_blobs import InMemoryBlobStore
from tests.integration.history_servers import job
from tests.unit.test_worker import FakePool


async def ended(queue: DocumentQueue, blobs: BlobStore, wait_until: WaitUntil) -> list[DocumentRow]:
    """Let a worker have a document whose template is not in the blob store; returns its rows."""
    wanted = job(options=JobOptions(max_attempts=2))
    await queue.enqueue(wanted)
    settings = WorkerSettings("w", retry_delay_s=0.01, drain_s=0.1)
    worker = Worker(queue, FakePool(), blobs, Bundles(blobs), settings, WorkerMetrics(CollectorRegistry()))
    stop = asyncio.Event()
    working = asyncio.create_task(worker.run(stop))

    async def failed() -> bool:
        await queue.promote(1 << 50)
        row = await queue.live(wanted.document_id)
        return row is not None and row.status == "failed"

    await wait_until(failed, "the document fails")
    stop.set()
    await working
    return await queue.live_events(wanted.document_id)


async def test_a_template_that_is_lost_ends_the_run_at_once(queue: DocumentQueue, wait_until: WaitUntil) -> None:
    rows = await ended(queue, InMemoryBlobStore(), wait_until)
    assert [row.event for row in rows] == ["accepted", "started", "failed"]
    assert rows[-1].error is not None and rows[-1].error.code == "input_lost"


async def test_a_blob_store_that_is_away_costs_no_attempts(queue: DocumentQueue, wait_until: WaitUntil) -> None:
    class Away(InMemoryBlobStore):
        times = 4

        async def get(self, key: str) -> bytes | None:
            if self.times:
                self.times -= 1
                raise BlobUnavailable()
            return await super().get(key)

    rows = await ended(queue, Away(), wait_until)
    assert [row.event for row in rows] == ["accepted", *["started", "attempt_failed"] * Away.times, "started", "failed"]
    assert {row.error.code for row in rows if row.error} == {"storage_unavailable", "input_lost"}
