"""The worker when its process ends: what has not begun goes back at once, what runs has time, unless there is haste."""

import asyncio
from collections.abc import Callable
from dataclasses import replace

import pytest

from generator.worker import Worker
from tests.unit.test_worker import Bench, FakePool, a_claim

DEADLINE_S = 10


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(DEADLINE_S):
        while not condition():
            await asyncio.sleep(0.002)


@pytest.fixture
def bench() -> Bench:
    """A worker with one render process that is busy for ever, four documents, and all the time in the world."""
    bench = Bench(*(a_claim() for _ in range(4)), pool=FakePool(forever=True))
    bench.worker._settings = replace(bench.worker._settings, drain_s=600)
    bench.worker._usual_ms = 0  # quick renders: it claims ahead
    return bench


def started(worker: Worker) -> int:
    return len(worker._begun)


async def test_what_has_not_begun_goes_back_at_once_and_what_runs_goes_on(bench: Bench) -> None:
    hurry = asyncio.Event()
    claimed = [claim.ref for claim in bench.queue.claims]
    running = asyncio.create_task(bench.worker.run(bench.stop, hurry))
    await until(lambda: len(bench.worker.in_flight) == 4 and started(bench.worker) == 2)
    bench.stop.set()
    await until(lambda: len(bench.queue.released) == 2)
    assert bench.queue.released == claimed[2:]
    assert bench.worker.in_flight == [document_id for document_id, _ in claimed[:2]] and not running.done()
    hurry.set()
    await asyncio.wait_for(running, DEADLINE_S)
    assert sorted(bench.queue.released) == sorted(claimed)


async def test_nothing_is_claimed_after_the_stop(bench: Bench) -> None:
    hurry = asyncio.Event()
    running = asyncio.create_task(bench.worker.run(bench.stop, hurry))
    await until(lambda: started(bench.worker) == 2)
    bench.stop.set()
    await until(lambda: len(bench.queue.released) == 2)
    bench.queue.claims = [a_claim()]
    asked = len(bench.queue.requests)
    hurry.set()
    await asyncio.wait_for(running, DEADLINE_S)
    assert len(bench.queue.requests) == asked and len(bench.queue.claims) == 1


async def test_a_stop_does_not_sit_out_the_wait_for_work(monkeypatch: pytest.MonkeyPatch) -> None:
    idle, waits = Bench(), []

    async def for_ever(timeout_s: float = 1) -> None:
        waits.append("begun")
        try:
            await asyncio.Event().wait()
        finally:
            waits.append("ended")

    monkeypatch.setattr(idle.queue, "wait_for_work", for_ever)
    running = asyncio.create_task(idle.worker.run(idle.stop))
    await until(lambda: waits == ["begun"])
    idle.stop.set()
    await asyncio.wait_for(running, DEADLINE_S)
    assert waits == ["begun", "ended"]
