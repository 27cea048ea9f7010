"""The event stream's reading end: batches that keep their token and their rows until ClickHouse has them.

`{prefix}ship` (hash, permanent while a batch is in flight): token, first_id, last_id, count, split:<part>.
"""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, replace
from itertools import batched
from typing import NamedTuple, cast
from uuid import uuid4

import structlog
from redis.client import NEVER_DECODE
from redis.exceptions import RedisError

from backends.scripts import Scripts
from contracts.errors import QueueUnavailable
from contracts.ids import now_ms

log = structlog.get_logger(__name__)

#: Entries per XRANGE, and documents per confirming script: a larger step would hold Redis up for everybody else.
READ_STEP = 2_000
CONFIRM_STEP = 500


ExecuteCommand = Callable[..., Awaitable[list[tuple[bytes, dict[bytes, bytes]]]]]


class Entry(NamedTuple):
    """One event: its id in the stream, its kind (`d`, `u`, `k`, `w`), its JSON line."""

    id: str
    kind: str
    line: bytes


@dataclass(frozen=True)
class Batch:
    """The events in flight. `split` are the parts that ClickHouse refused in one piece."""

    token: str
    entries: tuple[Entry, ...]
    split: frozenset[str] = frozenset()

    @property
    def last_id(self) -> str:
        return self.entries[-1].id


class EventLog:
    """Raises QueueUnavailable from every method when Redis does not answer."""

    def __init__(self, scripts: Scripts) -> None:
        self._scripts = scripts
        self._redis = scripts.redis
        self._stream = f"{scripts.prefix}events"
        self._ship = f"{scripts.prefix}ship"

    async def next_batch(self, max_rows: int = 10_000, max_bytes: int = 8 << 20) -> Batch | None:
        """Return the batch in flight if there is one, else make the oldest events the batch in flight; None if idle."""
        flying = await self._in_flight()
        if flying is not None:
            return flying
        entries = await self._read("+", max_rows, max_bytes)
        if not entries:
            return None
        batch = Batch(uuid4().hex, tuple(entries))
        claimed = await self._scripts.run("events_claim", batch.token, entries[0].id, batch.last_id, len(entries))
        return batch if claimed == 1 else await self._in_flight()

    async def split(self, batch: Batch, part: str) -> Batch:
        """Persist that `part` was refused, before its halves are sent under tokens of their own.

        Raises QueueUnavailable if the batch is no longer in flight: somebody else has finished it.
        """
        if await self._scripts.run("events_split", batch.token, part) != 1:
            raise QueueUnavailable("Another shipper has taken this batch over.")
        return replace(batch, split=batch.split | {part})

    async def shipped(self, batch: Batch, documents: Mapping[str, int], ttl_s: int) -> int:
        """Confirm a batch: `documents` maps ids to their highest seq. Returns how many began to expire in `ttl_s`."""
        steps = list(batched(documents.items(), CONFIRM_STEP)) or [()]
        expiring = 0
        for number, step in enumerate(steps, start=1):
            after = _id_after(batch.last_id) if number == len(steps) else ""
            pairs = [value for pair in step for value in pair]
            expiring += int(str(await self._scripts.run("events_shipped", batch.token, after, ttl_s, *pairs)))
        return expiring

    async def length(self) -> int:
        """Count the events that wait."""
        try:
            return await self._redis.xlen(self._stream)
        except (RedisError, OSError) as error:
            raise QueueUnavailable() from error

    async def newest_id(self) -> str | None:
        """Return the id of the newest event that waits; None if none does."""
        try:
            newest = await self._redis.xrevrange(self._stream, count=1)
        except (RedisError, OSError) as error:
            raise QueueUnavailable() from error
        return str(newest[0][0]) if newest else None

    async def holds(self, entry_id: str) -> bool:
        """Tell whether an event waits still."""
        return bool(await self._range(entry_id, entry_id, 1))

    async def lag_ms(self) -> int:
        """Return the age of the oldest event that waits, in milliseconds; 0 if none does."""
        head = await self._range("-", "+", 1)
        return max(0, now_ms() - int(head[0].id.partition("-")[0])) if head else 0

    async def _in_flight(self) -> Batch | None:
        """Read the batch in flight again. One whose rows have changed is given up: its token stood for others."""
        try:
            cursor = cast(dict[str, str], await self._redis.hgetall(self._ship))
        except (RedisError, OSError) as error:
            raise QueueUnavailable() from error
        if not cursor:
            return None
        count = int(cursor["count"])
        entries = await self._read(cursor["last_id"], count + 1, max_bytes=None)
        if len(entries) == count and entries[0].id == cursor["first_id"]:
            split = frozenset(name.removeprefix("split:") for name in cursor if name.startswith("split:"))
            return Batch(cursor["token"], tuple(entries), split)
        log.warning("batch.abandoned", token=cursor["token"], expected=count, found=len(entries))
        await self._scripts.run("events_abandon", cursor["token"])
        return None

    async def _read(self, last_id: str, max_rows: int, max_bytes: int | None) -> list[Entry]:
        entries: list[Entry] = []
        size, start = 0, "-"
        while len(entries) < max_rows:
            step = await self._range(start, last_id, min(READ_STEP, max_rows - len(entries)))
            for entry in step:
                size += len(entry.line)
                if max_bytes is not None and entries and size > max_bytes:
                    return entries
                entries.append(entry)
            if len(step) < READ_STEP:
                break
            start = f"({step[-1].id}"
        return entries

    async def _range(self, start: str, end: str, count: int) -> list[Entry]:
        # Bytes as they are: decoding and encoding 8 MB of lines again would cost more than reading them.
        execute = cast(ExecuteCommand, self._redis.execute_command)
        try:
            raw = await execute("XRANGE", self._stream, start, end, "COUNT", count, **{NEVER_DECODE: True})
        except (RedisError, OSError) as error:
            raise QueueUnavailable() from error
        return [_entry(id_, fields) for id_, fields in raw]


def _entry(id_: bytes, fields: Mapping[bytes, bytes]) -> Entry:
    kind, line = next(iter(fields.items()))
    return Entry(id_.decode(), kind.decode(errors="replace"), line)


def _id_after(entry_id: str) -> str:
    milliseconds, _, sequence = entry_id.partition("-")
    return f"{milliseconds}-{int(sequence) + 1}"
