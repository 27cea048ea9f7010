"""Are the counters true: unfinished documents and their bytes, in all and by user, and leases by lane?

Limits are judged by them: one that is too high refuses documents for ever. The count is exact under load: changes are
heard while the documents are read, and the counters are read at a moment that is marked among the changes.
"""

from collections.abc import AsyncIterator, Collection, Sequence

from backends.open_count import OpenCount
from generator.maintenance.doctor.port import MENDED, Finding, Flaw
from generator.maintenance.doctor.stores import Stores

REFUSED = "another doctor is counting: look again"


class Counters:
    name = "counters"
    title = "counters that limits are judged by"
    flaws = {
        "open": Flaw("counters of unfinished documents or bytes that are not true", "counted anew"),
        "running": Flaw("counters of lanes' leases that are not true", "counted anew"),
    }

    def __init__(self, stores: Stores) -> None:
        self._stores = stores
        self._nonce = ""
        self._errors: dict[str, int] = {}
        self._corrected: bool | None = None

    async def look(self, only: Collection[str] | None = None) -> AsyncIterator[Finding]:
        for lane, counted, true in await self._stores.redis.running("look"):
            # The difference only: the numbers themselves change from look to look.
            yield Finding("running", lane, f"{counted - true:+}")
        comparison = await OpenCount(self._stores.scripts).compare()
        self._nonce, self._errors, self._corrected = comparison.nonce, comparison.errors, None
        for field, error in comparison.errors.items():
            yield Finding("open", field, f"{error:+}")

    async def mend(self, findings: Sequence[Finding]) -> list[str]:
        if any(finding.flaw == "running" for finding in findings):
            await self._stores.redis.running("mend")
        refused = any(finding.flaw == "open" for finding in findings) and not await self._correct()
        return [REFUSED if refused and finding.flaw == "open" else MENDED for finding in findings]

    async def _correct(self) -> bool:
        """Subtract what is too much, in one step: its outcome is that of every batch of findings of this look."""
        if self._corrected is None:
            changes = [value for field, error in self._errors.items() for value in (field, -error)]
            self._corrected = await self._stores.scripts.run("check_open", "mend", self._nonce, *changes) == 1
        return self._corrected
