"""Has every unfinished document its job in Redis and, once its first event was shipped, its input in the blob store?

Each is a copy of the other. Without the job it cannot be made, without the input it would be lost with Redis.
"""

import asyncio
from collections.abc import AsyncIterator, Collection, Sequence
from itertools import batched

from contracts.documents import TERMINAL
from contracts.errors import DocumentError
from contracts.ids import parse_id
from contracts.jobs import input_key
from generator.input_keeper import InputKeeper
from generator.maintenance.doctor.document_history import chosen
from generator.maintenance.doctor.port import MENDED, Finding, Flaw
from generator.maintenance.doctor.stores import Stores
from generator.maintenance.doctor.waiting import Waiting

STEP = 64

JOB_LOST = DocumentError(
    code="input_lost", message="The document's data is gone, so it cannot be made.", hint="Request it again."
)


class Inputs:
    name = "inputs"
    title = "jobs and inputs of unfinished documents"
    flaws = {
        "job": Flaw("unfinished without a job in Redis", "given the one in their input, or failed with input_lost"),
        "input": Flaw("unfinished without an input in the blob store", "given one, copied from their jobs"),
    }

    def __init__(self, stores: Stores) -> None:
        self._stores = stores

    async def look(self, only: Collection[str] | None = None) -> AsyncIterator[Finding]:
        unkept = list[str]()
        async for ids in chosen(self._stores, only):
            for step in batched(ids, STEP):
                without_job, without_input = await self._without(step)
                unkept += without_input
                for id_ in without_job:
                    yield Finding("job", id_)
        if unkept:
            waiting = await Waiting.read(self._stores)
            for id_ in unkept:
                if id_ not in waiting.begun:
                    yield Finding("input", id_)

    async def mend(self, findings: Sequence[Finding]) -> list[str]:
        await InputKeeper(self._stores.scripts, self._stores.blobs).keep(
            [finding.subject for finding in findings if finding.flaw == "input"]
        )
        for finding in findings:
            if finding.flaw == "job":
                job = await self._stores.kept_job(finding.subject)
                error = JOB_LOST.model_dump_json(exclude_none=True)
                arguments = ("mend", finding.subject, job.model_dump_json() if job else "", error)
                await self._stores.scripts.run("check_inputs", *arguments)
        return [MENDED for _ in findings]

    async def _without(self, ids: Sequence[str]) -> tuple[list[str], list[str]]:
        """Find the unfinished ones without a job, and those with a job but without an input."""
        found = await self._stores.redis.fields([f"doc:{id_}" for id_ in ids], "status")
        unfinished = [id_ for id_, (status,) in zip(ids, found, strict=True) if status not in (None, *TERMINAL)]
        if not unfinished:
            return [], []
        jobs = await self._stores.redis.known([f"job:{id_}" for id_ in unfinished])
        with_job = [id_ for id_, known in zip(unfinished, jobs, strict=True) if known]
        kept = await asyncio.gather(*(self._is_kept(id_) for id_ in with_job))
        without_input = [id_ for id_, is_kept in zip(with_job, kept, strict=True) if not is_kept]
        return sorted(set(unfinished) - set(with_job)), without_input

    async def _is_kept(self, document_id: str) -> bool:
        return await self._stores.blobs.size(input_key(parse_id(document_id, "document"))) is not None
