"""The document queue on Redis: accept, claim, and every transition of a document's life.

One hash per document, lanes on a round-robin ring, leases and delays in sorted sets; each method is one Lua script that
compares state and fencing token before it writes, so every call may be repeated. See docs/adr/0001-own-queue.md.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, cast
from uuid import UUID, uuid4

import structlog
from pydantic import ValidationError

from backends.admission import QueueLimits, refusal
from backends.document_hash import (
    DELIVERY_FIELDS,
    delivery_of,
    delivery_updated,
    lane_of,
    restored_fields,
    rows_of,
)
from backends.faults import faultpoint
from backends.redis import ask
from backends.scripts import Scripts
from contracts.documents import DocumentRow, Result, Status, head_fragment
from contracts.errors import Conflict, DocumentError, IdempotencyMismatch, NotFound
from contracts.ids import now_ms
from contracts.jobs import MAX_CRASHES, GenerationJob

log = structlog.get_logger(__name__)

Outcome = Literal["ok", "stale"]
Excuse = Literal["", "crashes", "postponed"]

CRASHED_REPEATEDLY = DocumentError(
    code="crashed_repeatedly",
    message=f"The document took its worker down {MAX_CRASHES} times and was set aside.",
    hint="Retry it after the cause is mended, or with another template version.",
)
INPUT_UNREADABLE = DocumentError(
    code="input_lost",
    message="What the document was to be made from is gone or cannot be read.",
    hint="Request the document again.",
)


@dataclass(frozen=True)
class Idempotency:
    """A client's key (already scoped to its user and path), the request's fingerprint, and how long it is kept."""

    key: str
    fingerprint: str
    ttl_s: int = 86_400


@dataclass(frozen=True)
class Accepted:
    document_id: UUID
    status: Status
    replayed: bool = False


@dataclass(frozen=True)
class Claim:
    """A document under a lease. `token` fences: only its holder may end the attempt. `attempt` is the one before.

    `crashes` and `postponed` are those attempts of this run that were not the document's fault.
    """

    job: GenerationJob
    token: int
    run: int
    attempt: int
    crashes: int
    postponed: int = 0

    @property
    def ref(self) -> tuple[UUID, int]:
        return self.job.document_id, self.token


@dataclass(frozen=True)
class Completion:
    """An attempt that made a document. Times in epoch milliseconds, durations in milliseconds."""

    document_id: UUID
    token: int
    result: Result
    render_ms: int
    expires_at: int | None


@dataclass(frozen=True)
class Failure:
    """An attempt that did not. `delay_ms` sends the document back to the queue; None ends the run.

    `excuse`: the attempt does not count against the document, because its render process was killed from outside
    (too many such crashes set it aside) or because storage was away.
    """

    document_id: UUID
    token: int
    error: DocumentError
    render_ms: int
    delay_ms: int | None
    excuse: Excuse = ""


@dataclass(frozen=True)
class Rescue:
    requeued: list[UUID]
    set_aside: list[UUID]


class DocumentQueue:
    """Raises QueueUnavailable from every method when Redis does not answer."""

    def __init__(
        self, scripts: Scripts, limits: QueueLimits | None = None, *, lease_ms: int = 15_000, lane_cap: int = 0
    ) -> None:
        """`lane_cap`: how many documents of one lane may be under a lease at once; 0 for any number."""
        self._scripts = scripts
        self._redis = scripts.redis
        self._prefix = scripts.prefix
        self._limits = limits or QueueLimits()
        self._lane_cap = lane_cap
        self.lease_ms = lease_ms

    # The client's side

    async def enqueue(self, job: GenerationJob, idempotency: Idempotency | None = None) -> Accepted:
        """Put a job on disk and into its lane; when this returns, the 202 may be sent.

        Raises IdempotencyMismatch, RateLimited (the user's limit) or SystemFull.
        """
        faultpoint("before_enqueue")
        answer = cast(
            list[str],
            await self._scripts.run(
                "enqueue",
                str(job.document_id),
                head_fragment(job.head()),
                job.model_dump_json(),
                job.created_at,
                str(job.user_id),
                lane_of(job.user_id, job.lane),
                job.priority,
                "" if job.run_at is None else job.run_at,
                _callback_of(job),
                idempotency.key if idempotency else "",
                idempotency.fingerprint if idempotency else "",
                idempotency.ttl_s if idempotency else 0,
                *self._limits.arguments(),
            ),
        )
        faultpoint("after_enqueue")
        match answer:
            case ["ok", status]:
                return Accepted(job.document_id, Status(status))
            case ["replay", document_id, status]:
                return Accepted(UUID(document_id), Status(status), replayed=True)
            case ["mismatch"]:
                raise IdempotencyMismatch()
        raise refusal(answer)

    async def replay(self, idempotency: Idempotency) -> Accepted | None:
        """Return what a key has brought before, None if nothing. Raises IdempotencyMismatch."""
        key = f"{self._prefix}idem:{idempotency.key}"
        seen = cast(list[str | None], await ask(self._redis.hmget(key, ["fingerprint", "id", "status"])))
        fingerprint, document_id, status = seen
        if fingerprint is None or document_id is None or status is None:
            return None
        if fingerprint != idempotency.fingerprint:
            raise IdempotencyMismatch()
        return Accepted(UUID(document_id), Status(status), replayed=True)

    async def live(self, document_id: UUID) -> DocumentRow | None:
        """Read a document's current row; None if Redis does not have it (any more)."""
        fields = await self._fields(document_id)
        rows = rows_of(fields)
        return rows[-1].model_copy(update={"delivery": delivery_of(fields)}) if rows else None

    async def live_events(self, document_id: UUID) -> list[DocumentRow]:
        """Read the rows of a live document, oldest first: complete from `seq` 1 unless it was restored."""
        return rows_of(await self._fields(document_id))

    async def with_live_deliveries(self, rows: Sequence[DocumentRow]) -> list[DocumentRow]:
        """Bring the deliveries of rows from history up to date: attempts that will be repeated make no event."""
        unsettled = [row.document_id for row in rows if row.delivery.status == "pending"]
        if not unsettled:
            return list(rows)
        async with self._redis.pipeline(transaction=False) as pipe:
            for document_id in unsettled:
                pipe.hmget(f"{self._prefix}doc:{document_id}", *DELIVERY_FIELDS)
            answers = cast(list[list[str | None]], await ask(pipe.execute()))
        live = dict(
            zip(unsettled, (dict(zip(DELIVERY_FIELDS, answer, strict=True)) for answer in answers), strict=True)
        )
        return [delivery_updated(row, live.get(row.document_id, {})) for row in rows]

    async def _fields(self, document_id: UUID) -> dict[str, str]:
        return cast(dict[str, str], await ask(self._redis.hgetall(f"{self._prefix}doc:{document_id}")))

    async def cancel(self, document_id: UUID) -> None:
        """End a run as cancelled. Raises NotFound, or Conflict `already_ended`."""
        answer = await self._scripts.run("cancel", str(document_id), uuid4().hex)
        if answer == "missing":
            raise NotFound("document")
        if answer != "ok":
            raise Conflict("already_ended", f"The document is {answer}: only one that has not ended can be cancelled.")

    async def retry(self, job: GenerationJob, retry_id: str) -> None:
        """Begin a new run with this job. Raises NotFound, Conflict `not_ended`, RateLimited or SystemFull."""
        arguments: tuple[str | int, ...] = (
            str(job.document_id),
            retry_id,
            head_fragment(job.head()),
            job.model_dump_json(),
            now_ms(),
            *self._limits.arguments(),
            _callback_of(job),
        )
        match cast(list[str], await self._scripts.run("retry", *arguments)):
            case ["ok"]:
                return
            case ["missing"]:
                raise NotFound("document")
            case [status]:
                raise Conflict("not_ended", f"The document is {status}: only one that has ended can be retried.")
            case full:
                raise refusal(full)

    async def delete(self, document_id: UUID, idempotency_key: str = "") -> None:
        """Cancel if need be, forget the data and the job's idempotency key, mark the row deleted. Raises NotFound."""
        if await self._scripts.run("delete", str(document_id), idempotency_key) != "ok":
            raise NotFound("document")

    async def job(self, document_id: UUID) -> GenerationJob | None:
        """Read a live document's job; None if Redis does not have it (any more)."""
        text = await ask(self._redis.get(f"{self._prefix}job:{document_id}"))
        return None if text is None else GenerationJob.model_validate_json(text)

    async def restore(self, row: DocumentRow, job: GenerationJob | None, *, ttl_s: int = 3600) -> None:
        """Bring an ended document back from its last row, so that retry and delete find it."""
        await self._scripts.run("restore", str(row.document_id), ttl_s, *restored_fields(row, job))

    # The worker's side

    async def claim(self, worker: str, want: int, request_id: str) -> list[Claim]:
        """Lease up to `want` documents. The same `request_id` gets the same answer again."""
        answer = await self._scripts.run("claim", worker, want, self.lease_ms, request_id, self._lane_cap)
        claims, unreadable = [], []
        for id_, token, run, attempt, crashes, postponed, job in zip(*[iter(cast(list[str], answer))] * 7, strict=True):
            try:
                numbers = (int(token), int(run), int(attempt), int(crashes), int(postponed))
                claims.append(Claim(GenerationJob.model_validate_json(job), *numbers))
            except ValidationError:
                unreadable.append((UUID(id_), int(token)))
        if unreadable:
            await self._refuse(unreadable)
        return claims

    async def _refuse(self, refs: list[tuple[UUID, int]]) -> None:
        """End documents whose jobs nobody can read: their neighbours in the claim must not wait for them."""
        log.error("claim.unreadable", documents=[str(document_id) for document_id, _ in refs])
        await self.start(refs)
        await self.fail([Failure(document_id, token, INPUT_UNREADABLE, 0, None) for document_id, token in refs])

    async def start(self, refs: list[tuple[UUID, int]]) -> list[Outcome]:
        """Report that renders begin (several in one step)."""
        return cast(list[Outcome], await self._scripts.run("start", *_flat(refs)))

    async def renew(self, refs: list[tuple[UUID, int]]) -> list[bool]:
        """Prolong leases; False: the document is no longer this worker's (cancelled, rescued)."""
        answer = cast(list[int], await self._scripts.run("renew", self.lease_ms, *_flat(refs)))
        return [bool(value) for value in answer]

    async def complete(self, completions: list[Completion]) -> list[Outcome]:
        """Make results effective, with their events and deliveries (several in one step)."""
        args: list[str | int] = []
        for done in completions:
            args += [str(done.document_id), done.token, done.result.model_dump_json(), done.render_ms]
            args.append("" if done.expires_at is None else done.expires_at)
        return cast(list[Outcome], await self._scripts.run("complete", *args))

    async def fail(self, failures: list[Failure]) -> list[Outcome]:
        """End failed attempts: for good, or back to the queue after a delay (several in one step)."""
        args: list[str | int] = [now_ms(), MAX_CRASHES, CRASHED_REPEATEDLY.model_dump_json(exclude_none=True)]
        for failed in failures:
            error = failed.error.model_dump_json(exclude_none=True)
            args += [str(failed.document_id), failed.token, error, failed.render_ms]
            args += ["" if failed.delay_ms is None else failed.delay_ms, failed.excuse]
        return cast(list[Outcome], await self._scripts.run("fail", *args))

    async def release(self, refs: list[tuple[UUID, int]]) -> int:
        """Give leased documents back untouched; returns how many were."""
        return cast(int, await self._scripts.run("release", *_flat(refs)))

    async def wait_for_work(self, timeout_s: float = 1) -> None:
        """Block until something was queued, or the timeout."""
        await ask(self._redis.brpop([f"{self._prefix}wake:render"], timeout=timeout_s))

    # The maintenance loops' side

    async def promote(self, at_ms: int, limit: int = 200) -> int:
        """Queue the delayed documents whose time has come; returns how many."""
        return cast(int, await self._scripts.run("promote", at_ms, limit))

    async def reap(self, limit: int = 200) -> Rescue:
        """Rescue documents whose lease ran out; those that crashed too often fail as `crashed_repeatedly`."""
        arguments = (limit, MAX_CRASHES, CRASHED_REPEATEDLY.model_dump_json(exclude_none=True), self.lease_ms)
        rescued, set_aside = cast(list[list[str]], await self._scripts.run("reap", *arguments))
        return Rescue([UUID(text) for text in rescued], [UUID(text) for text in set_aside])

    async def clock_ms(self) -> int:
        """Read the server's clock (epoch ms), by which leases run."""
        seconds, microseconds = await ask(self._redis.time())
        return seconds * 1000 + microseconds // 1000

    async def oldest_ms(self, lanes: int = 200) -> int | None:
        """Return how long the oldest queued document has waited; None if none does.

        Looks at the heads of the first `lanes` lanes of each priority: with more lanes than that it is a lower bound.
        """
        age = cast(int, await self._scripts.run("oldest", lanes))
        return None if age < 0 else age

    async def lengths(self) -> dict[str, int]:
        """Count documents: open in all, leased (claimed or rendering), delayed or scheduled."""
        async with self._redis.pipeline(transaction=False) as pipe:
            pipe.hget(f"{self._prefix}open", "all")
            pipe.zcard(f"{self._prefix}leases")
            pipe.zcard(f"{self._prefix}delayed")
            total, leased, delayed = await ask(pipe.execute())
        total = int(total or 0)
        return {"open": total, "leased": leased, "delayed": delayed, "waiting": max(0, total - leased - delayed)}


def _callback_of(job: GenerationJob) -> str:
    return job.callback.model_dump_json() if job.callback else ""


def _flat(refs: list[tuple[UUID, int]]) -> list[str | int]:
    return [value for document_id, token in refs for value in (str(document_id), token)]
