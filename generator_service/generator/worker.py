"""The worker: claims documents and takes each through load -> start -> render -> store -> hand over.

Steps are short and each has one reason to exist; the sandbox checks the output before it answers. Every outcome ends in
one call of the queue, fenced by the claim's token: what a zombie makes is refused and pruned.
"""

import asyncio
import hashlib
import time
from dataclasses import dataclass
from typing import Protocol
from uuid import UUID, uuid4

import structlog

from backends.blobs import BlobStore
from backends.faults import faultpoint
from backends.queue import Claim, Completion, DocumentQueue, Failure, Outcome
from backends.shutdown import first
from contracts.documents import CONTENT_TYPES, Result
from contracts.errors import TransientError
from contracts.ids import now_ms
from contracts.jobs import ALONE_AFTER_CRASHES, result_key
from generator.bundles import Bundles
from generator.failures import failure_of
from generator.group_commit import GroupCommit
from generator.renderers.port import Rendered, RenderRequest
from generator.turnstile import HeldUp, Turnstile
from generator.worker_metrics import WorkerMetrics

log = structlog.get_logger(__name__)

#: A document waits this long for a free render process before it goes back to the queue for a worker that has one.
PATIENCE_S = 2.0
#: Renders faster than this are claimed ahead, so that the processes never wait for Redis or the disk.
QUICK_MS = 250.0
CLAIMED_PER_PROCESS = 4
STARTED_PER_PROCESS = 2
CLAIM_PAUSE_S = 0.5
#: Between claims, one document at a time, while the blob store is away: each is rendered in vain.
STORAGE_PAUSE_S = 1.0
#: Longest time between renewals: they also tell that a document was cancelled, and its process is free again.
RENEW_S = 1.0
#: What is being stored when the drain time is over may be handed over for so much longer, and then be removed.
SETTLE_S = 1.0


class Pool(Protocol):
    """The render processes. `size`: how many; `render` raises DocumentFailed."""

    @property
    def size(self) -> int: ...

    async def render(self, request: RenderRequest, timeout_s: float) -> Rendered: ...


@dataclass(frozen=True)
class WorkerSettings:
    name: str
    retry_delay_s: float = 1
    drain_s: float = 25


class Impatient(Exception):
    """No render process came free in time: another worker may have one."""


class NotOurs(Exception):
    """The document was cancelled or rescued between the claim and the render."""


class Worker:
    def __init__(
        self,
        queue: DocumentQueue,
        pool: Pool,
        blobs: BlobStore,
        bundles: Bundles,
        settings: WorkerSettings,
        metrics: WorkerMetrics,
        turnstile: Turnstile | None = None,
    ) -> None:
        self._queue = queue
        self._pool = pool
        self._blobs = blobs
        self._bundles = bundles
        self._settings = settings
        self._metrics = metrics
        self._started: GroupCommit[tuple[UUID, int], Outcome] = GroupCommit(queue.start)
        self._completed: GroupCommit[Completion, Outcome] = GroupCommit(queue.complete)
        self._failed: GroupCommit[Failure, Outcome] = GroupCommit(queue.fail)
        self._turnstile = turnstile or Turnstile()
        self._processes = asyncio.Semaphore(pool.size * STARTED_PER_PROCESS)
        self._running: dict[tuple[UUID, int], asyncio.Task[None]] = {}
        self._begun: set[tuple[UUID, int]] = set()
        self._settling: dict[tuple[UUID, int], asyncio.Task[None]] = {}
        self._finished = asyncio.Event()
        self._usual_ms = QUICK_MS
        self._storage_away = False

    @property
    def in_flight(self) -> list[UUID]:
        """The documents this worker holds."""
        return [document_id for document_id, _ in self._running]

    async def run(self, stop: asyncio.Event, hurry: asyncio.Event | None = None) -> None:
        """Work until `stop` is set; then give back what has not begun, and let renders finish for the drain time or
        until `hurry`.
        """
        renewing = asyncio.create_task(self._renew_leases())
        try:
            await self._claim_until(stop)
            await self._drain(hurry or asyncio.Event())
        finally:
            renewing.cancel()
            await asyncio.gather(renewing, return_exceptions=True)

    # Claiming

    async def _claim_until(self, stop: asyncio.Event) -> None:
        request_id = str(uuid4())
        while not stop.is_set():
            if self._storage_away:
                await first(stop.wait(), timeout_s=STORAGE_PAUSE_S)
            room = self._room()
            if room <= 0:
                await self._somebody_finished(stop)
                continue
            try:
                claims = await self._queue.claim(self._settings.name, room, request_id)
                request_id = str(uuid4())
                faultpoint("after_claim")
                for claim in claims:
                    self._begin(claim)
                if not claims:
                    await self._work_comes(stop)
            except TransientError as error:
                # The same request id again: if the lost answer held documents, they come with the next one.
                log.warning("worker.queue_away", error=error.message)
                await asyncio.sleep(CLAIM_PAUSE_S)

    async def _work_comes(self, stop: asyncio.Event) -> None:
        """Wait for work, but not when this worker is to stop. Raises TransientError."""
        waiting = asyncio.ensure_future(self._queue.wait_for_work())
        try:
            await first(waiting, stop.wait())
            if waiting.done():
                await waiting
        finally:
            waiting.cancel()
            await asyncio.gather(waiting, return_exceptions=True)

    def _room(self) -> int:
        if self._turnstile.reserved:  # what would be claimed now could only wait
            return 0
        if self._storage_away:
            return 1 - len(self._running)
        per_process = CLAIMED_PER_PROCESS if self._usual_ms < QUICK_MS else 1
        return self._pool.size * per_process - len(self._running)

    async def _somebody_finished(self, stop: asyncio.Event) -> None:
        self._finished.clear()
        await first(self._finished.wait(), stop.wait())

    def _begin(self, claim: Claim) -> None:
        task = asyncio.create_task(self._attempt(claim))
        self._running[claim.ref] = task
        task.add_done_callback(lambda _: self._end(claim))

    def _end(self, claim: Claim) -> None:
        self._running.pop(claim.ref, None)
        self._begun.discard(claim.ref)
        self._finished.set()

    # One attempt

    async def _attempt(self, claim: Claim) -> None:
        # Each attempt is a task with a context of its own: what is bound here ends with it.
        ids = {"document_id": str(claim.job.document_id), "request_id": claim.job.request_id}
        structlog.contextvars.bind_contextvars(**ids, run=claim.run, attempt=claim.attempt + 1)
        alone = claim.crashes >= ALONE_AFTER_CRASHES
        try:
            async with self._turnstile.passing(alone=alone, patience_s=PATIENCE_S):
                await self._steps(claim)
        except (Impatient, HeldUp):
            self._usual_ms = QUICK_MS
            await self._give_back([claim.ref])
        except NotOurs:
            log.info("job.refused", why="cancelled or rescued before it began")
        except asyncio.CancelledError:
            log.info("job.dropped", why="cancelled, rescued or shutting down")
            raise
        except Exception:
            # Not even the failure could be recorded: the lease runs out and the document is rescued.
            log.exception("job.abandoned")

    async def _steps(self, claim: Claim) -> None:
        began = time.perf_counter()
        try:
            rendered = await self._rendered(claim)
        except (Impatient, NotOurs):
            raise
        except Exception as error:
            await self._hand_over_failure(claim, error, _ms_since(began))
        else:
            settling = asyncio.create_task(self._settle(claim, rendered, began))
            self._settling[claim.ref] = settling
            settling.add_done_callback(lambda _: self._settling.pop(claim.ref, None))
            await asyncio.shield(settling)

    async def _settle(self, claim: Claim, rendered: "Timed", began: float) -> None:
        """Store and hand over, in a task of its own that goes on when the attempt is cancelled.

        Only the queue's answer tells whether the bytes are a document's or nobody's, and a write in a thread goes on
        anyway: cut off here, a lost lease left bytes behind.
        """
        try:
            await self._store_and_hand_over(claim, rendered, began)
        except Exception:
            log.exception("job.abandoned")

    async def _store_and_hand_over(self, claim: Claim, rendered: "Timed", began: float) -> None:
        try:
            result = await self._store(claim, rendered)
        except Exception as error:
            await self._hand_over_failure(claim, error, _ms_since(began))
        else:
            await self._hand_over(claim, result, rendered)

    async def _rendered(self, claim: Claim) -> "Timed":
        request = await self._loaded(claim)
        faultpoint("after_load")
        await self._take_process()
        try:
            await self._start(claim)
            began = time.perf_counter()
            rendered = await self._pool.render(request, claim.job.options.timeout_s)
            faultpoint("after_render")
        finally:
            self._processes.release()
        return Timed(rendered, _ms_since(began))

    async def _loaded(self, claim: Claim) -> RenderRequest:
        """Load what the render needs. An error here is an attempt, too, and the queue ends only what has started."""
        try:
            return await self._bundles.request(claim.job)
        except Exception as error:
            flaw = error
        await self._start(claim)
        raise flaw

    async def _start(self, claim: Claim) -> None:
        self._begun.add(claim.ref)
        if await self._started.submit(claim.ref) == "stale":
            raise NotOurs()
        faultpoint("after_start")

    async def _take_process(self) -> None:
        if not self._processes.locked():
            await self._processes.acquire()  # at once; a timer for each document would cost 10 us
            return
        try:
            async with asyncio.timeout(PATIENCE_S):
                await self._processes.acquire()
        except TimeoutError:
            raise Impatient() from None

    async def _store(self, claim: Claim, timed: "Timed") -> Result:
        job, content = claim.job, timed.rendered.content
        key = result_key(job.document_id, claim.token)
        await self._blobs.put(key, content)
        self._storage_away = False
        faultpoint("after_store")
        return Result(
            key=key,
            bytes=len(content),
            sha256=hashlib.sha256(content).hexdigest(),
            pages=timed.rendered.pages,
            content_type=CONTENT_TYPES[job.format],
            filename=job.filename,
            warnings=job.warnings + timed.rendered.warnings,
        )

    async def _hand_over(self, claim: Claim, result: Result, timed: "Timed") -> None:
        expires_in = claim.job.expires_in
        expires_at = None if expires_in is None else now_ms() + expires_in * 1000
        done = Completion(claim.job.document_id, claim.token, result, timed.ms, expires_at)
        if await self._completed.submit(done) == "stale":
            log.info("job.refused", why="the token is stale")
            await self._blobs.delete(result.key)
            return
        faultpoint("after_complete")
        self._usual_ms += (timed.ms - self._usual_ms) * 0.2
        self._metrics.finished("completed", claim.job, timed.ms)
        log.info("job.completed", ms=timed.ms, bytes=result.bytes, pages=result.pages, format=claim.job.format)

    async def _hand_over_failure(self, claim: Claim, error: Exception, ms: int) -> None:
        failure = failure_of(claim, error, ms, self._settings.retry_delay_s)
        self._storage_away = self._storage_away or failure.excuse == "postponed"
        if await self._failed.submit(failure) == "ok":
            faultpoint("after_fail")
            told, again = failure.error, failure.delay_ms is not None
            self._metrics.finished("retried" if again else "failed", claim.job, ms)
            log.info("job.failed", code=told.code, message=told.message, retry_in_ms=failure.delay_ms, ms=ms)

    # Leases and shutdown

    async def _renew_leases(self) -> None:
        while True:
            await asyncio.sleep(min(RENEW_S, self._queue.lease_ms / 3000))
            refs = list(self._running)
            if not refs:
                continue
            try:
                mine = await self._queue.renew(refs)
            except TransientError as error:
                log.warning("worker.queue_away", error=error.message)
                continue
            except Exception:
                # A bug, but without renewals every document that takes longer than a lease would be rendered for ever.
                log.exception("worker.renewal_failed")
                continue
            for ref, still in zip(refs, mine, strict=True):
                if not still and (task := self._running.get(ref)):
                    task.cancel()

    async def _drain(self, hurry: asyncio.Event) -> None:
        await self._let_go([ref for ref in self._running if ref not in self._begun])
        if self._running:
            log.info("worker.draining", documents=len(self._running))
            await first(asyncio.wait(self._running.values()), hurry.wait(), timeout_s=self._settings.drain_s)
        await self._let_go([ref for ref in self._running if ref not in self._settling])
        if self._running:
            await asyncio.wait(self._running.values(), timeout=SETTLE_S)
        await self._let_go(list(self._running))
        if self._settling:  # now their hand-over is refused, and they remove what they stored
            await asyncio.wait(self._settling.values(), timeout=SETTLE_S)

    async def _let_go(self, refs: list[tuple[UUID, int]]) -> None:
        tasks = [self._running[ref] for ref in refs]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await self._give_back(refs)

    async def _give_back(self, refs: list[tuple[UUID, int]]) -> None:
        """Let other workers have documents at once; without Redis they get them when the leases run out."""
        try:
            if refs:
                log.info("worker.released", documents=await self._queue.release(refs))
        except TransientError as error:
            log.warning("worker.left_to_lease", documents=len(refs), error=error.message)


@dataclass(frozen=True)
class Timed:
    """A render and how long it took, in milliseconds."""

    rendered: Rendered
    ms: int


def _ms_since(began: float) -> int:
    return round((time.perf_counter() - began) * 1000)
