"""Are ClickHouse's tables there? An emptied server gets them again, and with them the shipper's waiting events."""

from collections.abc import AsyncIterator, Collection, Sequence

from backends.migrations.runner import migrate, tables_of
from generator.maintenance.doctor.port import MENDED, Finding, Flaw
from generator.maintenance.doctor.stores import Stores


class Schema:
    name = "schema"
    title = "tables of the history"
    flaws = {"missing": Flaw("tables that ClickHouse has lost", "made again by the migrations")}

    def __init__(self, stores: Stores) -> None:
        self._stores = stores

    async def look(self, only: Collection[str] | None = None) -> AsyncIterator[Finding]:
        for table in sorted(tables_of() - await self._stores.history.tables()):
            if only is None or table in only:
                yield Finding("missing", table)

    async def mend(self, findings: Sequence[Finding]) -> list[str]:
        await migrate(self._stores.clickhouse, again=True)
        return [MENDED for _ in findings]
