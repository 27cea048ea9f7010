"""What the doctor asks ClickHouse: which documents and deliveries it thinks unfinished, and what it has of what.

Reads much at once, so every question has a long time limit and comes in steps where its answer may be large.
"""

from collections.abc import AsyncIterator, Collection, Sequence
from itertools import batched, groupby
from typing import cast
from uuid import UUID

from backends.clickhouse import ClickHouse, Parameter, Row
from backends.event_line import document_event
from backends.history import DOCUMENT_COLUMNS, ID_CLOCK_SLACK_MS, document_row
from contracts.deliveries import Delivery, DeliveryAttempt
from contracts.documents import FETCH_MS, DocumentRow
from contracts.errors import HistoryUnavailable
from contracts.ids import id_ms

TIMEOUT_S = 120.0
IDS, PAGE = 500, 2_000
#: multiSearchAny takes 255 texts at most, also for a table without rows.
NEEDLES = 250

UNFINISHED = """
SELECT toString(document_id) AS id FROM documents FINAL
WHERE status IN ('scheduled', 'queued', 'rendering') AND deleted = 0
"""

NEWEST = f"""
SELECT {DOCUMENT_COLUMNS} FROM documents FINAL
PREWHERE created_at BETWEEN {{earliest:Int64}} AND {{latest:Int64}} AND document_id IN {{ids:Array(UUID)}}
"""

COMPLETED = f"""
SELECT {DOCUMENT_COLUMNS} FROM documents FINAL
PREWHERE created_at >= {{at:Int64}} AND (created_at, document_id) > ({{at:Int64}}, {{after:UUID}})
WHERE status = 'completed' AND deleted = 0 AND (
  expires_at IS NULL OR expires_at > {{now:Int64}} OR JSONExtractString(delivery, 'status') = 'pending'
  OR (at > {{now:Int64}} - {FETCH_MS} AND JSONExtractString(delivery, 'status') IN ('delivered', 'dead'))
)
ORDER BY created_at, document_id LIMIT {PAGE}
"""

SEQUENCES = """
SELECT toString(document_id) AS id, groupUniqArray(seq) AS seqs FROM document_events
PREWHERE created_at BETWEEN {earliest:Int64} AND {latest:Int64} AND document_id IN {ids:Array(UUID)} GROUP BY id
"""

QUARANTINED = """
SELECT line FROM events_quarantine FINAL WHERE kind = 'd' AND multiSearchAny(line, {ids:Array(String)})
"""

PENDING = """
SELECT delivery_id, attempt, document_id, user_id, run, type, url, status, next_attempt_at, at, created_at
FROM webhook_deliveries FINAL
PREWHERE (created_at, delivery_id) IN (SELECT created_at, delivery_id FROM deliveries FINAL WHERE status = 'pending')
ORDER BY created_at, delivery_id, attempt
"""

DELIVERIES_KNOWN = """
SELECT toString(delivery_id) AS id FROM webhook_deliveries
WHERE delivery_id IN {ids:Array(UUID)} GROUP BY id
"""

TABLES = "SELECT name FROM system.tables WHERE database = currentDatabase()"


class HistoryInspection:
    """Raises HistoryUnavailable from every method when ClickHouse does not answer or has no such table."""

    def __init__(self, clickhouse: ClickHouse) -> None:
        self._clickhouse = clickhouse

    async def tables(self) -> set[str]:
        """Name the tables and views of our database; none if a server that answers has no such database."""
        if not await self.answers():
            raise HistoryUnavailable()
        try:
            return {str(row["name"]) for row in await self._clickhouse.rows(TABLES)}
        except HistoryUnavailable:
            return set()

    async def answers(self) -> bool:
        """Tell whether the server answers, with or without our tables."""
        return await self._clickhouse.ping()

    async def unfinished(self) -> list[str]:
        """Return the ids of documents whose newest row says that their run has not ended."""
        return [str(row["id"]) for row in await self._clickhouse.rows(UNFINISHED, timeout_s=TIMEOUT_S)]

    async def newest(self, ids: Collection[str]) -> dict[str, DocumentRow]:
        """Read documents' newest rows, by id."""
        found = dict[str, DocumentRow]()
        for step in batched(sorted(ids), IDS):
            rows = await self._clickhouse.rows(NEWEST, _window(step), timeout_s=TIMEOUT_S)
            found |= {str(row["document_id"]): document_row(row) for row in rows}
        return found

    async def completed(self, now: int) -> AsyncIterator[list[DocumentRow]]:
        """Go through the completed documents whose bytes may be fetched at `now` (epoch ms), oldest first."""
        at, after = 0, str(UUID(int=0))
        while True:
            parameters: dict[str, Parameter] = {"at": at, "after": after, "now": now}
            found = await self._clickhouse.rows(COMPLETED, parameters, timeout_s=TIMEOUT_S)
            rows = [document_row(row) for row in found]
            if rows:
                at, after = rows[-1].created_at, str(rows[-1].document_id)
                yield rows
            if len(rows) < PAGE:
                return

    async def sequences(self, ids: Sequence[str]) -> dict[str, set[int]]:
        """Return which transitions of these documents (at most 1,000) are in the log, by id."""
        rows = await self._clickhouse.rows(SEQUENCES, _window(ids), timeout_s=TIMEOUT_S)
        return {str(row["id"]): set(cast(list[int], row["seqs"])) for row in rows}

    async def quarantined(self, ids: Sequence[str]) -> dict[str, set[int]]:
        """Return which transitions of these documents were set aside because the log would not take them, by id."""
        found = dict[str, set[int]]()
        for step in batched(ids, NEEDLES):
            texts = "[" + ",".join(f"'{id_}'" for id_ in step) + "]"
            for row in await self._clickhouse.rows(QUARANTINED, {"ids": texts}, timeout_s=TIMEOUT_S):
                id_, seq = _identity(str(row["line"]))
                found.setdefault(id_, set()).add(seq)
        return found

    async def pending_deliveries(self) -> list[Delivery]:
        """Read the deliveries that are neither delivered nor dead, oldest first."""
        rows = await self._clickhouse.rows(PENDING, timeout_s=TIMEOUT_S)
        lines = [DeliveryAttempt.model_validate(row) for row in rows]
        return [Delivery.of(list(group)) for _, group in groupby(lines, key=lambda line: line.delivery_id)]

    async def deliveries_known(self, ids: Sequence[UUID]) -> set[UUID]:
        """Return which of these deliveries (at most 1,000) the log has a line of."""
        parameters = {"ids": _array([str(id_) for id_ in ids])}
        rows = await self._clickhouse.rows(DELIVERIES_KNOWN, parameters, timeout_s=TIMEOUT_S)
        return {UUID(str(row["id"])) for row in rows}


def _window(ids: Sequence[str]) -> dict[str, Parameter]:
    made = [id_ms(UUID(id_)) for id_ in ids]
    earliest, latest = min(made) - ID_CLOCK_SLACK_MS, max(made) + ID_CLOCK_SLACK_MS
    return {"earliest": earliest, "latest": latest, "ids": _array(ids)}


def _array(ids: Sequence[str]) -> str:
    return "[" + ",".join(f"'{UUID(id_)}'" for id_ in ids) + "]"


def _identity(line: str) -> tuple[str, int]:
    try:
        return document_event(line.encode())[:2]
    except (ValueError, KeyError, TypeError):
        return "", 0
