"""Stands every live document where its state says it should: in its lane, under a lease, among the delayed ones?"""

from collections.abc import AsyncIterator, Collection, Sequence

from backends.inspection import Mode
from generator.maintenance.doctor.document_history import chosen
from generator.maintenance.doctor.port import MENDED, Finding, Flaw
from generator.maintenance.doctor.stores import Stores


class Places:
    name = "places"
    title = "documents' places in the queue"
    flaws = {
        "queued_nowhere": Flaw("queued, but in no lane, not delayed and not leased", "put to the front of their lanes"),
        "scheduled_nowhere": Flaw("scheduled, but not among the delayed ones", "scheduled again"),
        "rendering_without_lease": Flaw("rendering without a lease", "leased once more: the rescuer sees to it"),
        "ended_but_leased": Flaw("ended, but still leased", "freed of their leases"),
        "delayed_out_of_turn": Flaw("delayed, though it has begun or ended", "taken from the delayed ones"),
        "gone": Flaw("leased or delayed, but there is no such document", "taken from the leases and delays"),
        "delivery_missing": Flaw("owing a webhook that is not there", "given their webhooks, which are due now"),
        "incomplete": Flaw("hashes of documents without what every document has"),
    }

    def __init__(self, stores: Stores) -> None:
        self._stores = stores

    async def look(self, only: Collection[str] | None = None) -> AsyncIterator[Finding]:
        waiting = frozenset[str]() if only is not None else await self._stores.redis.waiting("lane:*")
        async for ids in chosen(self._stores, only):
            for id_, flaw in (await self._judge("look", ids, waiting)).items():
                yield Finding(flaw, id_)
        if only is None:
            async for finding in self._without_document():
                yield finding

    async def mend(self, findings: Sequence[Finding]) -> list[str]:
        await self._judge("mend", [finding.subject for finding in findings])
        return [MENDED for _ in findings]

    async def _judge(self, mode: Mode, ids: Sequence[str], waiting: frozenset[str] = frozenset()) -> dict[str, str]:
        return await self._stores.redis.documents(mode, ids, lease_ms=self._stores.lease_ms, waiting=waiting)

    async def _without_document(self) -> AsyncIterator[Finding]:
        for name in ("leases", "delayed"):
            async for ids in self._stores.redis.sorted_set(name):
                known = await self._stores.redis.known([f"doc:{id_}" for id_ in ids])
                unknown = [id_ for id_, is_known in zip(ids, known, strict=True) if not is_known]
                for id_, flaw in (await self._judge("look", unknown)).items():
                    yield Finding(flaw, id_)
