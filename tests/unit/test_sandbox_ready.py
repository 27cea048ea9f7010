"""The next document lies ready in a process while that renders, and is none the worse for it."""

import asyncio
import os
import signal
from collections.abc import AsyncIterator

import pytest

from contracts.errors import DocumentFailed
from contracts.jobs import Simulate
from generator.sandbox import RenderPool, SandboxLimits
from tests.unit.test_sandbox_pool import typst, wait_until


class _Pair:
    """A document that takes its time, and one that lies ready behind it in the same process."""

    def __init__(self, pool: RenderPool, seconds: float, timeout_s: float) -> None:
        slow = typst("slow", simulate=Simulate(seconds=seconds))
        self.first = asyncio.create_task(pool.render(slow, timeout_s))
        self.second = asyncio.create_task(pool.render(typst('#set document(title: "second")\nready'), 20))

    async def lie_ready(self, pool: RenderPool) -> int:
        """Wait until both are there; return the process."""
        await wait_until(lambda: any(child.orders == 2 for child in pool._children))
        [child] = [child for child in pool._children if child.orders == 2]
        return child.pid

    async def second_is_made(self) -> bool:
        return (await self.second).content == await _alone()


async def _alone() -> bytes:
    pool = RenderPool(SandboxLimits(workers=1, spare=0))
    await pool.start()
    try:
        return (await pool.render(typst('#set document(title: "second")\nready'), 20)).content
    finally:
        await pool.close()


@pytest.fixture
async def brisk(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[RenderPool]:
    """A pool whose process is known for short documents, on any machine."""
    monkeypatch.setattr("generator.sandbox.child._SHORT_S", 15)
    pool = RenderPool(SandboxLimits(workers=1, spare=0))
    await pool.start()
    for _ in range(3):
        await pool.render(typst("short"))
    yield pool
    await pool.close()


async def test_the_next_document_lies_ready_in_a_process_of_short_ones(
    brisk: RenderPool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("generator.sandbox.child._PATIENCE_S", 20)
    [before] = brisk.children
    documents = [typst(f"{number}", simulate=Simulate(seconds=0.03)) for number in range(6)]
    one_by_one = [(await brisk.render(document)).content for document in documents]
    together = [asyncio.create_task(brisk.render(document)) for document in documents]
    await wait_until(lambda: any(child.orders == 2 for child in brisk._children))
    assert [(await made).content for made in together] == one_by_one
    [after] = brisk.children
    assert (after.pid, after.renders, after.busy) == (before.pid, 3 + 2 * len(documents), False)


async def test_what_waits_behind_a_killed_document_is_made_elsewhere(
    brisk: RenderPool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("generator.sandbox.child._PATIENCE_S", 20)
    pair = _Pair(brisk, seconds=30, timeout_s=30)
    os.kill(await pair.lie_ready(brisk), signal.SIGKILL)
    with pytest.raises(DocumentFailed):
        await pair.first
    assert await pair.second_is_made()
    assert len(brisk._living) == 1


async def test_what_waits_behind_a_document_that_takes_too_long_has_its_own_time(
    brisk: RenderPool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("generator.sandbox.child._PATIENCE_S", 20)
    pair = _Pair(brisk, seconds=30, timeout_s=0.5)
    await pair.lie_ready(brisk)
    with pytest.raises(DocumentFailed, match="0.5"):
        await pair.first
    assert await pair.second_is_made()


async def test_nothing_waits_long_behind_a_slow_document(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("generator.sandbox.child._SHORT_S", 15)
    pool = RenderPool(SandboxLimits(workers=2, spare=0))
    await pool.start()
    try:
        for _ in range(4):
            await asyncio.gather(*(pool.render(typst("short", simulate=Simulate(seconds=0.02))) for _ in range(2)))
        other = asyncio.create_task(pool.render(typst("other", simulate=Simulate(seconds=0.6))))
        await asyncio.sleep(0)
        pair = _Pair(pool, seconds=6, timeout_s=20)
        await pair.lie_ready(pool)
        await asyncio.gather(other, pair.second)
        assert not pair.first.done()
        assert (await pair.first).pages == 1 and await pair.second_is_made()
        assert {child.orders for child in pool._children} <= {0, 1}
    finally:
        await pool.close()


async def test_a_document_that_lies_ready_can_be_cancelled(brisk: RenderPool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("generator.sandbox.child._PATIENCE_S", 20)
    [before] = brisk.children
    pair = _Pair(brisk, seconds=0.5, timeout_s=20)
    await pair.lie_ready(brisk)
    pair.second.cancel()
    with pytest.raises(asyncio.CancelledError):
        await pair.second
    assert (await pair.first).pages == 1
    assert (await brisk.render(typst('#set document(title: "second")\nready'))).content == await _alone()
    await wait_until(lambda: not any(child.busy for child in brisk.children))
    assert [(child.pid, child.renders) for child in brisk.children] == [(before.pid, before.renders + 3)]


async def test_the_spare_process_does_not_let_more_documents_render_at_once() -> None:
    pool = RenderPool(SandboxLimits(workers=1, spare=1))
    await pool.start()
    try:
        slow = asyncio.create_task(pool.render(typst("slow", simulate=Simulate(seconds=1)), 20))
        quick = [asyncio.create_task(pool.render(typst(f"{number}"), 20)) for number in range(3)]
        busy: list[int] = []
        while not all(task.done() for task in quick):
            busy.append(sum(child.busy for child in pool.children))
            await asyncio.sleep(0.02)
        assert max(busy) == 1
        assert {(await task).pages for task in (slow, *quick)} == {1}
    finally:
        await pool.close()
