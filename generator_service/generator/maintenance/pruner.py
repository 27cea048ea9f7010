"""The pruner: removes files whose time has passed. One process at a time does it, in small steps with rests between."""

import asyncio
import time
from collections import Counter as Tally
from collections.abc import AsyncIterator
from contextlib import aclosing

import structlog
from prometheus_client import CollectorRegistry, Counter, Gauge

from backends.role_lease import RoleLease
from contracts.errors import TransientError
from generator.maintenance.pruning import Finding, Pruning

log = structlog.get_logger(__name__)

#: Rests are so much longer than the steps between them: a sweep takes at most a fifth of one core.
REST_FACTOR = 4.0
#: Who stands by looks up this often; a sweep that a server's absence cut short is begun again after so long.
LOOK_S, AGAIN_S = 5.0, 60.0
MAX_REST_S = 1.0
UNFINISHED = "unfinished"


class PrunerMetrics:
    """What was removed by this process. Labels are bounded: kinds of blobs, reasons."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._blobs = Counter("presswork_pruned_blobs_total", "Blobs removed", ["kind", "reason"], registry=registry)
        self._bytes = Counter("presswork_pruned_bytes_total", "Bytes of blobs removed", ["kind"], registry=registry)
        self._swept = Gauge("presswork_pruner_swept_timestamp_seconds", "End of the last sweep", registry=registry)

    def removed(self, findings: list[Finding]) -> None:
        for finding in findings:
            self._blobs.labels(finding.kind, finding.reason).inc()
            self._bytes.labels(finding.kind).inc(finding.blob.size)

    def removed_unfinished(self, count: int) -> None:
        self._blobs.labels(UNFINISHED, UNFINISHED).inc(count)

    def swept(self) -> None:
        self._swept.set_to_current_time()


class Pruner:
    """Sweeps every `every_s` while it holds the lease. `rest_factor`: how much longer than it works it rests."""

    def __init__(
        self,
        pruning: Pruning,
        lease: RoleLease,
        metrics: PrunerMetrics,
        every_s: float = 3600,
        rest_factor: float = REST_FACTOR,
    ) -> None:
        self._pruning = pruning
        self._lease = lease
        self._metrics = metrics
        self._every_s = every_s
        self._rest_factor = rest_factor

    async def run(self) -> None:
        """Prune until cancelled."""
        async with self._lease.kept():
            while True:
                await asyncio.sleep(await self._turn())

    async def _turn(self) -> float:
        """Sweep if it is ours to do; returns how long to rest."""
        if not self._lease.held:
            return self._rest_s()
        try:
            await self.sweep()
        except TransientError as error:
            log.warning("pruner.postponed", error=error.message)
            return min(AGAIN_S, self._every_s)
        except Exception:
            log.exception("pruner.broken")
        return self._rest_s()

    def _rest_s(self) -> float:
        """Say how long to rest: who stands by, or has lost the role in the middle, looks up often."""
        return self._every_s if self._lease.held else min(LOOK_S, self._every_s)

    async def sweep(self) -> Tally[str]:
        """Look at everything once and remove what may go; returns how many of each kind that were, and `bytes`.

        Ends early when the lease is another's. Raises what Redis, ClickHouse and the blob store raise.
        """
        began, removed = time.monotonic(), Tally[str]()
        try:
            async with aclosing(self._pruning.find()) as steps:
                async for findings in self._rested(steps):
                    await self._remove(findings, removed)
            async for count in self._rested(self._pruning.remove_unfinished()):
                self._metrics.removed_unfinished(count)
                removed[UNFINISHED] += count
            if self._lease.held:
                self._metrics.swept()
            else:
                log.info("pruner.stopped", why="another process has taken over")
        finally:
            if removed.total():
                log.info("pruner.swept", seconds=round(time.monotonic() - began, 1), **+removed)
        return removed

    async def _rested[T](self, steps: AsyncIterator[T]) -> AsyncIterator[T]:
        """Yield steps while the lease is ours, and rest after each."""
        began = time.monotonic()
        async for step in steps:
            if not self._lease.held:
                return
            yield step
            await asyncio.sleep(min(MAX_REST_S, (time.monotonic() - began) * self._rest_factor))
            began = time.monotonic()

    async def _remove(self, findings: list[Finding], removed: Tally[str]) -> None:
        await self._pruning.remove(findings)
        self._metrics.removed(findings)
        removed.update(finding.kind for finding in findings)
        removed["bytes"] += sum(finding.blob.size for finding in findings)
