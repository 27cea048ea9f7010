"""Stands every lane that holds something in its ring, once, and no other? So for documents, so for webhooks."""

from collections import Counter
from collections.abc import AsyncIterator, Collection, Sequence

from backends.inspection import RINGS, Ring
from generator.maintenance.doctor.port import MENDED, Finding, Flaw
from generator.maintenance.doctor.stores import Stores


class Lanes:
    name = "lanes"
    title = "lanes and their rings"
    flaws = {
        "not_in_ring": Flaw("lanes that hold something but get no turn", "put into their ring"),
        "twice_in_ring": Flaw("lanes that get more than one turn", "left in their ring once"),
        "empty_in_ring": Flaw("lanes that get turns but hold nothing", "taken out of their ring"),
        "parked_for_ever": Flaw("lanes set aside for a cap that they do not reach", "put back into their ring"),
    }

    def __init__(self, stores: Stores) -> None:
        self._stores = stores

    async def look(self, only: Collection[str] | None = None) -> AsyncIterator[Finding]:
        for ring in RINGS:
            lanes = await self._suspects(ring) if only is None else _in_ring(ring, only)
            for lane, flaw in (await self._stores.redis.lanes("look", ring, lanes)).items():
                yield Finding(flaw, f"{ring}:{lane}")

    async def mend(self, findings: Sequence[Finding]) -> list[str]:
        subjects = [finding.subject for finding in findings]
        for ring in RINGS:
            await self._stores.redis.lanes("mend", ring, _in_ring(ring, subjects))
        return [MENDED for _ in findings]

    async def _suspects(self, ring: Ring) -> list[str]:
        """Compare ring and lanes as they are read, at several moments; the script judges those that differ."""
        delivers = ring == "deliver"
        in_ring = Counter[str]()
        async for lanes in self._stores.redis.list_backwards("deliver_ring" if delivers else f"ring:{ring}"):
            in_ring.update(lanes)
        holding, start = set[str](), "deliver_lane:" if delivers else f"lane:{ring}:"
        async for names in self._stores.redis.names(f"{start}*"):
            holding.update(name.removeprefix(start) for name in names)
        parked = set() if delivers else set(await self._stores.redis.hash("parked"))
        twice = {lane for lane, count in in_ring.items() if count > 1}
        return sorted((holding ^ set(in_ring)) | parked | twice)


def _in_ring(ring: Ring, subjects: Collection[str]) -> list[str]:
    return [lane for name, _, lane in (subject.partition(":") for subject in subjects) if name == ring]
