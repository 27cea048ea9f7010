"""The scheduler: moves documents whose time has come (run_at, a retry's delay) into their lanes."""

import asyncio
from collections.abc import Callable

import structlog

from backends.faults import faultpoint
from backends.queue import DocumentQueue
from contracts.errors import TransientError
from contracts.ids import now_ms

log = structlog.get_logger(__name__)

TICK_S = 0.2
FULL = 200


class Scheduler:
    def __init__(self, queue: DocumentQueue, clock_ms: Callable[[], int] = now_ms) -> None:
        self._queue = queue
        self._clock_ms = clock_ms

    async def run(self) -> None:
        """Promote for ever."""
        while True:
            try:
                moved = await self._queue.promote(self._clock_ms(), FULL)
                faultpoint("after_promote")
            except TransientError as error:
                log.warning("scheduler.queue_away", error=error.message)
                moved = 0
            if moved < FULL:
                await asyncio.sleep(TICK_S)
