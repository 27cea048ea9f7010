"""Webhook deliveries in ClickHouse: lists with filters, and one delivery by its id.

The log has a line for each attempt, and one (attempt 0) for becoming due; the newest line says how a delivery stands,
and is what the table `deliveries` keeps of it: pages are found there and read from the log.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import batched, groupby
from typing import cast
from uuid import UUID

from backends.clickhouse import ClickHouse, Parameter, Row, array
from backends.deliveries import EndedRun
from backends.history import ID_CLOCK_SLACK_MS
from contracts.cursors import Position
from contracts.deliveries import Delivery, DeliveryAttempt
from contracts.ids import id_ms, now_ms

Found = list[Delivery]
Runs = list[EndedRun]
DeliveryPage = tuple[Found, Position | None]

COLUMNS = (
    "delivery_id, attempt, document_id, user_id, run, type, endpoint_id, url, status, http_status, duration_ms, dns_ms,"
    " connect_ms, tls_ms, first_byte_ms, error, error_detail, response_excerpt, next_attempt_at, at, created_at"
)

#: Most lists are of the last hours: what the newest day, then month, cannot fill is looked for in everything.
WINDOWS_MS = (86_400_000, 30 * 86_400_000)

PAGE = f"""
SELECT {COLUMNS} FROM webhook_deliveries FINAL
PREWHERE (created_at, delivery_id) IN (
  SELECT created_at, delivery_id FROM deliveries FINAL
  WHERE {{conditions}} ORDER BY created_at DESC, delivery_id DESC LIMIT {{{{limit:UInt32}}}}
)
ORDER BY created_at DESC, delivery_id DESC, attempt
"""

ONE = f"SELECT {COLUMNS} FROM webhook_deliveries FINAL WHERE delivery_id = {{id:UUID}} ORDER BY attempt"

# A ping is sent once.
DEAD = """
SELECT created_at, delivery_id FROM deliveries FINAL
WHERE endpoint_id = {endpoint:UUID} AND status = 'dead' AND created_at >= {since:Int64}
  AND delivery_id NOT IN (
    SELECT delivery_id FROM webhook_deliveries WHERE endpoint_id = {endpoint:UUID} AND type = 'ping'
  )
ORDER BY created_at, delivery_id LIMIT {limit:UInt32}
"""

LINES = f"""
SELECT {COLUMNS} FROM webhook_deliveries FINAL
PREWHERE created_at BETWEEN {{earliest:Int64}} AND {{latest:Int64}} AND delivery_id IN {{ids:Array(UUID)}}
ORDER BY created_at, delivery_id, attempt
"""

# A document is accepted before its run ends, but not longer ago than documents may wait and be retried.
MISSING = """
SELECT document_id, run, concat('document.', status) AS type FROM documents FINAL
WHERE user_id = {user:UUID} AND completed_at >= {since:Int64} AND deleted = 0
  AND concat('document.', status) IN {types:Array(String)}
  AND (document_id, run) NOT IN (
    SELECT document_id, run FROM webhook_deliveries WHERE endpoint_id = {endpoint:UUID}
  )
ORDER BY completed_at LIMIT {limit:UInt32}
"""
#: Everything of a user is looked through, and nobody does it often.
RECOVER_S = 30.0
STEP = 500


@dataclass(frozen=True)
class DeliveryFilter:
    """What a list is narrowed to; None does not narrow."""

    status: str | None = None
    document_id: UUID | None = None
    user_id: UUID | None = None
    endpoint_id: UUID | None = None


class DeliveryRepository:
    """Raises HistoryUnavailable from every method when ClickHouse does not answer."""

    def __init__(self, clickhouse: ClickHouse) -> None:
        self._clickhouse = clickhouse

    async def get(self, delivery_id: UUID) -> Delivery | None:
        """Read a delivery with its attempts."""
        lines = [_line(row) for row in await self._clickhouse.rows(ONE, {"id": str(delivery_id)})]
        return Delivery.of(lines) if lines else None

    async def list(self, filter_: DeliveryFilter, position: Position | None, limit: int) -> DeliveryPage:
        """Read a page, latest due first, after `position`; with it the position of its last one if more follow."""
        deliveries: list[Delivery] = []
        for earliest in _windows(filter_, position):
            conditions, parameters = _conditions(filter_, position)
            sql = PAGE.format(conditions=" AND ".join(conditions))
            # One more than asked for tells whether there is a next page.
            rows = await self._clickhouse.rows(sql, {**parameters, "earliest": earliest, "limit": limit + 1})
            deliveries = _deliveries(rows)
            if len(deliveries) > limit:
                break
        page = deliveries[:limit]
        return page, (page[-1].created_at, page[-1].delivery_id) if len(deliveries) > limit else None

    async def dead_since(self, endpoint_id: UUID, since: int, limit: int) -> Found:
        """List the deliveries to an endpoint that became due since a moment and are dead, oldest first."""
        parameters: dict[str, Parameter] = {"endpoint": str(endpoint_id), "since": since, "limit": limit}
        rows = await self._clickhouse.rows(DEAD, parameters, timeout_s=RECOVER_S)
        found: Found = []
        for step in batched(rows, STEP):
            ids = array(UUID(str(row["delivery_id"])) for row in step)
            among = {"earliest": cast(int, step[0]["created_at"]), "latest": cast(int, step[-1]["created_at"])}
            found += _deliveries(await self._clickhouse.rows(LINES, {**among, "ids": ids}, timeout_s=RECOVER_S))
        return found

    async def missing_since(
        self, user_id: UUID, endpoint_id: UUID, types: Sequence[str], since: int, limit: int
    ) -> Runs:
        """List the runs of a user's documents that ended since a moment and were never due for an endpoint."""
        parameters: dict[str, Parameter] = {"user": str(user_id), "endpoint": str(endpoint_id), "types": array(types)}
        rows = await self._clickhouse.rows(MISSING, {**parameters, "since": since, "limit": limit}, timeout_s=RECOVER_S)
        return [EndedRun(UUID(str(row["document_id"])), cast(int, row["run"]), str(row["type"])) for row in rows]


def _windows(filter_: DeliveryFilter, position: Position | None) -> Iterator[int]:
    """Yield from when on to look, in epoch milliseconds: a document's webhooks are never older than the document.

    A user's are found by an index: narrower windows would only look for them several times.
    """
    if filter_.document_id is not None:
        yield max(0, id_ms(filter_.document_id) - ID_CLOCK_SLACK_MS)
        return
    if filter_.user_id is not None or filter_.endpoint_id is not None:
        yield 0
        return
    newest = min(position[0], now_ms()) if position else now_ms()
    for window_ms in WINDOWS_MS:
        yield max(0, newest - window_ms)
    yield 0


def _conditions(filter_: DeliveryFilter, position: Position | None) -> tuple[list[str], dict[str, Parameter]]:
    """Write the filter and the place to go on from as conditions; every value travels as a parameter."""
    conditions, parameters = ["created_at >= {earliest:Int64}"], dict[str, Parameter]()
    for name in ("document_id", "user_id", "endpoint_id"):
        value = getattr(filter_, name)
        if value is not None:
            conditions.append(f"{name} = {{{name}:UUID}}")
            parameters[name] = str(value)
    if filter_.status is not None:
        conditions.append("status = {status:String}")
        parameters["status"] = filter_.status
    if position is not None:
        # The first half lets the primary key skip what is newer; the tuple alone would not.
        conditions.append("created_at <= {at:Int64} AND (created_at, delivery_id) < ({at:Int64}, {after:UUID})")
        parameters |= {"at": position[0], "after": str(position[1])}
    return conditions, parameters


def _deliveries(rows: list[Row]) -> list[Delivery]:
    lines = [_line(row) for row in rows]
    return [Delivery.of(list(group)) for _, group in groupby(lines, key=lambda line: line.delivery_id)]


def _line(row: Row) -> DeliveryAttempt:
    return DeliveryAttempt.model_validate(row)
