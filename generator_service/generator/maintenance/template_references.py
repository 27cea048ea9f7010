"""Which template sources are needed: by a template's head, or by a document that may be made (again) from one.

A document pins a version at accept, so one that no head has shown for a while gets no new documents. Heads are those of
Redis and, before anything goes, those of history: a Redis that was lost has its shipped templates back long before it
may have those that users made. A deleted template's sources stay as long as its documents may be retried.
"""

from collections.abc import Callable, Collection

from backends.blobs import StoredBlob
from backends.event_log import EventLog
from backends.history_templates import HistoryTemplates
from backends.template_store import TemplateStore
from contracts.ids import now_ms
from contracts.templates import TemplateHead
from generator.maintenance.retention import Retention
from generator.repository import HistoryRepository

#: A request that looked a head up just before it changed has been accepted, and its event written, after this time.
ACCEPTED_MS = 60_000


class TemplateReferences:
    """Raises QueueUnavailable, HistoryUnavailable."""

    def __init__(
        self,
        store: TemplateStore,
        history: HistoryRepository,
        heads: HistoryTemplates,
        events: EventLog,
        retention: Retention,
        clock_ms: Callable[[], int] = now_ms,
    ) -> None:
        self._store = store
        self._history = history
        self._heads = heads
        self._events = events
        self._retention = retention
        self._clock_ms = clock_ms
        self._missed_since: dict[str, int] = {}

    async def known(self) -> set[str]:
        """Return the digests of all versions of all templates; empty if Redis has been emptied."""
        known = self._named([*await self._store.shipped_heads(), *await self._store.owned()])
        self._missed_since = {digest: at for digest, at in self._missed_since.items() if digest not in known}
        return known

    async def unreferenced(self, blobs: Collection[StoredBlob], known: set[str]) -> list[StoredBlob]:
        """Pick the sources that nothing needs: old, unknown for long, and no document's that may yet be made."""
        now = self._clock_ms()
        old = [blob for blob in blobs if now - blob.written_at > self._retention.templates_ms]
        missed = {digest_of(blob): blob for blob in old if digest_of(blob) not in known}
        since = {digest: self._missed_since.setdefault(digest, now) for digest in missed}
        in_history_until = now - await self._events.lag_ms() - ACCEPTED_MS if missed else now
        ripe = [
            digest for digest, at in since.items() if now - at >= self._retention.missed_ms and at <= in_history_until
        ]
        needed = await self._history.pinned_templates(ripe, self._inputs_since(now)) if ripe else set()
        needed |= self._named(await self._heads.heads()) if set(ripe) - needed else set()
        return [missed[digest] for digest in ripe if digest not in needed]

    def _named(self, heads: Collection[TemplateHead]) -> set[str]:
        """Return the digests of all versions of templates that are there, or were until their documents' inputs go."""
        since = self._inputs_since(self._clock_ms())
        kept = [head for head in heads if head.deleted_at is None or head.deleted_at >= since]
        return {version.sha256 for head in kept for version in head.versions}

    def _inputs_since(self, now: int) -> int:
        """Return since when documents must have ended for their inputs to be there still."""
        return 0 if self._retention.inputs_ms is None else now - self._retention.inputs_ms - self._retention.grace_ms


def digest_of(blob: StoredBlob) -> str:
    """Return the sha256 that a template's source or picture is named by."""
    return blob.key.split("/")[1].partition("-")[0]
