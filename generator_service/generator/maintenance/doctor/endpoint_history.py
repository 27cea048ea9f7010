"""Has ClickHouse every webhook endpoint?"""

from collections.abc import AsyncIterator

from contracts.endpoints import EndpointEvent, EndpointRow
from contracts.ids import now_ms
from generator.maintenance.doctor.port import Flaw
from generator.maintenance.doctor.row_history import Held, RowHistory


class EndpointHistory(RowHistory[EndpointRow]):
    name = "endpoint-history"
    title = "webhook endpoints in the history"
    flaws = {
        "endpoint": Flaw(
            "endpoints that history lacks or has an older version of", "sent through the event stream again"
        ),
    }

    async def held(self) -> AsyncIterator[Held[EndpointRow]]:
        for row in await self.stores.endpoints.all():
            yield Held("endpoint", str(row.endpoint_id), row.version, f"endpoint:{row.endpoint_id}", row)

    async def stored(self) -> dict[str, int]:
        return {str(row.endpoint_id): row.version for row in await self.stores.history_endpoints.rows()}

    async def event(self, row: EndpointRow) -> tuple[str, str]:
        return "h", EndpointEvent.of(row, "endpoint.recovered", now_ms()).model_dump_json()
