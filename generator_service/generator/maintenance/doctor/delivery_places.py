"""Waits every pending webhook somewhere: for its time, under a lease, or in its receiver's lane?"""

from collections.abc import AsyncIterator, Collection, Sequence

from generator.maintenance.doctor.port import MENDED, Finding, Flaw
from generator.maintenance.doctor.stores import Stores


class DeliveryPlaces:
    name = "delivery-places"
    title = "webhooks' places"
    flaws = {"waits_nowhere": Flaw("pending, but neither due nor in their receivers' lanes", "made due")}

    def __init__(self, stores: Stores) -> None:
        self._stores = stores

    async def look(self, only: Collection[str] | None = None) -> AsyncIterator[Finding]:
        if only is not None:
            for finding in await self._judged(list(only)):
                yield finding
            return
        waiting = await self._stores.redis.waiting("deliver_lane:*")
        async for members in self._stores.redis.ids("delivery"):
            for finding in await self._judged([member for member in members if member not in waiting]):
                yield finding

    async def mend(self, findings: Sequence[Finding]) -> list[str]:
        await self._stores.redis.deliveries("mend", [finding.subject for finding in findings])
        return [MENDED for _ in findings]

    async def _judged(self, members: Sequence[str]) -> list[Finding]:
        found = await self._stores.redis.deliveries("look", members)
        return [Finding(flaw, member) for member, flaw in found.items()]
