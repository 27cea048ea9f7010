"""The worker storing results: bytes stay where a document records them, and nowhere else."""

import asyncio
from collections.abc import Awaitable, Callable

import pytest

from backends.queue import Completion, Outcome
from contracts.errors import BlobUnavailable
from tests.fakes_blobs import InMemoryBlobStore
from tests.unit.test_worker import Bench, FakePool, FakeQueue, a_claim, until


async def test_a_result_that_is_refused_leaves_no_bytes() -> None:
    bench = Bench(a_claim())
    bench.worker._completed._commit = stale_completions(bench.queue)
    await bench.until("queue.completed and not worker.in_flight")
    assert await bench.blobs.get(bench.queue.completed[0].result.key) is None


async def test_a_store_that_is_away_is_a_passing_error() -> None:
    class Away(InMemoryBlobStore):
        async def put(self, key: str, content: bytes) -> None:
            raise BlobUnavailable()

    bench = Bench(a_claim(), blobs=Away())
    await bench.until("queue.failed")
    assert bench.queue.failed[0].error.code == "storage_unavailable" and bench.queue.failed[0].delay_ms


async def test_while_the_store_is_away_one_document_at_a_time_looks_whether_it_is_back(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    class Away(InMemoryBlobStore):
        away = True

        async def put(self, key: str, content: bytes) -> None:
            if self.away:
                raise BlobUnavailable()
            await super().put(key, content)

    monkeypatch.setattr("generator.worker.STORAGE_PAUSE_S", 0.01)
    bench = Bench(a_claim(), pool=FakePool(size=4), blobs=(blobs := Away()))
    running = asyncio.create_task(bench.worker.run(bench.stop))
    await until(lambda: len(bench.queue.failed) == 1)
    bench.queue.claims = [a_claim() for _ in range(3)]
    await until(lambda: len(bench.queue.failed) == 2)
    assert bench.queue.wanted[-1] == 1
    blobs.away = False
    await until(lambda: len(bench.queue.completed) == 2)
    await until(lambda: bench.queue.wanted[-1] > 1)
    bench.stop.set()
    await running


class Slow(InMemoryBlobStore):
    """Takes a while to write, and like a thread it does not stop when its caller does."""

    def __init__(self) -> None:
        super().__init__()
        self.writing, self.may_end = asyncio.Event(), asyncio.Event()

    async def put(self, key: str, content: bytes) -> None:
        await asyncio.shield(asyncio.create_task(self._write(key, content)))

    async def _write(self, key: str, content: bytes) -> None:
        self.writing.set()
        await self.may_end.wait()
        await super().put(key, content)


async def test_a_lease_lost_while_the_result_is_written_leaves_no_bytes() -> None:
    bench = Bench(a_claim(), blobs=(blobs := Slow()))
    bench.worker._completed._commit = stale_completions(bench.queue)
    running = asyncio.create_task(bench.worker.run(bench.stop))
    await blobs.writing.wait()
    bench.queue.current = False
    await until(lambda: not bench.worker.in_flight)
    blobs.may_end.set()
    await until(lambda: bool(bench.queue.completed) and not blobs.blobs)
    bench.stop.set()
    await running
    assert blobs.blobs == {} and bench.queue.failed == []


async def test_a_stop_while_the_result_is_written_gives_the_document_back_and_leaves_no_bytes() -> None:
    claim = a_claim()
    bench = Bench(claim, blobs=(blobs := Slow()))
    bench.worker._completed._commit = stale_completions(bench.queue)
    running = asyncio.create_task(bench.worker.run(bench.stop))
    await blobs.writing.wait()
    bench.stop.set()
    await until(lambda: bool(bench.queue.released))
    blobs.may_end.set()
    await running
    assert bench.queue.released == [claim.ref] and bench.queue.completed and blobs.blobs == {}


async def test_what_is_being_written_when_the_drain_time_ends_is_handed_over() -> None:
    bench = Bench(a_claim(), blobs=(blobs := Slow()))
    running = asyncio.create_task(bench.worker.run(bench.stop))
    await blobs.writing.wait()
    bench.stop.set()
    await asyncio.sleep(bench.worker._settings.drain_s * 2)
    blobs.may_end.set()
    await running
    assert [done.result.key for done in bench.queue.completed] == list(blobs.blobs)
    assert bench.queue.released == []


async def test_a_completion_that_a_renewal_overtakes_keeps_its_bytes() -> None:
    """Once completed, a document is no longer renewed: the attempt is cancelled before it has heard of its success."""
    bench = Bench(a_claim())
    told = asyncio.Event()

    async def late(completions: list[Completion]) -> list[Outcome]:
        bench.queue.completed += completions
        bench.queue.current = False
        await told.wait()
        return ["ok"] * len(completions)

    bench.worker._completed._commit = late
    running = asyncio.create_task(bench.worker.run(bench.stop))
    await until(lambda: bool(bench.queue.completed) and not bench.worker.in_flight)
    told.set()
    bench.stop.set()
    await running
    assert list(bench.blobs.blobs) == [bench.queue.completed[0].result.key]


def stale_completions(queue: FakeQueue) -> Callable[[list[Completion]], Awaitable[list[Outcome]]]:
    async def complete(completions: list[Completion]) -> list[Outcome]:
        queue.completed += completions
        return ["stale"] * len(completions)

    return complete
