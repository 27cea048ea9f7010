"""The delivery loop: lease what is due, attempt it, record it. A crash anywhere leaves the delivery due again."""

import asyncio
import time
from collections import Counter
from dataclasses import dataclass
from typing import Protocol

import structlog

from backends.deliveries import Deliveries, LeasedDelivery
from backends.faults import faultpoint
from backends.shutdown import first
from contracts.deliveries import DeliveryAttempt
from contracts.errors import TransientError

log = structlog.get_logger(__name__)


@dataclass(frozen=True)
class DeliverLimits:
    """How many attempts run at once: in this process, and to one receiver (host and port)."""

    concurrency: int = 64
    per_receiver: int = 8
    drain_s: float = 20.0


class Attempts(Protocol):
    async def make(self, leased: LeasedDelivery) -> DeliveryAttempt:
        """Attempt a delivery. Raises TransientError if it could not be tried at all."""


class Deliverer:
    """Runs until `stop()`: then no more is claimed, and what runs may finish within `drain_s`."""

    def __init__(self, deliveries: Deliveries, attempts: Attempts, limits: DeliverLimits | None = None) -> None:
        self._deliveries = deliveries
        self._attempts = attempts
        self._limits = limits or DeliverLimits()
        self._running: dict[asyncio.Task[None], LeasedDelivery] = {}
        self._stirred = asyncio.Event()
        self._stopping = False
        self._hurried = asyncio.Event()

    def stop(self, hurried: asyncio.Event | None = None) -> None:
        """Ask `run` to end; once `hurried` is set, what runs is given back instead of finished."""
        self._stopping, self._hurried = True, hurried or self._hurried
        self._stirred.set()

    async def run(self) -> None:
        """Deliver until stopped. Redis going away is waited out."""
        listener = asyncio.create_task(self._listen())
        try:
            while not self._stopping:
                await self._turn()
            await self._drain()
        finally:
            listener.cancel()
            for task in self._running:
                task.cancel()

    async def _turn(self) -> None:
        self._stirred.clear()
        try:
            pause = await self._claim()
        except TransientError as error:
            log.warning("delivery.queue_unavailable", error=error.message)
            pause = 1.0
        except Exception:
            log.exception("delivery.claim_failed")
            pause = 1.0
        await self._until_stirred(pause)

    async def _claim(self) -> float:
        """Start what is due; return the seconds until it is worth asking again."""
        want = self._limits.concurrency - len(self._running)
        if want <= 0:
            return 1.0
        loads = Counter(leased.receiver for leased in self._running.values())
        due = await self._deliveries.claim(want, room=self._limits.per_receiver, loads=loads)
        faultpoint("after_deliver_claim")
        for leased in due.items:
            task = asyncio.create_task(self._deliver(leased))
            self._running[task] = leased
            task.add_done_callback(self._finished)
        if due.items or due.next_due is None:
            return 0.0 if due.items else 1.0
        return min(1.0, max(0.001, (due.next_due - due.now) / 1000))

    async def _until_stirred(self, seconds: float) -> None:
        if seconds > 0 and not self._stopping:
            await first(self._stirred.wait(), timeout_s=seconds)

    def _finished(self, task: asyncio.Task[None]) -> None:
        self._running.pop(task, None)
        self._stirred.set()

    async def _deliver(self, leased: LeasedDelivery) -> None:
        try:
            attempt = await self._attempts.make(leased)
            faultpoint("after_dial")
            await self._record(leased, attempt)
        except TransientError as error:
            # Untouched, it is due again when its lease ends.
            log.warning("delivery.postponed", delivery_id=str(leased.delivery_id), error=error.message)
        except Exception:
            log.exception("delivery.crashed", delivery_id=str(leased.delivery_id))

    async def _record(self, leased: LeasedDelivery, attempt: DeliveryAttempt) -> None:
        """Write the outcome down, again and again while the lease lasts: an unrecorded success is sent twice."""
        until = time.monotonic() + self._deliveries.lease_ms / 1000 / 2
        while True:
            try:
                if await self._deliveries.record(leased, attempt) == "stale":
                    log.warning("delivery.lease_lost", delivery_id=str(leased.delivery_id), attempt=attempt.attempt)
                faultpoint("after_record")
                return
            except TransientError:
                if time.monotonic() > until or self._stopping:
                    raise
                await asyncio.sleep(0.5)

    async def _drain(self) -> None:
        """Let what runs finish; what does not is given back and goes out again under the same webhook-id."""
        if not self._running:
            return
        await first(asyncio.wait(self._running), self._hurried.wait(), timeout_s=self._limits.drain_s)
        unfinished = dict(self._running)
        for task in unfinished:
            task.cancel()
        await asyncio.gather(*unfinished, return_exceptions=True)
        if unfinished:
            await self._release(list(unfinished.values()))

    async def _release(self, unfinished: list[LeasedDelivery]) -> None:
        try:
            log.info("delivery.released", count=await self._deliveries.release(unfinished))
        except TransientError as error:
            log.warning("delivery.left_to_lease", count=len(unfinished), error=error.message)

    async def _listen(self) -> None:
        """Turn the queue's wake-ups into ours."""
        while True:
            try:
                await self._deliveries.wait()
                self._stirred.set()
            except TransientError:
                # The claim says so in the log; here it would only be said twice.
                await asyncio.sleep(1.0)
