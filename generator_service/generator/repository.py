"""What the generator reads from ClickHouse: the panel's numbers, and documents that have left Redis: their webhooks may
outlive them there, and their bytes do.
"""

from collections.abc import Collection
from dataclasses import dataclass
from typing import cast
from uuid import UUID

from backends.clickhouse import ClickHouse, Parameter, Row, array
from backends.history import document_history, window
from contracts.documents import DeliveryStatus, DocumentRow, Status
from contracts.standing import Standing

# What ended is counted when it ended, so that a minute's numbers are final once the minute is over. Documents that wait
# longer than `slack` are missed: the table is sorted by the time of accepting.
ENDED = """
SELECT
  intDiv(completed_at, {bucket:Int64}) * {bucket:Int64} AS bucket_at,
  countIf(status = 'completed') AS completed,
  countIf(status = 'failed') AS failed,
  countIf(status = 'cancelled') AS cancelled,
  sum(bytes) AS total_bytes,
  quantilesTDigest(0.5, 0.95)(completed_at - queued_at) AS total_ms
FROM documents FINAL
WHERE created_at >= {since:Int64} - {slack:Int64} AND completed_at >= {since:Int64}
  AND status IN ('completed', 'failed', 'cancelled')
GROUP BY bucket_at ORDER BY bucket_at
"""

DEAD_DELIVERIES = """
SELECT count() AS dead FROM deliveries FINAL WHERE created_at >= {since:Int64} AND status = 'dead'
"""

# Ids of one step are of about the same time, which is what the table is sorted by.
STANDINGS = """
SELECT document_id, status, deleted, completed_at, expires_at, at,
  JSONExtractString(result, 'key') AS result_key, JSONExtractString(delivery, 'status') AS delivery_status
FROM documents FINAL
PREWHERE created_at BETWEEN {earliest:Int64} AND {latest:Int64} AND document_id IN {ids:Array(UUID)}
"""

# FINAL: the document's older rows would hold a template that its newest one has let go of.
PINNED_TEMPLATES = """
SELECT DISTINCT template_sha256 FROM documents FINAL
WHERE template_sha256 IN {digests:Array(String)} AND deleted = 0
  AND (status NOT IN ('completed', 'failed', 'cancelled') OR coalesce(completed_at, at) >= {since:Int64})
"""
#: It reads a column of every document, and nobody waits for it.
PINNED_TIMEOUT_S = 60

#: Scheduled and starved documents may be accepted long before they end.
SLACK_MS = 86_400_000


@dataclass(frozen=True)
class Bucket:
    """What ended between `at` and the next bucket. `at` in epoch ms; quantiles in ms, from queued to ended."""

    at: int
    completed: int = 0
    failed: int = 0
    cancelled: int = 0
    total_bytes: int = 0
    total_p50: float | None = None
    total_p95: float | None = None

    @property
    def ended(self) -> int:
        return self.completed + self.failed + self.cancelled


class HistoryRepository:
    """Raises HistoryUnavailable from every method when ClickHouse does not answer."""

    def __init__(self, clickhouse: ClickHouse) -> None:
        self._clickhouse = clickhouse

    async def ended(self, since_ms: int, bucket_ms: int) -> list[Bucket]:
        """Count the documents that ended since a moment, oldest bucket first; empty buckets are left out."""
        parameters = {"since": since_ms, "bucket": bucket_ms, "slack": SLACK_MS}
        return [_bucket(row) for row in await self._clickhouse.rows(ENDED, parameters)]

    async def dead_deliveries(self, since_ms: int) -> int:
        """Count the webhooks that were given up, of those that became due since a moment."""
        rows = await self._clickhouse.rows(DEAD_DELIVERIES, {"since": since_ms})
        return cast(int, rows[0]["dead"])

    async def events(self, document_id: UUID) -> list[DocumentRow]:
        """Read a document's rows after each transition, oldest first; empty for one that is deleted or not there."""
        return await document_history(self._clickhouse, document_id)

    async def standings(self, document_ids: Collection[UUID]) -> dict[UUID, Standing]:
        """Return how documents stand by their newest rows; those that are not there are left out."""
        rows = await self._clickhouse.rows(STANDINGS, window(document_ids))
        return {UUID(str(row["document_id"])): _standing(row) for row in rows}

    async def pinned_templates(self, digests: Collection[str], since_ms: int) -> set[str]:
        """Pick the digests that documents are made from which have not ended, or not before a moment."""
        parameters: dict[str, Parameter] = {"digests": array(digests), "since": since_ms}
        rows = await self._clickhouse.rows(PINNED_TEMPLATES, parameters, timeout_s=PINNED_TIMEOUT_S)
        return {str(row["template_sha256"]) for row in rows}


def _standing(row: Row) -> Standing:
    return Standing(
        status=Status(str(row["status"])),
        deleted=row["deleted"] == 1,
        result_key=str(row["result_key"]) or None,
        ended_at=cast(int | None, row["completed_at"]),
        expires_at=cast(int | None, row["expires_at"]),
        delivery=cast(DeliveryStatus, row["delivery_status"] or "none"),
        changed_at=cast(int, row["at"]),
    )


def _bucket(row: Row) -> Bucket:
    total = cast(list[float | None], row["total_ms"])
    counts = (cast(int, row[name]) for name in ("bucket_at", "completed", "failed", "cancelled", "total_bytes"))
    return Bucket(*counts, *total)
