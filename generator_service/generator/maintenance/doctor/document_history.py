"""Has ClickHouse every event of the documents that Redis still holds? What it lacks goes through the stream again.

Exactly once, also with two doctors: a document's hash remembers the last event that was sent again (lua/reship.lua).
"""

import asyncio
from collections.abc import AsyncIterator, Collection, Sequence
from itertools import batched

from generator.maintenance.doctor.port import MENDED, Finding, Flaw
from generator.maintenance.doctor.stores import Stores
from generator.maintenance.doctor.waiting import Waiting

STEP = 500
#: The stream stays this short while it is refilled: a million documents' events would fill Redis.
MOST_WAITING, LOOK_S, PATIENCE_S = 20_000, 0.1, 60.0
STUCK = "the event stream does not drain: run a generator that ships, and the doctor again"


class DocumentHistory:
    name = "document-history"
    title = "documents' events in the history"
    flaws = {"missing": Flaw("documents with events that history lacks", "sent through the event stream again")}

    def __init__(self, stores: Stores) -> None:
        self._stores = stores
        self._agains: dict[str, str] = {}
        self._lacking: dict[str, set[int]] = {}

    async def look(self, only: Collection[str] | None = None) -> AsyncIterator[Finding]:
        self._agains, self._lacking = {}, {}
        async for ids in chosen(self._stores, only):
            for step in batched(ids, STEP):
                self._lacking |= await self._held_and_not_stored(step)
        if not self._lacking:
            return
        await self._leave_out_waiting()
        for id_, seqs in self._lacking.items():
            yield Finding("missing", id_, f"{self._agains[id_]} {sorted(seqs)}")

    async def mend(self, findings: Sequence[Finding]) -> list[str]:
        if not await self._stream_is_short():
            return [STUCK for _ in findings]
        for finding in findings:
            seqs = sorted(self._lacking[finding.subject])
            await self._stores.scripts.run("reship", finding.subject, self._agains[finding.subject], *seqs)
        return [MENDED for _ in findings]

    async def _held_and_not_stored(self, ids: Sequence[str]) -> dict[str, set[int]]:
        numbers = await self._stores.redis.fields([f"doc:{id_}" for id_ in ids], "seq", "again")
        newest = {id_: int(seq or 0) for id_, (seq, _) in zip(ids, numbers, strict=True)}
        stored = await self._stores.history.sequences(ids)
        suspects = [id_ for id_ in ids if len(stored.get(id_, ())) < newest[id_]]
        held = await self._stores.redis.hashes([f"doc:{id_}" for id_ in suspects])
        lacking = {
            id_: events_of(fields, newest[id_]) - stored.get(id_, set())
            for id_, fields in zip(suspects, held, strict=True)
        }
        lacking = {id_: seqs for id_, seqs in lacking.items() if seqs}
        self._agains |= {id_: again or "" for id_, (_, again) in zip(ids, numbers, strict=True) if id_ in lacking}
        return lacking

    async def _leave_out_waiting(self) -> None:
        """Leave out what waits in the stream, what has come to history since, and what it would not take."""
        waiting = await Waiting.read(self._stores)
        for step in batched(list(self._lacking), STEP):
            stored = await self._stores.history.sequences(step)
            aside = await self._stores.history.quarantined(step)
            for id_ in step:
                for accounted in (waiting.documents, stored, aside):
                    self._lacking[id_] -= accounted.get(id_, set())
        self._lacking = {id_: seqs for id_, seqs in self._lacking.items() if seqs}

    async def _stream_is_short(self) -> bool:
        """Wait for the shipper, whoever runs it, to make room."""
        for _ in range(int(PATIENCE_S / LOOK_S)):
            if await self._stores.redis.events_waiting() < MOST_WAITING:
                return True
            await asyncio.sleep(LOOK_S)
        return False


async def chosen(stores: Stores, only: Collection[str] | None, kind: str = "doc") -> AsyncIterator[Sequence[str]]:
    """Go through these documents, or whatever `kind` is, or through all that Redis has."""
    if only is not None:
        yield list(only)
        return
    async for ids in stores.redis.ids(kind):
        yield ids


def events_of(fields: dict[str, str], newest: int) -> set[int]:
    """Return which of its events, up to this one, a document's hash holds."""
    numbers = (int(name[1:]) for name in fields if name[0] == "e" and name[1:].isdigit())
    return {number for number in numbers if number <= newest}
