"""Leaves every document Redis that has ended, is stored in history and owes no webhook? One that stays fills it up."""

from collections.abc import AsyncIterator, Collection, Sequence
from itertools import batched

from contracts.documents import TERMINAL
from generator.maintenance.doctor.document_history import chosen
from generator.maintenance.doctor.port import MENDED, Finding, Flaw
from generator.maintenance.doctor.stores import Stores
from generator.maintenance.doctor.waiting import Waiting

STEP = 500


class Settled:
    name = "settled"
    title = "documents that may leave Redis"
    flaws = {"stays": Flaw("ended, stored and settled, but without a time to live", "given one")}

    def __init__(self, stores: Stores) -> None:
        self._stores = stores

    async def look(self, only: Collection[str] | None = None) -> AsyncIterator[Finding]:
        newest = dict[str, int]()
        async for ids in chosen(self._stores, only):
            for step in batched(ids, STEP):
                newest |= await self._staying(step)
        if not newest:
            return
        waiting = await Waiting.read(self._stores)
        shipped = [id_ for id_, seq in newest.items() if seq not in waiting.documents.get(id_, ())]
        for step in batched(shipped, STEP):
            stored = await self._stores.history.sequences(step)
            for id_ in step:
                if newest[id_] in stored.get(id_, ()):
                    yield Finding("stays", id_, str(newest[id_]))

    async def mend(self, findings: Sequence[Finding]) -> list[str]:
        pairs = [value for finding in findings for value in (finding.subject, finding.evidence)]
        # As if the shipper had confirmed its newest row once more: the script looks at everything else again.
        await self._stores.scripts.run("events_shipped", "", "", self._stores.live_ttl_s, *pairs)
        return [MENDED for _ in findings]

    async def _staying(self, ids: Sequence[str]) -> dict[str, int]:
        """Find what has ended, owes nothing and has no TTL, with its newest transition."""
        names = [f"doc:{id_}" for id_ in ids]
        rows = await self._stores.redis.fields(names, "status", "delivery_status", "seq", "kept_back")
        ttls = await self._stores.redis.ttls(names)
        return {
            id_: int(seq or 0)
            for id_, (status, delivery, seq, kept_back), ttl in zip(ids, rows, ttls, strict=True)
            if ttl == -1 and status in TERMINAL and delivery != "pending" and kept_back != seq
        }
