"""What the generator reads from ClickHouse: the panel's numbers, and documents whose webhook outlived them in Redis."""

from dataclasses import dataclass
from typing import cast
from uuid import UUID

from backends.clickhouse import ClickHouse, Row
from backends.history import document_history
from contracts.documents import DocumentRow

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


def _bucket(row: Row) -> Bucket:
    total = cast(list[float | None], row["total_ms"])
    counts = (cast(int, row[name]) for name in ("bucket_at", "completed", "failed", "cancelled", "total_bytes"))
    return Bucket(*counts, *total)
