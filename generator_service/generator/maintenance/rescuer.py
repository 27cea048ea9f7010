"""The rescuer: documents of workers that died or froze go back to the front of their lanes when the lease ends."""

import asyncio
import time
from collections.abc import Callable

import structlog

from backends.faults import faultpoint
from backends.queue import DocumentQueue
from contracts.errors import TransientError

log = structlog.get_logger(__name__)

TICK_S = 1.0
#: After a gap this long between ticks (Redis away, process frozen) leases may have run out for want of a renewal. So
#: they may when Redis' clock has been set forward by as much.
GAP_S = 5.0


class Rescuer:
    def __init__(self, queue: DocumentQueue, clock: Callable[[], float] = time.monotonic) -> None:
        self._queue = queue
        self._clock = clock
        self._last_tick = clock()
        self._last_server_ms: int | None = None
        self._patient_until = 0.0

    async def run(self) -> None:
        """Rescue for ever."""
        while True:
            await asyncio.sleep(TICK_S)
            await self.tick()

    async def tick(self) -> None:
        """Rescue once. After a gap it waits one lease first: nobody could renew meanwhile, and nobody has crashed."""
        try:
            server_ms = await self._queue.clock_ms()
            if not self._patient(server_ms):
                await self._rescue()
            self._last_tick, self._last_server_ms = self._clock(), server_ms
        except TransientError as error:
            log.warning("rescuer.queue_away", error=error.message)

    def _patient(self, server_ms: int) -> bool:
        now = self._clock()
        gap_s = max(now - self._last_tick, (server_ms - (self._last_server_ms or server_ms)) / 1000)
        if gap_s > GAP_S:
            self._patient_until = now + self._queue.lease_ms / 1000
            log.warning("rescuer.waits", gap_s=round(gap_s, 1))
        return now < self._patient_until

    async def _rescue(self) -> None:
        rescue = await self._queue.reap()
        faultpoint("after_reap")
        for document_id in rescue.requeued:
            log.warning("document.rescued", document_id=str(document_id))
        for document_id in rescue.set_aside:
            log.error("document.set_aside", document_id=str(document_id))
