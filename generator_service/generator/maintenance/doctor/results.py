"""Has every completed document its bytes, and are they the ones that were made?

Lost bytes cannot be brought back: only `--rerender` makes them again, as the next run of the document, which calls its
webhook once more.
"""

import asyncio
import hashlib
from collections.abc import AsyncIterator, Collection, Sequence
from itertools import batched

from contracts.documents import DocumentRow, Result, Status
from contracts.errors import Conflict, NotFound, RateLimited, SystemFull
from contracts.ids import now_ms
from generator.maintenance.doctor.port import MENDED, Finding, Flaw
from generator.maintenance.doctor.stores import Stores

#: Files that are read at once.
STEP = 8
NOT_ASKED = "run the doctor with --rerender to make them again"
NO_INPUT = "their input is gone: they cannot be made again"


class Results:
    name = "results"
    title = "bytes of completed documents"
    flaws = {
        "missing": Flaw("completed, but the bytes are gone", "made again, as their next run"),
        "damaged": Flaw("completed, but the bytes are not those that were made", "made again, as their next run"),
    }

    def __init__(self, stores: Stores) -> None:
        self._stores = stores

    async def look(self, only: Collection[str] | None = None) -> AsyncIterator[Finding]:
        async for rows in self._completed(only):
            for step in batched(rows, STEP):
                flaws = await asyncio.gather(*(self._flaw(row.result) for row in step if row.result))
                for row, flaw in zip((row for row in step if row.result), flaws, strict=True):
                    if flaw and row.result and await self._counts(row):
                        yield Finding(flaw, str(row.document_id), row.result.key)

    async def mend(self, findings: Sequence[Finding]) -> list[str]:
        if not self._stores.rerender:
            return [NOT_ASKED for _ in findings]
        rows = await self._stores.history.newest([finding.subject for finding in findings])
        return [await self._make_again(rows[finding.subject], finding.evidence) for finding in findings]

    async def _completed(self, only: Collection[str] | None) -> AsyncIterator[list[DocumentRow]]:
        if only is None:
            async for rows in self._stores.history.completed(now_ms()):
                yield rows
            return
        newest = await self._stores.history.newest(only)
        yield [row for row in newest.values() if row.status == Status.COMPLETED and not row.deleted]

    async def _flaw(self, result: Result) -> str:
        content = await self._stores.blobs.get(result.key)
        if content is None:
            return "missing"
        digest = await asyncio.to_thread(lambda: hashlib.sha256(content).hexdigest())
        return "" if digest == result.sha256 else "damaged"

    async def _counts(self, row: DocumentRow) -> bool:
        """Tell whether a row is how the document stands now: history may be a little behind."""
        live = await self._stores.queue.live(row.document_id)
        newest = live or row
        is_over = newest.deleted or (newest.bytes_until is not None and newest.bytes_until <= now_ms())
        return newest.result is not None and newest.result == row.result and not is_over

    async def _make_again(self, row: DocumentRow, lost_key: str) -> str:
        job = await self._stores.kept_job(str(row.document_id))
        if job is None:
            return NO_INPUT
        await self._stores.queue.restore(row, job)
        try:
            # The same id for whoever finds the same loss: two doctors begin one run.
            await self._stores.queue.retry(job, f"doctor:{lost_key}")
        except (Conflict, NotFound, RateLimited, SystemFull) as error:
            return error.message
        return MENDED
