"""The delivery loop: lease what is due, attempt it, record it. A crash anywhere leaves the delivery due again."""

import asyncio
import time
from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Protocol
from uuid import UUID

import structlog

from backends.deliveries import Deliveries, LeasedDelivery, Report, Sign, user_load
from backends.endpoints import EndpointStore
from backends.faults import faultpoint
from backends.shutdown import first
from contracts.deliveries import DeliveryAttempt
from contracts.endpoints import Reason
from contracts.errors import TransientError
from generator.delivery.attempt import reason_to_disable, sign_of
from generator.group_commit import GroupCommit

log = structlog.get_logger(__name__)

#: Claims are this far apart at least: at a thousand deliveries a second each would come with a claim of its own.
GATHER_S = 0.003
#: And no more come with one: a claim takes Redis some 30 us for each, in which nobody else is served.
CLAIMED = 64
DAY_MS = 86_400_000

Disable = Callable[[UUID, Reason], Awaitable[None]]


@dataclass(frozen=True)
class DeliverLimits:
    """How many attempts run at once: in this process, of one user, to one receiver (an endpoint, or a host and port).

    An endpoint that has only failed for `failing_days`, and at least `failing_calls` times, is disabled.
    """

    concurrency: int = 256
    per_user: int = 64
    per_receiver: int = 8
    drain_s: float = 20.0
    failing_days: float = 5.0
    failing_calls: int = 10


class Attempts(Protocol):
    async def make(self, leased: LeasedDelivery) -> DeliveryAttempt:
        """Attempt a delivery. Raises TransientError if it could not be tried at all."""


async def disable_endpoint(endpoints: EndpointStore, endpoint_id: UUID, reason: Reason) -> None:
    """Disable an endpoint, if it is not yet: its next attempt will ask for it again if that fails."""
    try:
        if await endpoints.disable(endpoint_id, reason):
            log.warning("endpoint.disabled", endpoint_id=str(endpoint_id), reason=reason)
    except TransientError as error:
        log.warning("endpoint.not_disabled", endpoint_id=str(endpoint_id), error=error.message)


async def nobody_to_disable(endpoint_id: UUID, reason: Reason) -> None:
    """Leave the endpoint as it is."""


class Deliverer:
    """Runs until `stop()`: then no more is claimed, and what runs may finish within `drain_s`."""

    def __init__(
        self,
        deliveries: Deliveries,
        attempts: Attempts,
        limits: DeliverLimits | None = None,
        disable: Disable = nobody_to_disable,
    ) -> None:
        self._deliveries = deliveries
        self._attempts = attempts
        self._limits = limits or DeliverLimits()
        self._disable = disable
        self._records: GroupCommit[tuple[LeasedDelivery, DeliveryAttempt, Sign], Report] = GroupCommit(
            deliveries.record_all
        )
        self._running: dict[asyncio.Task[None], LeasedDelivery] = {}
        self._stirred = asyncio.Event()
        self._claimed_at = 0.0
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
            await asyncio.sleep(self._claimed_at + GATHER_S - time.monotonic())
            self._claimed_at = time.monotonic()
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
        want = min(CLAIMED, self._limits.concurrency - len(self._running))
        if want <= 0:
            return 1.0
        loads = Counter(of for leased in self._running.values() for of in (leased.receiver, user_load(leased.user_id)))
        limits = self._limits
        due = await self._deliveries.claim(want, room=limits.per_receiver, user_room=limits.per_user, loads=loads)
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
        """Write the outcome down, again and again until the queue answers: an unrecorded success is sent twice."""
        report = await self._records.submit((leased, attempt, sign_of(attempt)))
        faultpoint("after_record")
        if report.outcome == "stale":
            log.warning("delivery.lease_lost", delivery_id=str(leased.delivery_id), attempt=attempt.attempt)
        elif leased.endpoint_id and (reason := self._reason(attempt, report)):
            await self._disable(leased.endpoint_id, reason)

    def _reason(self, attempt: DeliveryAttempt, report: Report) -> Reason:
        """Say why this endpoint should get nothing any more; empty if it should."""
        for_days = report.failing_ms >= self._limits.failing_days * DAY_MS
        failing = for_days and report.failures >= self._limits.failing_calls
        return reason_to_disable(attempt) or ("failing" if failing else "")

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
