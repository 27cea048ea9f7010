"""The document queue on Redis: accept, claim, and every transition of a document's life.

One hash per document, lanes on a round-robin ring, leases and delays in sorted sets; each method is one Lua script that
compares state and fencing token before it writes, so every call may be repeated. See docs/adr/0001-own-queue.md.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, cast
from uuid import UUID, uuid4

from redis.exceptions import RedisError

from backends.scripts import Scripts
from contracts.documents import Delivery, DocumentHead, DocumentRow, Result, Status, head_fragment
from contracts.errors import (
    Conflict,
    DocumentError,
    IdempotencyMismatch,
    NotFound,
    QueueUnavailable,
    RateLimited,
    SystemFull,
)
from contracts.ids import now_ms
from contracts.jobs import MAX_CRASHES, GenerationJob

Outcome = Literal["ok", "stale"]
DELIVERY_FIELDS = ("run", "delivery_status", "delivery_attempts", "delivery_next")


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
class QueueLimits:
    """How many documents may be unfinished: in all (503 beyond it) and for one user (429 beyond it)."""

    max_open: int = 1_000_000
    max_open_per_user: int = 100_000


@dataclass(frozen=True)
class Claim:
    """A document under a lease. `token` fences: only its holder may end the attempt. `attempt` is the one before."""

    job: GenerationJob
    token: int
    run: int
    attempt: int
    crashes: int

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
    """An attempt that did not. `delay_ms` sends the document back to the queue; None ends the run."""

    document_id: UUID
    token: int
    error: DocumentError
    render_ms: int
    delay_ms: int | None


@dataclass(frozen=True)
class Rescue:
    requeued: list[UUID]
    set_aside: list[UUID]


class DocumentQueue:
    """Raises QueueUnavailable from every method when Redis does not answer."""

    def __init__(self, scripts: Scripts, limits: QueueLimits | None = None, *, lease_ms: int = 15_000) -> None:
        self._scripts = scripts
        self._redis = scripts.redis
        self._prefix = scripts.prefix
        self._limits = limits or QueueLimits()
        self.lease_ms = lease_ms

    # The client's side

    async def enqueue(self, job: GenerationJob, idempotency: Idempotency | None = None) -> Accepted:
        """Put a job on disk and into its lane; when this returns, the 202 may be sent.

        Raises IdempotencyMismatch, RateLimited (the user's limit) or SystemFull.
        """
        lane = str(job.user_id) if job.lane == str(job.user_id) else f"{job.user_id}/{job.lane}"
        answer = cast(
            list[str],
            await self._scripts.run(
                "enqueue",
                str(job.document_id),
                head_fragment(job.head()),
                job.model_dump_json(),
                job.created_at,
                str(job.user_id),
                lane,
                job.priority,
                "" if job.run_at is None else job.run_at,
                job.callback.model_dump_json() if job.callback else "",
                idempotency.key if idempotency else "",
                idempotency.fingerprint if idempotency else "",
                idempotency.ttl_s if idempotency else 0,
                self._limits.max_open,
                self._limits.max_open_per_user,
            ),
        )
        match answer:
            case ["ok", status]:
                return Accepted(job.document_id, Status(status))
            case ["replay", document_id, status]:
                return Accepted(UUID(document_id), Status(status), replayed=True)
            case ["mismatch"]:
                raise IdempotencyMismatch()
            case ["user_full"]:
                raise RateLimited()
        raise SystemFull()

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
        try:
            async with self._redis.pipeline(transaction=False) as pipe:
                for document_id in unsettled:
                    pipe.hmget(f"{self._prefix}doc:{document_id}", *DELIVERY_FIELDS)
                answers = cast(list[list[str | None]], await pipe.execute())
        except (RedisError, OSError) as error:
            raise QueueUnavailable() from error
        live = dict(
            zip(unsettled, (dict(zip(DELIVERY_FIELDS, answer, strict=True)) for answer in answers), strict=True)
        )
        return [_delivery_updated(row, live.get(row.document_id, {})) for row in rows]

    async def _fields(self, document_id: UUID) -> dict[str, str]:
        try:
            return cast(dict[str, str], await self._redis.hgetall(f"{self._prefix}doc:{document_id}"))
        except (RedisError, OSError) as error:
            raise QueueUnavailable() from error

    async def cancel(self, document_id: UUID) -> None:
        """End a run as cancelled. Raises NotFound, or Conflict `already_ended`."""
        answer = await self._scripts.run("cancel", str(document_id), uuid4().hex)
        if answer == "missing":
            raise NotFound("document")
        if answer != "ok":
            raise Conflict("already_ended", f"The document is {answer}: only one that has not ended can be cancelled.")

    async def retry(self, job: GenerationJob, retry_id: str) -> None:
        """Begin a new run with this job. Raises NotFound, Conflict `not_ended`, RateLimited or SystemFull."""
        answer = await self._scripts.run(
            "retry",
            str(job.document_id),
            retry_id,
            head_fragment(job.head()),
            job.model_dump_json(),
            now_ms(),
            self._limits.max_open,
            self._limits.max_open_per_user,
        )
        match answer:
            case "ok":
                return
            case "missing":
                raise NotFound("document")
            case "user_full":
                raise RateLimited()
            case "system_full":
                raise SystemFull()
        raise Conflict("not_ended", f"The document is {answer}: only one that has ended can be retried.")

    async def delete(self, document_id: UUID, idempotency_key: str = "") -> None:
        """Cancel if need be, forget the data and the job's idempotency key, mark the row deleted. Raises NotFound."""
        if await self._scripts.run("delete", str(document_id), idempotency_key) != "ok":
            raise NotFound("document")

    async def job(self, document_id: UUID) -> GenerationJob | None:
        """Read a live document's job; None if Redis does not have it (any more)."""
        try:
            text = await self._redis.get(f"{self._prefix}job:{document_id}")
        except (RedisError, OSError) as error:
            raise QueueUnavailable() from error
        return None if text is None else GenerationJob.model_validate_json(text)

    async def restore(self, row: DocumentRow, job: GenerationJob | None, *, ttl_s: int = 3600) -> None:
        """Bring an ended document back from its last row, so that retry and delete find it."""
        fields: list[str | int] = [
            "head",
            head_fragment(DocumentHead.model_validate(row.model_dump())),
            "status",
            row.status,
            "run",
            row.run,
        ]
        fields += ["attempt", row.attempt, "crashes", 0, "token", row.seq * 1000, "seq", row.seq, "shipped", row.seq]
        lane = str(row.user_id) if row.lane == str(row.user_id) else f"{row.user_id}/{row.lane}"
        fields += ["user", str(row.user_id), "lane", lane, "priority", row.priority, "queued_at", row.queued_at]
        fields += ["delivery_status", row.delivery.status, "delivery_attempts", row.delivery.attempts]
        fields += ["deleted", row.deleted, f"e{row.seq}", tail_fragment(row)]
        fields += _outcome(row)
        if job and job.callback:
            fields += ["callback", job.callback.model_dump_json()]
        await self._scripts.run("restore", str(row.document_id), ttl_s, *fields)

    # The worker's side

    async def claim(self, worker: str, want: int, request_id: str) -> list[Claim]:
        """Lease up to `want` documents. The same `request_id` gets the same answer again."""
        flat = cast(list[str], await self._scripts.run("claim", worker, want, self.lease_ms, request_id))
        return [
            Claim(GenerationJob.model_validate_json(job), int(token), int(run), int(attempt), int(crashes))
            for _, token, run, attempt, crashes, job in zip(*[iter(flat)] * 6, strict=True)
        ]

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
        args: list[str | int] = [now_ms()]
        for failed in failures:
            error = failed.error.model_dump_json(exclude_none=True)
            args += [str(failed.document_id), failed.token, error, failed.render_ms]
            args.append("" if failed.delay_ms is None else failed.delay_ms)
        return cast(list[Outcome], await self._scripts.run("fail", *args))

    async def release(self, refs: list[tuple[UUID, int]]) -> int:
        """Give leased documents back untouched; returns how many were."""
        return cast(int, await self._scripts.run("release", *_flat(refs)))

    async def wait_for_work(self, timeout_s: float = 1) -> None:
        """Block until something was queued, or the timeout."""
        try:
            await self._redis.brpop([f"{self._prefix}wake:render"], timeout=timeout_s)
        except (RedisError, OSError) as error:
            raise QueueUnavailable() from error

    # The maintenance loops' side

    async def promote(self, at_ms: int, limit: int = 200) -> int:
        """Queue the delayed documents whose time has come; returns how many."""
        return cast(int, await self._scripts.run("promote", at_ms, limit))

    async def reap(self, limit: int = 200) -> Rescue:
        """Rescue documents whose lease ran out; those that crashed too often fail as `crashed_repeatedly`."""
        error = DocumentError(
            code="crashed_repeatedly",
            message=f"The document took its worker down {MAX_CRASHES} times and was set aside.",
            hint="Retry it after the cause is mended, or with another template version.",
        )
        arguments = (limit, MAX_CRASHES, error.model_dump_json(exclude_none=True))
        rescued, set_aside = cast(list[list[str]], await self._scripts.run("reap", *arguments))
        return Rescue([UUID(text) for text in rescued], [UUID(text) for text in set_aside])

    async def oldest_ms(self, lanes: int = 200) -> int | None:
        """Return how long the oldest queued document has waited; None if none does.

        Looks at the heads of the first `lanes` lanes of each priority: with more lanes than that it is a lower bound.
        """
        age = cast(int, await self._scripts.run("oldest", lanes))
        return None if age < 0 else age

    async def lengths(self) -> dict[str, int]:
        """Count documents: open in all, leased (claimed or rendering), delayed or scheduled."""
        try:
            async with self._redis.pipeline(transaction=False) as pipe:
                pipe.hget(f"{self._prefix}open", "all")
                pipe.zcard(f"{self._prefix}leases")
                pipe.zcard(f"{self._prefix}delayed")
                total, leased, delayed = await pipe.execute()
        except (RedisError, OSError) as error:
            raise QueueUnavailable() from error
        total = int(total or 0)
        return {"open": total, "leased": leased, "delayed": delayed, "waiting": max(0, total - leased - delayed)}


def rows_of(fields: dict[str, str]) -> list[DocumentRow]:
    """Put a document hash's rows together, oldest first; empty for an empty hash."""
    head = fields.get("head")
    numbers = sorted(int(name[1:]) for name in fields if name[0] == "e" and name[1:].isdigit())
    return [DocumentRow.model_validate_json(f"{head}{fields[f'e{number}']}") for number in numbers]


def delivery_of(fields: Mapping[str, str | None]) -> Delivery:
    """Read how far a document's webhook is from its hash, which knows of every attempt."""
    next_at = fields.get("delivery_next")
    return Delivery.model_validate(
        {
            "status": fields["delivery_status"],
            "attempts": int(fields["delivery_attempts"] or 0),
            "next_attempt_at": None if next_at is None else int(next_at),
        }
    )


def _delivery_updated(row: DocumentRow, fields: Mapping[str, str | None]) -> DocumentRow:
    if fields.get("run") != str(row.run):
        return row
    return row.model_copy(update={"delivery": delivery_of(fields)})


def tail_fragment(row: DocumentRow) -> str:
    """Write the changing part of a row as the scripts do: JSON without its opening brace."""
    return "," + row.model_dump_json(exclude=set(DocumentHead.model_fields))[1:]


def _outcome(row: DocumentRow) -> list[str | int]:
    """Return what a run came to as fields of the document's hash; what is not known has no field."""
    fields: list[str | int] = ["worker", row.worker]
    for name in ("started_at", "completed_at", "expires_at", "render_ms"):
        if (value := getattr(row, name)) is not None:
            fields += [name, value]
    if row.result:
        fields += ["result", row.result.model_dump_json()]
    if row.error:
        fields += ["error", row.error.model_dump_json(exclude_none=True)]
    return fields


def _flat(refs: list[tuple[UUID, int]]) -> list[str | int]:
    return [value for document_id, token in refs for value in (str(document_id), token)]
