"""The worker against fakes: every way an attempt can end, and what it tells the queue."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from uuid import UUID

import pytest
from prometheus_client import CollectorRegistry
from structlog.testing import capture_logs

from backends.queue import Claim, Completion, DocumentQueue, Failure, Outcome
from contracts.documents import Warned
from contracts.errors import DocumentError, DocumentFailed, ProcessKilled, QueueUnavailable
from contracts.ids import new_id
from contracts.jobs import GenerationJob, InlineSource, JobOptions
from generator.bundles import Bundles
from generator.renderers.port import Rendered, RenderRequest
from generator.worker import Worker, WorkerSettings
from generator.worker_metrics import WorkerMetrics
from tests.fakes_blobs import InMemoryBlobStore


def a_claim(attempt: int = 0, **options: object) -> Claim:
    user_id = new_id()
    source = InlineSource(engine="typst", content="= Hi", encoding="utf-8", sha256="ab" * 32)
    job = GenerationJob(
        document_id=new_id(),
        user_id=user_id,
        created_at=1,
        source=source,
        format="pdf",
        filename="a.pdf",
        lane=str(user_id),
        expires_in=60,
        options=JobOptions.model_validate(options),
    )
    return Claim(job=job, token=7, run=1, attempt=attempt, crashes=0)


@dataclass
class FakeQueue:
    """Hands out its claims once and records what it is told."""

    claims: list[Claim] = field(default_factory=list)
    lease_ms: int = 60
    current: bool = True
    answer: Outcome = "ok"
    away: int = 0
    completed: list[Completion] = field(default_factory=list)
    failed: list[Failure] = field(default_factory=list)
    released: list[tuple[UUID, int]] = field(default_factory=list)
    requests: list[str] = field(default_factory=list)
    wanted: list[int] = field(default_factory=list)

    async def claim(self, worker: str, want: int, request_id: str) -> list[Claim]:
        self.requests.append(request_id)
        self.wanted.append(want)
        if self.away:
            self.away -= 1
            raise QueueUnavailable()
        taken, self.claims = self.claims[:want], self.claims[want:]
        return taken

    async def wait_for_work(self, timeout_s: float = 1) -> None:
        await asyncio.sleep(0.005)

    async def start(self, refs: list[tuple[UUID, int]]) -> list[Outcome]:
        return [self.answer] * len(refs)

    async def renew(self, refs: list[tuple[UUID, int]]) -> list[bool]:
        return [self.current] * len(refs)

    async def complete(self, completions: list[Completion]) -> list[Outcome]:
        self.completed += completions
        return [self.answer] * len(completions)

    async def fail(self, failures: list[Failure]) -> list[Outcome]:
        self.failed += failures
        return [self.answer] * len(failures)

    async def release(self, refs: list[tuple[UUID, int]]) -> int:
        self.released += refs
        return len(refs)


@dataclass
class FakePool:
    size: int = 1
    error: Exception | None = None
    forever: bool = False

    async def render(self, request: RenderRequest, timeout_s: float) -> Rendered:
        if self.forever:
            await asyncio.Event().wait()
        if self.error:
            raise self.error
        return Rendered(b"%PDF", pages=2, warnings=(Warned(code="w", message="m"),))


class Bench:
    """A worker on fakes; `until` runs it until a condition holds, then stops it."""

    def __init__(self, *claims: Claim, pool: FakePool | None = None, blobs: InMemoryBlobStore | None = None) -> None:
        self.queue, self.blobs = FakeQueue(list(claims)), blobs or InMemoryBlobStore()
        self.stop = asyncio.Event()
        settings = WorkerSettings("w", retry_delay_s=1, drain_s=0.05)
        self.worker = Worker(
            self.queue,  # type: ignore[arg-type]
            pool or FakePool(),
            self.blobs,
            Bundles(self.blobs),
            settings,
            WorkerMetrics(CollectorRegistry()),
        )

    async def until(self, condition: str, **names: object) -> None:
        task = asyncio.create_task(self.worker.run(self.stop))
        async with asyncio.timeout(5):
            while not eval(condition, {"queue": self.queue, "worker": self.worker, **names}):  # noqa: S307
                await asyncio.sleep(0.002)
        self.stop.set()
        await asyncio.wait_for(task, 5)


def refused(code: str, *, retryable: bool = False) -> FakePool:
    return FakePool(error=DocumentFailed(DocumentError(code=code, message="m", retryable=retryable)))


async def test_a_document_is_stored_under_its_token_and_handed_over() -> None:
    claim = a_claim()
    bench = Bench(claim)
    await bench.until("queue.completed")
    (done,) = bench.queue.completed
    assert done.result.key == f"results/{claim.job.document_id}/7"
    assert await bench.blobs.get(done.result.key) == b"%PDF"
    assert (done.result.bytes, done.result.pages, done.result.warnings[0].code) == (4, 2, "w")
    assert done.expires_at is not None and bench.worker.in_flight == []


async def test_a_document_that_is_not_ours_any_more_is_not_rendered() -> None:
    bench = Bench(a_claim())
    bench.queue.answer = "stale"
    await bench.until("queue.requests and not queue.claims and not worker.in_flight")
    assert bench.queue.completed == bench.queue.failed == []


async def test_a_permanent_error_ends_the_run_at_once() -> None:
    bench = Bench(a_claim(max_attempts=3), pool=refused("template_error"))
    await bench.until("queue.failed")
    assert bench.queue.failed[0].delay_ms is None and bench.queue.failed[0].error.code == "template_error"


@pytest.mark.parametrize(("attempt", "low", "high"), [(0, 1000, 1200), (1, 2000, 2400)])
async def test_a_passing_error_is_tried_again_later_each_time(attempt: int, low: int, high: int) -> None:
    bench = Bench(a_claim(attempt, max_attempts=3), pool=refused("render_crashed", retryable=True))
    await bench.until("queue.failed")
    delay = bench.queue.failed[0].delay_ms
    assert delay is not None and low <= delay <= high


async def test_the_last_attempt_ends_the_run() -> None:
    bench = Bench(a_claim(attempt=2, max_attempts=3), pool=refused("render_crashed", retryable=True))
    await bench.until("queue.failed")
    assert bench.queue.failed[0].delay_ms is None


async def test_a_defect_of_ours_is_tried_again_and_named_in_the_end() -> None:
    bench = Bench(a_claim(attempt=2), pool=FakePool(error=ZeroDivisionError("secret detail")))
    await bench.until("queue.failed")
    error = bench.queue.failed[0].error
    assert error.code == "internal_error" and "secret detail" not in error.message


async def test_a_lost_lease_stops_the_render() -> None:
    bench = Bench(a_claim(), pool=FakePool(forever=True))
    bench.queue.current = False
    await bench.until("queue.requests and not queue.claims and not worker.in_flight")
    assert bench.queue.completed == bench.queue.failed == []


async def test_nothing_is_claimed_while_one_renders_alone() -> None:
    pool = Counting(size=4)
    bench = Bench(replace(a_claim(), crashes=2), pool=pool)
    running = asyncio.create_task(bench.worker.run(bench.stop))
    await until(lambda: pool.rendering == 1)
    bench.queue.claims.append(a_claim())
    await asyncio.sleep(0.05)
    assert len(bench.queue.claims) == 1
    pool.go_on.set()
    await until(lambda: len(bench.queue.completed) == 2)
    bench.stop.set()
    await running


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(5):
        while not condition():
            await asyncio.sleep(0.002)


async def test_a_renewal_that_breaks_is_tried_again() -> None:
    bench = Bench(a_claim(), pool=FakePool(forever=True))
    renewals: list[int] = []

    async def broken(refs: list[tuple[UUID, int]]) -> list[bool]:
        renewals.append(len(refs))
        raise ZeroDivisionError

    bench.queue.renew = broken  # type: ignore[method-assign]
    await bench.until("len(renewals) >= 3", renewals=renewals)
    assert bench.queue.released


async def test_a_stop_without_redis_leaves_documents_to_their_leases() -> None:
    bench = Bench(a_claim(), pool=FakePool(forever=True))

    async def away(refs: list[tuple[UUID, int]]) -> int:
        raise QueueUnavailable()

    bench.queue.release = away  # type: ignore[method-assign]
    with capture_logs() as lines:
        await bench.until("worker.in_flight")
    assert ("worker.left_to_lease", 1) in [(line["event"], line.get("documents")) for line in lines]


async def test_a_claim_whose_answer_was_lost_is_asked_again_by_the_same_name() -> None:
    bench = Bench(a_claim())
    bench.queue.away = 1
    await bench.until("queue.completed and len(queue.requests) > 2")
    assert bench.queue.requests[0] == bench.queue.requests[1] != bench.queue.requests[2]


async def test_a_stop_gives_back_what_cannot_be_finished() -> None:
    claim = a_claim()
    bench = Bench(claim, pool=FakePool(forever=True))
    await bench.until("worker.in_flight")
    assert bench.queue.released == [claim.ref]


def test_the_fake_has_the_methods_of_the_queue() -> None:
    for name in ("claim", "wait_for_work", "start", "renew", "complete", "fail", "release"):
        assert hasattr(DocumentQueue, name)


class Counting(FakePool):
    """Notes how many documents render beside each other, and waits for the word."""

    def __init__(self, size: int) -> None:
        super().__init__(size)
        self.beside: list[int] = []
        self.rendering = 0
        self.go_on = asyncio.Event()

    async def render(self, request: RenderRequest, timeout_s: float) -> Rendered:
        self.rendering += 1
        self.beside.append(self.rendering)
        await self.go_on.wait()
        self.rendering -= 1
        return Rendered(b"%PDF", pages=1)


async def test_a_document_that_the_next_crash_would_set_aside_is_rendered_alone() -> None:
    pool = Counting(size=4)
    bench = Bench(a_claim(), replace(a_claim(), crashes=1), replace(a_claim(), crashes=2), a_claim(), pool=pool)
    running = asyncio.create_task(bench.worker.run(bench.stop))
    await until(lambda: len(pool.beside) == 2)
    pool.go_on.set()
    await until(lambda: len(bench.queue.completed) == 4)
    bench.stop.set()
    await running
    assert pool.beside[:2] == [1, 2] and pool.beside[2:] == [1, 1]


async def test_a_killed_render_process_is_reported_as_a_crash() -> None:
    killed = ProcessKilled(DocumentError(code="render_crashed", message="m", retryable=True))
    bench = Bench(a_claim(max_attempts=1), pool=FakePool(error=killed))
    await bench.until("queue.failed")
    assert (bench.queue.failed[0].excuse, bench.queue.failed[0].delay_ms) == ("crashes", 0)
