"""Does Redis still know every document that history says is unfinished? A lost one is put back from its input.

Without its input it ends as `failed/input_lost`. What it was to history is all that is known: what happened to it after
its last shipped event happens again, under the same run and therefore the same `webhook-id`.
"""

from collections.abc import AsyncIterator, Collection, Sequence
from itertools import batched

from backends.document_hash import restored_fields
from contracts.documents import DocumentRow
from contracts.errors import DocumentError
from contracts.ids import now_ms
from contracts.jobs import GenerationJob
from generator.maintenance.doctor.port import MENDED, Finding, Flaw
from generator.maintenance.doctor.stores import Stores

STEP = 500
#: The next `seq` is this far above the last one in history: events that were lost, or that a shipper has in its hands
#: at this moment, had numbers that nobody may use again. Tokens, of which there may be some per event, go with it.
SEQ_AHEAD, TOKENS_PER_SEQ = 1_000, 1_000

INPUT_LOST = DocumentError(
    code="input_lost",
    message="The document was lost with the queue before it was made, and its data is gone.",
    hint="Request it again. If it had a callback_url, nobody will be called: the address was lost with the data.",
)


class LostDocuments:
    name = "lost-documents"
    title = "unfinished documents that Redis has lost"
    flaws = {
        "lost": Flaw("unfinished in history, unknown to Redis", "put back from their inputs"),
        "input_lost": Flaw(
            "unfinished in history, unknown to Redis, and their inputs are gone", "failed with input_lost"
        ),
        "unclear": Flaw("unfinished in history, but how it went on is in the table events_quarantine"),
    }

    def __init__(self, stores: Stores) -> None:
        self._stores = stores

    async def look(self, only: Collection[str] | None = None) -> AsyncIterator[Finding]:
        async for ids in self._suspects(only):
            for step in batched(ids, STEP):
                known = await self._stores.redis.known([f"doc:{id_}" for id_ in step])
                lost = [id_ for id_, is_known in zip(step, known, strict=True) if not is_known]
                for finding in await self._findings(lost) if lost else ():
                    yield finding

    async def _suspects(self, only: Collection[str] | None) -> AsyncIterator[list[str]]:
        if only is not None:
            yield list(only)
            return
        async for ids in self._stores.history.unfinished():
            yield ids

    async def _findings(self, ids: Sequence[str]) -> list[Finding]:
        rows = await self._stores.history.newest(ids)
        aside = await self._stores.history.quarantined(ids)
        unfinished = {id_: row for id_, row in rows.items() if not row.terminal and not row.deleted}
        return [await self._finding(row, aside.get(id_, set())) for id_, row in unfinished.items()]

    async def _finding(self, row: DocumentRow, aside: set[int]) -> Finding:
        id_ = str(row.document_id)
        if max(aside, default=0) > row.seq:
            return Finding("unclear", id_, str(row.seq))
        job = await self._stores.kept_job(id_)
        return Finding("lost" if job else "input_lost", id_, str(row.seq))

    async def mend(self, findings: Sequence[Finding]) -> list[str]:
        rows = await self._stores.history.newest([finding.subject for finding in findings])
        for finding in findings:
            if finding.subject in rows:
                await self._readmit(rows[finding.subject], await self._stores.kept_job(finding.subject))
        return [MENDED for _ in findings]

    async def _readmit(self, row: DocumentRow, job: GenerationJob | None) -> None:
        now = now_ms()
        await self._stores.scripts.run(
            "readmit",
            str(row.document_id),
            job.model_dump_json() if job else "",
            INPUT_LOST.model_dump_json(exclude_none=True),
            "" if row.status != "scheduled" or row.run_at is None else row.run_at,
            now,
            *remembered(job, now),
            *readmitted_fields(row, job),
        )


def readmitted_fields(row: DocumentRow, job: GenerationJob | None) -> list[str | int]:
    """Write an unfinished document's last row as the fields of its hash: its numbers go on above all that were used."""
    seq = row.seq + SEQ_AHEAD
    return [*restored_fields(row, job), "seq", seq, "token", seq * TOKENS_PER_SEQ]


def remembered(job: GenerationJob | None, now: int) -> tuple[str, str, str | int]:
    """Return the client's Idempotency-Key as the queue keeps it, its fingerprint and the time it has left (ms)."""
    if job is None or job.idempotency_until <= now:
        return "", "", ""
    return job.idempotency_key, job.idempotency_fingerprint, job.idempotency_until - now
