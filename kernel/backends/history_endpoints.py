"""Webhook endpoints as ClickHouse keeps them: what Redis is rebuilt from, and compared with."""

from backends.clickhouse import ClickHouse
from backends.endpoints import EndpointStore
from backends.history_accounts import TIMEOUT_S
from contracts.endpoints import EndpointRow

ROWS = "SELECT row FROM endpoints FINAL"


class HistoryEndpoints:
    """Raises HistoryUnavailable when ClickHouse does not answer."""

    def __init__(self, clickhouse: ClickHouse) -> None:
        self._clickhouse = clickhouse

    async def rows(self) -> list[EndpointRow]:
        """Read every endpoint, deleted ones too."""
        rows = await self._clickhouse.rows(ROWS, timeout_s=TIMEOUT_S)
        return [EndpointRow.model_validate_json(str(row["row"])) for row in rows]


async def bring_endpoints_back(history: HistoryEndpoints, store: EndpointStore) -> int:
    """Fill a Redis that has lost its endpoints; what it has is newer, and stays. Returns how many are not deleted."""
    rows = [row for row in await history.rows() if not row.deleted]
    for row in rows:
        await store.adopt(row)
    return len(rows)
