"""Are there bytes that belong to nothing any more? The pruner removes them in time, and with them what has expired."""

from collections.abc import AsyncIterator, Collection, Sequence

from generator.maintenance.doctor.port import MENDED, Finding, Flaw
from generator.maintenance.pruning import Finding as Needless
from generator.maintenance.pruning import Pruning


class Orphans:
    name = "orphans"
    title = "bytes that nothing needs"
    flaws = {
        "deleted": Flaw("bytes of deleted documents", "removed"),
        "unrecorded": Flaw("results that no run has recorded", "removed"),
        "unreferenced": Flaw("sources and pictures of templates that nothing needs", "removed"),
        "orphaned": Flaw("bytes of documents that neither Redis nor history knows", "removed"),
    }

    def __init__(self, pruning: Pruning) -> None:
        self._pruning = pruning
        self._needless: dict[str, Needless] = {}

    async def look(self, only: Collection[str] | None = None) -> AsyncIterator[Finding]:
        self._needless = {}
        async for step in self._pruning.find(only):
            for needless in step:
                if needless.reason in self.flaws:
                    self._needless[needless.blob.key] = needless
                    yield Finding(str(needless.reason), needless.blob.key, str(needless.blob.written_at))

    async def mend(self, findings: Sequence[Finding]) -> list[str]:
        await self._pruning.remove([self._needless[finding.subject] for finding in findings])
        return [MENDED for _ in findings]
