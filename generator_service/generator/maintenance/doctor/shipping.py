"""Are the events of the batch in flight still there? Without them its token stands for nothing."""

from collections.abc import AsyncIterator, Collection, Sequence

from generator.maintenance.doctor.port import MENDED, Finding, Flaw
from generator.maintenance.doctor.stores import Stores


class Shipping:
    name = "shipping"
    title = "the batch of events in flight"
    flaws = {
        "events_gone": Flaw("batches in flight whose events are gone", "given up: what is left of them is shipped anew")
    }

    def __init__(self, stores: Stores) -> None:
        self._stores = stores

    async def look(self, only: Collection[str] | None = None) -> AsyncIterator[Finding]:
        batch = await self._stores.redis.hash("ship")
        if not batch.get("token"):
            return
        events = [id_ async for id_ in self._between(batch["first_id"], batch["last_id"])]
        if len(events) != int(batch["count"]) or events[0] != batch["first_id"]:
            yield Finding("events_gone", batch["token"], f"{len(events)} of {batch['count']} events")

    async def mend(self, findings: Sequence[Finding]) -> list[str]:
        for finding in findings:
            await self._stores.scripts.run("events_abandon", finding.subject)
        return [MENDED for _ in findings]

    async def _between(self, first: str, last: str) -> AsyncIterator[str]:
        async for events in self._stores.redis.events(first, last):
            for id_, _ in events:
                yield id_
