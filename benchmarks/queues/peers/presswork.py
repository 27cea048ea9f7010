"""Presswork: the generator's real worker on the real queue, with its rescuer and scheduler, as in production.

Only the render processes and the blob store are stand-ins: the job logs its run and makes a document of nine bytes,
which is kept in memory. Every job writes three events (accepted, started, completed) for the history.
"""

import asyncio
import signal
from uuid import UUID

import uvloop
from prometheus_client import CollectorRegistry
from pydantic_core import from_json

from backends.queue import DocumentQueue
from backends.redis import connect_redis
from backends.scripts import Scripts
from backends.telemetry import configure_logging
from benchmarks.queues.client import main, payload
from benchmarks.queues.options import Options
from benchmarks.queues.runs import RunLog
from contracts.ids import now_ms
from contracts.jobs import GenerationJob, InlineSource
from generator.bundles import Bundles
from generator.maintenance.rescuer import Rescuer
from generator.maintenance.scheduler import Scheduler
from generator.renderers.port import Rendered, RenderRequest
from generator.worker import Worker, WorkerSettings
from generator.worker_metrics import WorkerMetrics
from tests.fakes_blobs import InMemoryBlobStore

USERS = {"a": UUID(int=0xA), "b": UUID(int=0xB)}
SOURCE = InlineSource(engine="typst", content="= Hi", encoding="utf-8", sha256="ab" * 32)


class NoRender:
    """A pool of `size` render processes that render nothing."""

    def __init__(self, options: Options) -> None:
        self.size = options.concurrency
        self._free = asyncio.Semaphore(self.size)
        self._runs = RunLog(options.log)
        self._seconds = options.job_s

    async def render(self, request: RenderRequest, timeout_s: float) -> Rendered:
        async with self._free:
            self._runs.began(from_json(request.data)["job"])
            if self._seconds:
                await asyncio.sleep(self._seconds)
            return Rendered(b"%PDF-1.7\n", pages=1)


class Presswork:
    def __init__(self, options: Options) -> None:
        self._options = options
        self._redis = connect_redis(options.url)
        self._queue = DocumentQueue(Scripts(self._redis))

    async def open(self) -> None: ...

    async def enqueue(self, job: int, user: str) -> None:
        await self._queue.enqueue(self._job(job, user))

    def _job(self, job: int, user: str) -> GenerationJob:
        owner = USERS[user if self._options.per_user else "a"]
        return GenerationJob(
            document_id=UUID(int=job),
            user_id=owner,
            created_at=now_ms(),
            source=SOURCE,
            data=payload(job, user),
            format="pdf",
            filename="a.pdf",
            lane=str(owner),
        )

    async def is_done(self, job: int) -> bool:
        row = await self._queue.live(UUID(int=job))
        return row is not None and row.status == "completed"

    async def close(self) -> None:
        await self._redis.aclose()

    def work(self) -> None:
        configure_logging("generator", "warning", "json")
        uvloop.run(self._work())

    async def _work(self) -> None:
        stop = asyncio.Event()
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
        loops = [asyncio.create_task(role(self._queue).run()) for role in (Rescuer, Scheduler)]
        await self._worker().run(stop)
        for loop in loops:
            loop.cancel()
        await asyncio.gather(*loops, return_exceptions=True)

    def _worker(self) -> Worker:
        blobs = InMemoryBlobStore()
        metrics = WorkerMetrics(CollectorRegistry())
        return Worker(self._queue, NoRender(self._options), blobs, Bundles(blobs), WorkerSettings("w"), metrics)


if __name__ == "__main__":
    main(Presswork)
