"""The same documents through one render process of the pool: what confinement and the pipes cost.

Two documents are asked for at any time, as the worker does, so that the process never waits for the next. It has the
measured core to itself and the pool the other one; then both share the measured core, and all that they do counts.
"""

import asyncio
import os
import time
from itertools import islice
from typing import Literal

import psutil
import uvloop

from benchmarks.engines.bundles import bundle_of, request_of
from benchmarks.engines.inputs import Inputs
from benchmarks.engines.turn import WARM, Figures, cpu_s, measured_core, on_core
from benchmarks.engines.validation import check
from generator.sandbox import RenderPool, SandboxLimits

Place = Literal["own_core", "shared_core"]
UNDER_WAY = 2
#: A process is not to be replaced while it is measured: its successor would run on another core.
LIMITS = SandboxLimits(workers=1, spare=0, renders=10**9)


def through_pool(kind: str, output_format: str, inputs: Inputs, seconds: float, place: Place) -> Figures:
    """Measure one kind for some seconds. Raises AssertionError for a document that is not its record's."""
    return uvloop.run(_measured(kind, output_format, inputs, seconds, place))


async def _measured(kind: str, output_format: str, inputs: Inputs, seconds: float, place: Place) -> Figures:
    pool = RenderPool(LIMITS)
    with on_core(measured_core()):
        await pool.start()
    try:
        with on_core(measured_core() if place == "shared_core" else min(os.sched_getaffinity(0))):
            return await _Filled(pool, kind, output_format, inputs).run(seconds)
    finally:
        await pool.close()


class _Filled:
    """Keeps a pool busy with documents of one kind, and keeps the last of them."""

    def __init__(self, pool: RenderPool, kind: str, output_format: str, inputs: Inputs) -> None:
        self._pool, self._kind, self._format = pool, kind, output_format
        self._bundle = bundle_of(kind, output_format)
        self._records = enumerate(inputs.all(kind, output_format))
        self._last = (0, b"")

    async def run(self, seconds: float) -> Figures:
        for number, record in islice(self._records, WARM[self._kind]):
            await self._render(number, record)
        before, began = self._cpu_s(), time.perf_counter()
        done = sum(await asyncio.gather(*(self._until(began + seconds) for _ in range(UNDER_WAY))))
        elapsed, after = time.perf_counter() - began, self._cpu_s()
        number, content = self._last
        check(self._kind, number, self._format, content)
        process_ms, pool_ms = (1000 * (end - begin) / done for begin, end in zip(before, after, strict=True))
        return {"per_s": done / elapsed, "process_cpu_ms": process_ms, "pool_cpu_ms": pool_ms, "documents": done}

    def _cpu_s(self) -> tuple[float, float]:
        """Return the seconds of work of the render process, and of this one."""
        (child,) = self._pool.children
        return cpu_s(psutil.Process(child.pid)), time.process_time()

    async def _until(self, end: float) -> int:
        done = 0
        for number, record in self._records:
            await self._render(number, record)
            done += 1
            if time.perf_counter() > end:
                break
        return done

    async def _render(self, number: int, record: bytes) -> None:
        rendered = await self._pool.render(request_of(self._bundle, record, self._format, number))
        self._last = number, rendered.content
