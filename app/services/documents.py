"""Documents: accept, find, wait for, cancel, retry, delete. The commit point of a 202 is `DocumentQueue.enqueue`."""

import hashlib
import time
from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from uuid import UUID, uuid4

import structlog

from app.repository.documents import DocumentFilter, DocumentRepository
from app.services.assets import AssetService
from app.services.auth import Principal
from app.services.fonts import FontService
from app.services.templates import TemplateService
from backends.blobs import BlobStore
from backends.changes import Changes, Watch
from backends.queue import Accepted, DocumentQueue, Idempotency
from contracts.assets import digests
from contracts.cursors import Position
from contracts.documents import DocumentRow
from contracts.errors import Conflict, Gone, Invalid, NotFound, PermanentError, PressworkError, RateLimited, SystemFull
from contracts.ids import now_ms
from contracts.jobs import GenerationJob, held_keys, input_key
from contracts.targets import AllowList, judge_at_accept, judge_headers

log = structlog.get_logger(__name__)


@dataclass(frozen=True)
class IdempotentRequest:
    """The client's key and the digest of what it asked for."""

    key: str
    fingerprint: str


@dataclass(frozen=True)
class DocumentStores:
    """Where documents are: the live ones, the history, and the bytes."""

    queue: DocumentQueue
    history: DocumentRepository
    blobs: BlobStore
    changes: Changes


class DocumentService:
    def __init__(
        self,
        stores: DocumentStores,
        templates: TemplateService,
        assets: AssetService,
        fonts: FontService,
        allowed_targets: AllowList,
        idempotency_ttl_s: int,
    ) -> None:
        self._queue = stores.queue
        self._history = stores.history
        self._blobs = stores.blobs
        self._changes = stores.changes
        self._templates = templates
        self._assets = assets
        self._fonts = fonts
        self._allowed_targets = allowed_targets
        self._idempotency_ttl_s = idempotency_ttl_s

    async def accept(self, job: GenerationJob, reference: str | None, idempotent: IdempotentRequest | None) -> Accepted:
        """Check a job, pin its template and put it on disk.

        Raises Invalid, IdempotencyMismatch, RateLimited, SystemFull, QueueUnavailable, BlobUnavailable.
        """
        scoped = self._scoped(job.user_id, idempotent)
        try:
            if job.callback:
                judge_at_accept(job.callback.url, self._allowed_targets)
                judge_headers(job.callback.headers)
            job, held = await self.prepared(job, reference)
        except Invalid as error:
            return await self._replayed(scoped, error)
        if scoped:
            job = job.model_copy(update=_remembered(scoped))
        accepted = await self._enqueued(job, scoped, held)
        ids = {"document_id": str(accepted.document_id), "user_id": str(job.user_id)}
        log.info("document.accepted", **ids, template=reference, format=job.format, replayed=accepted.replayed)
        return accepted

    async def _replayed(self, scoped: Idempotency | None, refusal: Invalid) -> Accepted:
        """Answer what was right when it came first as it was answered then. Raises the refusal, IdempotencyMismatch."""
        replayed = await self._queue.replay(scoped) if scoped else None
        if replayed is None:
            raise refusal
        return replayed

    async def prepared(self, job: GenerationJob, reference: str | None) -> tuple[GenerationJob, list[str]]:
        """Pin a job's template or fonts and judge its data; returns it, and what holds its files. Raises Invalid."""
        if reference is not None:
            job = await self._pinned(job, reference)
        elif job.source is not None:
            fonts = await self._fonts.named_in(job.user_id, job.source.content)
            job = job.model_copy(update={"source": job.source.model_copy(update={"fonts": fonts})}) if fonts else job
        return job, held_keys(job.document_id, await self._assets.require(job.user_id, job.data), job.source)

    async def _enqueued(self, job: GenerationJob, scoped: Idempotency | None, held: list[str]) -> Accepted:
        """Put a job on disk, its assets and fonts held first: when it is there, nobody may remove them any more."""
        if held:
            await self._blobs.put_many(dict.fromkeys(held, b""))
        accepted: Accepted | None = None
        refusal: PressworkError = PermanentError()
        try:
            accepted = await self._queue.enqueue(job, scoped)
        except (PermanentError, RateLimited, SystemFull) as error:  # other errors do not tell: then they stay held
            refusal = error
        if accepted is None or accepted.document_id != job.document_id:
            await self._blobs.delete_many(held)
        if accepted is None:
            raise refusal
        return accepted

    async def get(self, caller: Principal, document_id: UUID) -> DocumentRow:
        """Read a document from Redis, or from history once it has left. Raises NotFound, HistoryUnavailable."""
        row = await self._queue.live(document_id) or await self._history.get(document_id)
        if row is None or row.deleted or not caller.sees(row.user_id):
            raise NotFound("document")
        return row

    async def row(self, document_id: UUID) -> DocumentRow:
        """Read a document for somebody who holds a signed link. Raises NotFound, HistoryUnavailable."""
        row = await self._queue.live(document_id) or await self._history.get(document_id)
        if row is None or row.deleted:
            raise NotFound("document")
        return row

    async def wait(
        self, caller: Principal, document_id: UUID, seconds: float, renew: Callable[[], Awaitable[Principal]]
    ) -> DocumentRow:
        """Read a document once it has ended, or as it is after `seconds` or when this process ends.

        `renew`: who the caller is by now.
        """
        if seconds <= 0:
            return await self.get(caller, document_id)
        deadline = time.monotonic() + seconds
        async with self._changes.watching(document_id) as watch:
            while True:
                row = await self.get(caller, document_id)
                left = deadline - time.monotonic()
                if row.terminal or left <= 0 or watch.over:
                    return row
                await watch.changed(left)
                caller = await renew()

    async def page(
        self, caller: Principal, filter_: DocumentFilter, position: Position | None, limit: int
    ) -> tuple[list[DocumentRow], Position | None]:
        """List documents that the caller sees, newest first. Raises HistoryUnavailable, QueueUnavailable."""
        rows, following = await self._history.list(filter_, position, limit)
        return await self._queue.with_live_deliveries(rows), following

    async def events(self, caller: Principal, document_id: UUID) -> list[DocumentRow]:
        """Read a document's transitions, oldest first. Raises NotFound, HistoryUnavailable."""
        live = await self._queue.live_events(document_id)
        if live and live[0].seq == 1:
            rows = live
        else:
            merged = {row.seq: row for row in [*await self._history.events(document_id), *live]}
            rows = [merged[seq] for seq in sorted(merged)]
        if not rows or rows[-1].deleted or not caller.sees(rows[-1].user_id):
            raise NotFound("document")
        return rows

    def watching(self, document_id: UUID) -> AbstractAsyncContextManager[Watch]:
        """Watch a document for changes: read it inside the block, then await `changed`."""
        return self._changes.watching(document_id)

    async def content(self, row: DocumentRow) -> tuple[str, int]:
        """Return the key and size of a document's bytes. Raises Conflict `not_ready` or `document_failed`, Gone."""
        if not row.terminal:
            raise Conflict("not_ready", f"The document is {row.status}: wait for it with ?wait= or poll it.")
        if row.result is None:
            why = row.error.message if row.error else "it was cancelled."
            raise Conflict("document_failed", f"The document has no content: {why}")
        if row.bytes_until is not None and row.bytes_until <= now_ms():
            raise Gone()
        size = await self._blobs.size(row.result.key)
        if size is None:
            raise Gone()
        return row.result.key, size

    async def cancel(self, caller: Principal, document_id: UUID) -> DocumentRow:
        """Cancel a run that has not ended. Raises NotFound, Conflict `already_ended`."""
        row = await self.get(caller, document_id)
        if row.terminal:
            raise Conflict("already_ended", f"The document is {row.status}: only one under way can be cancelled.")
        await self._queue.cancel(document_id)
        return await self.get(caller, document_id)

    async def retry(self, caller: Principal, document_id: UUID, reference: str | None, request_id: str) -> DocumentRow:
        """Run an ended document again, optionally with another template version; `request_id` marks the run's logs.

        Raises NotFound, Conflict `not_ended` or `input_expired`, Invalid at `/template`.
        """
        row = await self.get(caller, document_id)
        if not row.terminal:
            raise Conflict("not_ended", f"The document is {row.status}: only one that has ended can be retried.")
        job = await self.kept_job(document_id)
        if job is None:
            raise Conflict("input_expired", "The document's data is no longer kept: request it again.")
        job = job.model_copy(update={"request_id": request_id})
        if reference is not None:
            if job.template is None:
                raise Invalid.at("/template", "The document was made from an inline source, not from a template.")
            job = await self._pinned(job, reference)
        await self._blobs.put_many(dict.fromkeys(held_keys(document_id, digests(job.data), job.source), b""))
        await self._queue.restore(row, job)
        await self._queue.retry(job, str(uuid4()))
        return await self.get(caller, document_id)

    async def _pinned(self, job: GenerationJob, reference: str) -> GenerationJob:
        pin = self._templates.pin
        pinned, warnings = await pin(reference, job.format, job.user_id, job.data, strict=job.options.strict)
        return job.model_copy(update={"template": pinned, "warnings": warnings})

    async def delete(self, caller: Principal, document_id: UUID) -> None:
        """Forget a document's data, bytes and idempotency key; the log row stays. Raises NotFound."""
        row = await self.get(caller, document_id)
        job = await self.kept_job(document_id)
        await self._queue.restore(row, None)
        await self._queue.delete(document_id, job.idempotency_key if job else "")
        await self._blobs.delete_prefix(f"results/{document_id}")
        await self._blobs.delete(input_key(document_id))

    async def restore(self, row: DocumentRow) -> None:
        """Bring an ended document that has left Redis back for a while, so that its webhook is seen to settle."""
        await self._queue.restore(row, None)

    async def kept_job(self, document_id: UUID) -> GenerationJob | None:
        """Read what a document was made from; None once that is no longer kept, or if nobody can read it any more."""
        try:
            job = await self._queue.job(document_id)
            if job is not None:
                return job
            kept = await self._blobs.get(input_key(document_id))
            return None if kept is None else GenerationJob.model_validate_json(kept)
        except ValueError:
            log.error("input.unreadable", document_id=str(document_id))
            return None

    def _scoped(self, user_id: UUID, idempotent: IdempotentRequest | None) -> Idempotency | None:
        if idempotent is None:
            return None
        scope = hashlib.sha256(f"{user_id}\n/v1/documents\n{idempotent.key}".encode()).hexdigest()
        return Idempotency(scope, idempotent.fingerprint, self._idempotency_ttl_s)


def _remembered(idempotency: Idempotency) -> dict[str, object]:
    """Return what a job remembers of the client's key: whoever rebuilds the queue from inputs puts it back."""
    return {
        "idempotency_key": idempotency.key,
        "idempotency_fingerprint": idempotency.fingerprint,
        "idempotency_until": now_ms() + idempotency.ttl_s * 1000,
    }
