"""Webhook deliveries on Redis: claimed under a lease, recorded under a fencing token, kept until they are settled.

`{pw}:due` holds what waits for its time or is leased (score in ms); what is due waits in a lane per receiver
(`{pw}:deliver_lane:<endpoint, or user/host:port of a callback>`, on the round-robin `{pw}:deliver_ring`); the lane of
one that is left alone for a while is in `{pw}:shut` instead. Each is a hash `{pw}:delivery:<member>`.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, cast
from uuid import UUID, uuid4

from backends.redis import ask
from backends.scripts import Answer, Scripts
from contracts.deliveries import Delivery, DeliveryAttempt, webhook_id
from contracts.endpoints import EndpointRow
from contracts.errors import QueueUnavailable

KEEP_MS = 24 * 3600 * 1000
#: Longer than a call and the record of its outcome may take: calls of a process that died are due again then.
LEASE_MS = 30_000

Recorded = Literal["ok", "stale"]
#: What an attempt says about its receiver; nothing if no call was made.
Sign = Literal["ok", "failed", ""]


@dataclass(frozen=True)
class Circuit:
    """When a receiver is left alone: of at least so many calls in five minutes so many per cent failed.

    Then it is not called for `open_ms`, twice as long each time up to `longest_ms`, but for one call to see how it is.
    `per_s`: calls to one receiver in a second, 0 for any number.
    """

    requests: int = 10
    per_cent: int = 70
    open_ms: int = 30_000
    longest_ms: int = 15 * 60_000
    per_s: int = 0


@dataclass(frozen=True)
class Report:
    """What became of a record. `failing_ms`: for how long its receiver has only failed, and how often (`failures`)."""

    outcome: Recorded
    failing_ms: int = 0
    failures: int = 0


@dataclass(frozen=True)
class LeasedDelivery:
    """A run's webhook, ours until the lease ends. Times in epoch ms.

    `receiver` is whom it waits for: the endpoint's id, or user and callback's host and port. `callback` is the JSON of
    contracts.jobs.Callback, empty for an endpoint. `row` is the JSON of the contracts.documents.DocumentRow with which
    the run ended, empty if Redis does not have it any more; `data` what there is to say when it is about no document.
    `version` is the endpoint's at this moment, of a callback the user's; 0 if Redis does not have it.
    """

    member: str
    token: int
    receiver: str
    document_id: UUID
    run: int
    user_id: UUID
    type: str
    callback: str
    endpoint_id: UUID | None
    attempts: int
    created_at: int
    leased_at: int
    data: str = ""
    row: str = ""
    version: int = 0

    @property
    def delivery_id(self) -> UUID:
        return webhook_id(self.document_id, self.run, self.type, self.endpoint_id)


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


@dataclass(frozen=True)
class EndedRun:
    """A run that has ended; `type` is what its webhook says."""

    document_id: UUID
    run: int
    type: str


class Deliveries:
    """Raises QueueUnavailable from every method when Redis does not answer.

    `clock` (epoch ms) replaces Redis TIME: tests live through the 75 hours of the schedule at once.
    """

    def __init__(
        self,
        scripts: Scripts,
        *,
        lease_ms: int = LEASE_MS,
        clock: Callable[[], int] | None = None,
        circuit: Circuit | None = None,
    ) -> None:
        self._scripts = scripts
        self._circuit = circuit or Circuit()
        self._clock = clock
        self._unanswered = ""
        self.lease_ms = lease_ms

    async def claim(
        self, want: int, *, room: int, loads: Mapping[str, int], user_room: int = 1_000_000
    ) -> DueDeliveries:
        """Lease up to `want` deliveries. `loads`: how many of each receiver, and of each `user_load`, are under way.

        No receiver gets more than `room`, no user more than `user_room`; of a user that has half of that, no receiver
        gets more than one.
        """
        answer = await self._claimed(want, room, user_room, [part for load in loads.items() for part in load])
        now, next_due, rows = cast(tuple[str, str, list[list[str]]], answer)
        items = [_leased(row, int(now)) for row in rows]
        return DueDeliveries(items, int(now), int(float(next_due)) if next_due else None)

    async def _claimed(self, want: int, room: int, user_room: int, loads: Sequence[str | int]) -> Answer:
        """Claim under the id of the claim before if its answer never came: what it has leased comes with this one."""
        request_id, self._unanswered = self._unanswered or uuid4().hex, ""
        try:
            arguments = (self._now(), want, self.lease_ms, room, user_room, self._circuit.per_s, request_id, *loads)
            return await self._scripts.run("deliver_claim", *arguments)
        except QueueUnavailable:
            self._unanswered = request_id
            raise

    async def record(self, leased: LeasedDelivery, attempt: DeliveryAttempt, sign: Sign = "") -> Recorded:
        """Settle the lease as `attempt.status` says. `stale`: the lease had ended and another attempt counts."""
        return (await self.record_all([(leased, attempt, sign)]))[0].outcome

    async def record_all(self, made: Sequence[tuple[LeasedDelivery, DeliveryAttempt, Sign]]) -> list[Report]:
        """Settle several leases in one step; answers one by one."""
        circuit = self._circuit
        arguments: list[str | int] = [KEEP_MS, self._now(), circuit.requests, circuit.per_cent]
        arguments += [circuit.open_ms, circuit.longest_ms]
        for leased, attempt, sign in made:
            next_at = "" if attempt.next_attempt_at is None else attempt.next_attempt_at
            arguments += [leased.member, leased.token, attempt.status, next_at, sign]
            arguments += [attempt.calm_ms, attempt.model_dump_json()]
        answer = cast(list[list[str]], await self._scripts.run("deliver_record", *arguments))
        return [Report(cast(Recorded, outcome), int(ms), int(times)) for outcome, ms, times in answer]

    async def release(self, leased: Sequence[LeasedDelivery]) -> int:
        """Give unfinished deliveries back untouched; return how many were still ours."""
        pairs = (part for one in leased for part in (one.member, one.token))
        return cast(int, await self._scripts.run("deliver_release", self._now(), *pairs))

    async def live(self, member: str) -> LiveDelivery | None:
        """Read how a delivery stands; None if Redis does not have it (any more)."""
        prefix = self._scripts.prefix
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
            delivery.member,
            resend_id,
            self._now(),
            str(delivery.document_id),
            delivery.run,
            str(delivery.user_id),
            delivery.type,
            max((attempt.attempt for attempt in delivery.attempts), default=0),
            delivery.created_at,
            callback,
            str(delivery.endpoint_id or ""),
            max((attempt.at for attempt in delivery.attempts), default=0),
        )
        return cast(Literal["ok", "sending", "unknown"], answer)

    async def send(self, endpoint: EndpointRow, type_: str, message_id: UUID, data: str) -> Delivery:
        """Make a message due that is about no document. `data`: what it says, a JSON object."""
        line = await self._scripts.run(
            "deliver_message",
            str(endpoint.endpoint_id),
            str(endpoint.user_id),
            type_,
            str(message_id),
            data,
            self._now(),
        )
        return Delivery.of([DeliveryAttempt.model_validate_json(str(line))])

    async def outcome(self, member: str) -> DeliveryAttempt | None:
        """Read what the last attempt of a message that is about no document came to; None before that."""
        line = await ask(self._scripts.redis.hget(f"{self._scripts.prefix}delivery:{member}", "line"))
        return None if line is None else DeliveryAttempt.model_validate_json(line)

    async def make_due(self, endpoint: EndpointRow, runs: Sequence[EndedRun]) -> None:
        """Make an endpoint's deliveries of ended runs due; those that Redis knows stay as they are."""
        parts = (part for run in runs for part in (str(run.document_id), run.run, run.type))
        await self._scripts.run(
            "deliver_missing", str(endpoint.endpoint_id), str(endpoint.user_id), self._now(), *parts
        )

    async def backlog(self) -> DeliveryBacklog:
        """Count what waits, for metrics."""
        pending, due, oldest = cast(tuple[int, int, str], await self._scripts.run("deliver_backlog", self._now()))
        return DeliveryBacklog(pending, due, int(oldest))

    async def wait(self, timeout_s: float = 1.0) -> None:
        """Wait until a new delivery is due, or the timeout (at most 1 s: the client's socket timeout is 5 s)."""
        await ask(self._scripts.redis.brpop([f"{self._scripts.prefix}wake:deliver"], timeout=timeout_s))

    def _now(self) -> int | str:
        return self._clock() if self._clock else ""


def user_load(user_id: UUID) -> str:
    """Name what a user has under way, beside the receivers, in the `loads` of a claim."""
    return f"user:{user_id}"


def _leased(row: list[str], now: int) -> LeasedDelivery:
    member, token, receiver, document_id, run, user, type_, callback, endpoint, attempts, *more = row
    created_at, data, ended, version = more
    return LeasedDelivery(
        member=member,
        token=int(token),
        receiver=receiver,
        document_id=UUID(document_id),
        run=int(run),
        user_id=UUID(user),
        type=type_,
        callback=callback,
        endpoint_id=UUID(endpoint) if endpoint else None,
        attempts=int(attempts),
        created_at=int(created_at),
        leased_at=now,
        data=data,
        row=ended,
        version=int(version or 0),
    )
