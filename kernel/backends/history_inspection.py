"""What the doctor asks ClickHouse: which documents and deliveries it thinks unfinished, and what it has of what.

Reads much at once, so every question has a long time limit, and what may be large comes in pages.
"""

from collections.abc import AsyncIterator, Collection, Sequence
from itertools import batched, groupby
from typing import NamedTuple, cast
from uuid import UUID

from backends.clickhouse import ClickHouse, Parameter, Row, array
from backends.event_line import document_event
from backends.history import DOCUMENT_COLUMNS, document_row, window
from contracts.deliveries import Delivery, DeliveryAttempt, member_of
from contracts.documents import FETCH_MS, DocumentRow
from contracts.errors import HistoryUnavailable

TIMEOUT_S = 120.0
IDS, PAGE = 500, 2_000
#: multiSearchAny takes 255 texts at most, also for a table without rows.
NEEDLES = 250

UNFINISHED = f"""
SELECT created_at, document_id FROM documents FINAL
PREWHERE created_at >= {{at:Int64}} AND (created_at, document_id) > ({{at:Int64}}, {{after:UUID}})
WHERE status IN ('scheduled', 'queued', 'rendering') AND deleted = 0
ORDER BY created_at, document_id LIMIT {PAGE}
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

PENDING = f"""
SELECT created_at, delivery_id FROM deliveries FINAL
PREWHERE created_at >= {{at:Int64}} AND (created_at, delivery_id) > ({{at:Int64}}, {{after:UUID}})
WHERE status = 'pending' ORDER BY created_at, delivery_id LIMIT {PAGE}
"""

NAMES = """
SELECT created_at, delivery_id, any(document_id) AS document, any(run) AS number,
  any(endpoint_id) AS endpoint FROM webhook_deliveries
PREWHERE created_at BETWEEN {earliest:Int64} AND {latest:Int64} AND delivery_id IN {ids:Array(UUID)}
GROUP BY created_at, delivery_id
"""

LINES = """
SELECT delivery_id, attempt, document_id, user_id, run, type, endpoint_id, url, status, next_attempt_at, at,
  created_at
FROM webhook_deliveries FINAL
PREWHERE created_at BETWEEN {earliest:Int64} AND {latest:Int64} AND delivery_id IN {ids:Array(UUID)}
ORDER BY created_at, delivery_id, attempt
"""

DELIVERIES_KNOWN = """
SELECT toString(delivery_id) AS id FROM webhook_deliveries
WHERE delivery_id IN {ids:Array(UUID)} GROUP BY id
"""

TABLES = "SELECT name FROM system.tables WHERE database = currentDatabase()"


class DeliveryKey(NamedTuple):
    """What the tables of deliveries are sorted by. `created_at` in epoch milliseconds."""

    created_at: int
    delivery_id: UUID


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

    async def unfinished(self) -> AsyncIterator[list[str]]:
        """Go through the ids of documents whose newest row says that their run has not ended, oldest first."""
        async for rows in self._pages(UNFINISHED, "document_id"):
            yield [str(row["document_id"]) for row in rows]

    async def newest(self, ids: Collection[str]) -> dict[str, DocumentRow]:
        """Read documents' newest rows, by id."""
        found = dict[str, DocumentRow]()
        for step in batched(sorted(ids), IDS):
            rows = await self._clickhouse.rows(NEWEST, window([UUID(id_) for id_ in step]), timeout_s=TIMEOUT_S)
            found |= {str(row["document_id"]): document_row(row) for row in rows}
        return found

    async def completed(self, now: int) -> AsyncIterator[list[DocumentRow]]:
        """Go through the completed documents whose bytes may be fetched at `now` (epoch ms), oldest first."""
        async for rows in self._pages(COMPLETED, "document_id", now=now):
            yield [document_row(row) for row in rows]

    async def sequences(self, ids: Sequence[str]) -> dict[str, set[int]]:
        """Return which transitions of these documents (at most 1,000) are in the log, by id."""
        rows = await self._clickhouse.rows(SEQUENCES, window([UUID(id_) for id_ in ids]), timeout_s=TIMEOUT_S)
        return {str(row["id"]): set(cast(list[int], row["seqs"])) for row in rows}

    async def quarantined(self, ids: Sequence[str]) -> dict[str, set[int]]:
        """Return which transitions of these documents were set aside because the log would not take them, by id."""
        found = dict[str, set[int]]()
        for step in batched(ids, NEEDLES):
            for row in await self._clickhouse.rows(QUARANTINED, {"ids": array(step)}, timeout_s=TIMEOUT_S):
                id_, seq = _identity(str(row["line"]))
                found.setdefault(id_, set()).add(seq)
        return found

    async def pending_deliveries(self) -> AsyncIterator[dict[str, DeliveryKey]]:
        """Go through the deliveries that are neither delivered nor dead, oldest first, by their names in Redis."""
        async for page in self._pages(PENDING, "delivery_id"):
            for step in batched(page, IDS):
                rows = await self._clickhouse.rows(NAMES, _among([_key(row) for row in step]), timeout_s=TIMEOUT_S)
                yield {_member(row): _key(row) for row in rows}

    async def deliveries(self, keys: Collection[DeliveryKey]) -> list[Delivery]:
        """Read deliveries (at most 1,000) from the log of their attempts."""
        if not keys:
            return []
        rows = await self._clickhouse.rows(LINES, _among(keys), timeout_s=TIMEOUT_S)
        lines = [DeliveryAttempt.model_validate(row) for row in rows]
        return [Delivery.of(list(group)) for _, group in groupby(lines, key=lambda line: line.delivery_id)]

    async def deliveries_known(self, ids: Sequence[UUID]) -> set[UUID]:
        """Return which of these deliveries (at most 1,000) the log has a line of."""
        rows = await self._clickhouse.rows(DELIVERIES_KNOWN, {"ids": array(ids)}, timeout_s=TIMEOUT_S)
        return {UUID(str(row["id"])) for row in rows}

    async def _pages(self, sql: str, id_column: str, **parameters: Parameter) -> AsyncIterator[list[Row]]:
        """Go through what a statement selects PAGE by PAGE, in the order of `created_at` and another column."""
        at, after = 0, str(UUID(int=0))
        while True:
            rows = await self._clickhouse.rows(sql, {**parameters, "at": at, "after": after}, timeout_s=TIMEOUT_S)
            if rows:
                at, after = cast(int, rows[-1]["created_at"]), str(rows[-1][id_column])
                yield rows
            if len(rows) < PAGE:
                return


def _key(row: Row) -> DeliveryKey:
    return DeliveryKey(cast(int, row["created_at"]), UUID(str(row["delivery_id"])))


def _member(row: Row) -> str:
    endpoint = UUID(str(row["endpoint"])) if row["endpoint"] else None
    return member_of(UUID(str(row["document"])), cast(int, row["number"]), endpoint)


def _among(keys: Collection[DeliveryKey]) -> dict[str, Parameter]:
    made = [key.created_at for key in keys]
    return {"earliest": min(made), "latest": max(made), "ids": array(key.delivery_id for key in keys)}


def _identity(line: str) -> tuple[str, int]:
    try:
        return document_event(line.encode())[:2]
    except (ValueError, KeyError, TypeError):
        return "", 0
