"""Has ClickHouse the newest version of each row of a kind? What it lacks goes through the stream again.

Rows that wait in the stream are on their way. Who made which change when is lost with the history: the rows are not.
"""

from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Collection, Sequence
from dataclasses import dataclass
from itertools import batched

from generator.maintenance.doctor.port import MENDED, Finding
from generator.maintenance.doctor.stores import Stores
from generator.maintenance.doctor.waiting import Waiting

STEP = 500


@dataclass(frozen=True)
class Held[Row]:
    """A row that Redis holds: the flaw if history lacks it, its id and version, the name of its hash."""

    flaw: str
    id: str
    version: int
    name: str
    row: Row


class RowHistory[Row](ABC):
    """What the checks of such rows share; each says which rows there are and how one is written into the stream."""

    def __init__(self, stores: Stores) -> None:
        self.stores = stores
        self._found: dict[str, tuple[Held[Row], str]] = {}

    @abstractmethod
    def held(self) -> AsyncIterator[Held[Row]]:
        """Go through the rows of Redis. One may come twice."""

    @abstractmethod
    async def stored(self) -> dict[str, int]:
        """Return the versions that history has, by id."""

    @abstractmethod
    async def event(self, row: Row) -> tuple[str, str]:
        """Return the kind and the line of the event that brings a row back."""

    async def look(self, only: Collection[str] | None = None) -> AsyncIterator[Finding]:
        self._found = {}
        held = {one.id: one async for one in self.held() if only is None or one.id in only}
        stored = await self.stored()
        newer = [one for one in held.values() if one.version > stored.get(one.id, 0)]
        if not newer:
            return
        marks = await self._marks(newer)
        # First the stream, then history once more: what has left the one meanwhile is in the other.
        waiting, stored = (await Waiting.read(self.stores)).versions, await self.stored()
        for one in newer:
            if one.version > max(stored.get(one.id, 0), waiting.get(one.id, 0)):
                self._found[one.id] = one, marks[one.id]
                yield Finding(one.flaw, one.id, str(one.version))

    async def mend(self, findings: Sequence[Finding]) -> list[str]:
        for finding in findings:
            one, again = self._found[finding.subject]
            await self.stores.scripts.run("reship_row", one.name, again, *await self.event(one.row))
        return [MENDED for _ in findings]

    async def _marks(self, newer: list[Held[Row]]) -> dict[str, str]:
        """Return what each hash remembers of being sent again; it must still say so when it is mended.

        Read before the stream: a row that somebody else sends again afterwards has another mark by then.
        """
        marks: dict[str, str] = {}
        for step in batched(newer, STEP):
            found = await self.stores.redis.fields([one.name for one in step], "again")
            marks |= {one.id: again or "" for one, (again,) in zip(step, found, strict=True)}
        return marks
