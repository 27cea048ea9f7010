"""Webhook deliveries on Redis: claimed under a lease, recorded under a fencing token, kept until they are settled.

`{pw}:due` holds what waits for its time or is leased (score in ms); what is due waits in a lane per receiver
(`{pw}:deliver_lane:<host:port>`, on the round-robin `{pw}:deliver_ring`). Each is a hash `{pw}:delivery:<member>`.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, cast
from uuid import UUID, uuid4

from backends.redis import ask
from backends.scripts import Answer, Scripts
from contracts.deliveries import Delivery, DeliveryAttempt, webhook_id
from contracts.errors import QueueUnavailable

KEEP_MS = 24 * 3600 * 1000


@dataclass(frozen=True)
class LeasedDelivery:
    """A run's webhook, ours until the lease ends. Times in epoch ms.

    `receiver` is the URL's host and port, `callback` the JSON of contracts.jobs.Callback.
    """

    member: str
    token: int
    receiver: str
    document_id: UUID
    run: int
    user_id: UUID
    type: str
    callback: str
    attempts: int
    created_at: int
    leased_at: int

    @property
    def delivery_id(self) -> UUID:
        return webhook_id(self.document_id, self.run, self.type)


@dataclass(frozen=True)
class DueDeliveries:
    """The answer to a claim. `now` is the queue's clock, `next_due` when the next one may be due (epoch ms)."""

    items: list[LeasedDelivery]
    now: int
    next_due: int | None


@dataclass(frozen=True)
class DeliveryBacklog:
    """`pending` counts all unsettled deliveries; `oldest_due_ms` is how late the oldest due and unsent one is."""

    pending: int
    due: int
    oldest_due_ms: int


@dataclass(frozen=True)
class LiveDelivery:
    """How a delivery stands at this moment; `next_attempt_at` (epoch ms) is past while an attempt is being made."""

    status: str
    next_attempt_at: int | None


class Deliveries:
    """Raises QueueUnavailable from every method when Redis does not answer.

    `clock` (epoch ms) replaces Redis TIME: tests live through the 75 hours of the schedule at once.
    """

    def __init__(self, scripts: Scripts, *, lease_ms: int = 60_000, clock: Callable[[], int] | None = None) -> None:
        self._scripts = scripts
        self._clock = clock
        self._unanswered = ""
        self.lease_ms = lease_ms

    async def claim(self, want: int, *, room: int, loads: Mapping[str, int]) -> DueDeliveries:
        """Lease up to `want` deliveries; no receiver (host:port) gets more than `room`, counting its present load."""
        answer = await self._claimed(want, room, [part for load in loads.items() for part in load])
        now, next_due, rows = cast(tuple[str, str, list[list[str]]], answer)
        items = [_leased(row, int(now)) for row in rows]
        return DueDeliveries(items, int(now), int(float(next_due)) if next_due else None)

    async def _claimed(self, want: int, room: int, loads: Sequence[str | int]) -> Answer:
        """Claim under the id of the claim before if its answer never came: what it has leased comes with this one."""
        request_id, self._unanswered = self._unanswered or uuid4().hex, ""
        try:
            arguments = (self._now(), want, self.lease_ms, room, request_id, *loads)
            return await self._scripts.run("deliver_claim", *arguments)
        except QueueUnavailable:
            self._unanswered = request_id
            raise

    async def record(self, leased: LeasedDelivery, attempt: DeliveryAttempt) -> Literal["ok", "stale"]:
        """Settle the lease as `attempt.status` says. `stale`: the lease had ended and another attempt counts."""
        answer = await self._scripts.run(
            "deliver_record",
            leased.member,
            leased.token,
            attempt.status,
            self._now(),
            "" if attempt.next_attempt_at is None else attempt.next_attempt_at,
            KEEP_MS,
            attempt.model_dump_json(),
        )
        return cast(Literal["ok", "stale"], answer)

    async def release(self, leased: Sequence[LeasedDelivery]) -> int:
        """Give unfinished deliveries back untouched; return how many were still ours."""
        pairs = (part for one in leased for part in (one.member, one.token))
        return cast(int, await self._scripts.run("deliver_release", self._now(), *pairs))

    async def live(self, document_id: UUID, run: int) -> LiveDelivery | None:
        """Read how a delivery stands; None if Redis does not have it (any more)."""
        member, prefix = f"{document_id}:{run}", self._scripts.prefix
        async with self._scripts.redis.pipeline(transaction=True) as pipe:
            pipe.hmget(f"{prefix}delivery:{member}", ["status", "due_at", "leased_until", "created_at"])
            pipe.zscore(f"{prefix}due", member)
            (status, due_at, leased_until, created_at), score = await ask(pipe.execute())
        if status != "pending":
            return None if status is None else LiveDelivery(status, None)
        # While it is leased the score is the lease's end; in a lane it has none.
        leased = leased_until is not None and score == float(leased_until)
        waits_until = None if leased else score
        return LiveDelivery(status, int(float(waits_until or due_at or created_at)))

    async def resend(self, delivery: Delivery, callback: str, resend_id: str) -> Literal["ok", "sending", "unknown"]:
        """Make a delivery due now, whatever became of it. `callback`: JSON of Callback, or empty if Redis must know it.

        `sending`: an attempt is under way, and nothing was changed. `unknown`: it has left Redis; give the callback.
        """
        answer = await self._scripts.run(
            "deliver_resend",
            f"{delivery.document_id}:{delivery.run}",
            resend_id,
            self._now(),
            str(delivery.document_id),
            delivery.run,
            str(delivery.user_id),
            delivery.type,
            max((attempt.attempt for attempt in delivery.attempts), default=0),
            delivery.created_at,
            callback,
            max((attempt.at for attempt in delivery.attempts), default=0),
        )
        return cast(Literal["ok", "sending", "unknown"], answer)

    async def backlog(self) -> DeliveryBacklog:
        """Count what waits, for metrics."""
        pending, due, oldest = cast(tuple[int, int, str], await self._scripts.run("deliver_backlog", self._now()))
        return DeliveryBacklog(pending, due, int(oldest))

    async def wait(self, timeout_s: float = 1.0) -> None:
        """Wait until a new delivery is due, or the timeout (at most 1 s: the client's socket timeout is 5 s)."""
        await ask(self._scripts.redis.brpop([f"{self._scripts.prefix}wake:deliver"], timeout=timeout_s))

    def _now(self) -> int | str:
        return self._clock() if self._clock else ""


def _leased(row: list[str], now: int) -> LeasedDelivery:
    member, token, receiver, document_id, run, user, type_, callback, attempts, created_at = row
    return LeasedDelivery(
        member=member,
        token=int(token),
        receiver=receiver,
        document_id=UUID(document_id),
        run=int(run),
        user_id=UUID(user),
        type=type_,
        callback=callback,
        attempts=int(attempts),
        created_at=int(created_at),
        leased_at=now,
    )
