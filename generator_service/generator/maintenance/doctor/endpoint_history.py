"""Has ClickHouse every webhook endpoint? What it lacks goes through the stream again."""

from collections.abc import AsyncIterator, Collection, Sequence

from contracts.endpoints import EndpointEvent, EndpointRow
from contracts.ids import now_ms
from generator.maintenance.doctor.port import MENDED, Finding, Flaw
from generator.maintenance.doctor.stores import Stores
from generator.maintenance.doctor.waiting import Waiting


class EndpointHistory:
    name = "endpoint-history"
    title = "webhook endpoints in the history"
    flaws = {
        "endpoint": Flaw(
            "endpoints that history lacks or has an older version of", "sent through the event stream again"
        ),
    }

    def __init__(self, stores: Stores) -> None:
        self._stores = stores
        self._held: dict[str, tuple[EndpointRow, str]] = {}

    async def look(self, only: Collection[str] | None = None) -> AsyncIterator[Finding]:
        held = {str(row.endpoint_id): row for row in await self._stores.endpoints.all()}
        again = await self._stores.redis.fields([f"endpoint:{id_}" for id_ in held], "again") if held else []
        marks = {id_: mark or "" for id_, (mark,) in zip(held, again, strict=True)}
        stored = await self._stored()
        newer = [id_ for id_, row in held.items() if row.version > stored.get(id_, 0) and (only is None or id_ in only)]
        if not newer:
            return
        # First the stream, then history once more: what has left the one meanwhile is in the other.
        waiting, stored = (await Waiting.read(self._stores)).versions, await self._stored()
        for id_ in newer:
            if held[id_].version > max(stored.get(id_, 0), waiting.get(id_, 0)):
                self._held[id_] = held[id_], marks[id_]
                yield Finding("endpoint", id_, str(held[id_].version))

    async def mend(self, findings: Sequence[Finding]) -> list[str]:
        for finding in findings:
            row, again = self._held[finding.subject]
            line = EndpointEvent.of(row, "endpoint.recovered", now_ms()).model_dump_json()
            await self._stores.scripts.run("reship_row", f"endpoint:{row.endpoint_id}", again, "h", line)
        return [MENDED for _ in findings]

    async def _stored(self) -> dict[str, int]:
        return {str(row.endpoint_id): row.version for row in await self._stores.history_endpoints.rows()}
