"""The event stream's reading end: batches that keep their token and their rows until ClickHouse has them.

From the head of the stream on: what is stored but not confirmed, then the batch in flight, then what waits. The hash
`{prefix}ship` (permanent) says where each ends: stored (an id) | token, first_id, last_id, count, split:<part> (a cut).
"""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import accumulate, batched
from typing import Any, NamedTuple, cast
from uuid import uuid4

import structlog
from redis.asyncio import Redis
from redis.client import NEVER_DECODE

from backends.redis import ask
from backends.scripts import Scripts
from contracts.errors import QueueUnavailable
from contracts.ids import now_ms

log = structlog.get_logger(__name__)

#: Entries per XRANGE (2 ms), and documents per confirming script: a larger step would hold Redis up for everybody else.
READ_STEP = 2_000
CONFIRM_STEP = 250


RawEntry = tuple[bytes, tuple[bytes, ...]]
ExecuteCommand = Callable[..., Awaitable[list[RawEntry]]]


class Entry(NamedTuple):
    """One event: its id in the stream, its kind (as in `event_cargo`), its JSON line. Bytes, as they are in Redis."""

    id: bytes
    kind: bytes
    line: bytes

    @property
    def at_ms(self) -> int:
        """When it was written, by Redis TIME."""
        return int(self.id.partition(b"-")[0])


@dataclass(frozen=True)
class Entries:
    """Events in columns: with an object for each the garbage collector cost one microsecond more (4.0 for 2.9)."""

    ids: list[bytes] = field(default_factory=list)
    kinds: list[bytes] = field(default_factory=list)
    lines: list[bytes] = field(default_factory=list)

    def __len__(self) -> int:
        return len(self.ids)

    def __getitem__(self, number: int) -> Entry:
        return Entry(self.ids[number], self.kinds[number], self.lines[number])

    @property
    def size(self) -> int:
        """Bytes of their lines."""
        return sum(map(len, self.lines))

    def part(self, start: int, end: int) -> "Entries":
        return Entries(self.ids[start:end], self.kinds[start:end], self.lines[start:end])

    def extend(self, raw: Sequence[RawEntry]) -> int:
        """Append entries as they were read; returns the bytes of their lines."""
        # Ours have one field; what somebody else has written is of no kind that we know.
        pairs = [fields if len(fields) == 2 else (b"", b" ".join(fields)) for _, fields in raw]
        lines = [line for _, line in pairs]
        self.ids.extend([id_ for id_, _ in raw])
        self.kinds.extend([kind for kind, _ in pairs])
        self.lines.extend(lines)
        return sum(map(len, lines))

    def add(self, id_: bytes, kind: bytes, line: bytes) -> None:
        self.ids.append(id_)
        self.kinds.append(kind)
        self.lines.append(line)


@dataclass(frozen=True)
class Batch:
    """The events in flight. `split` are the parts that ClickHouse refused in one piece, with where each was cut.

    `resumed`: somebody has tried to store them before.
    """

    token: str
    entries: Entries
    split: Mapping[str, int] = field(default_factory=dict)
    resumed: bool = False

    @property
    def last_id(self) -> bytes:
        return self.entries.ids[-1]


class EventLog:
    """Raises QueueUnavailable from every method when Redis does not answer."""

    def __init__(self, scripts: Scripts) -> None:
        self._scripts = scripts
        self._redis = scripts.redis
        self._stream = f"{scripts.prefix}events"
        self._ship = f"{scripts.prefix}ship"
        # A client of its own on the same connections, because a dict for each entry would cost more than reading it.
        self._reader = Redis(connection_pool=scripts.redis.connection_pool)
        for command in ("XRANGE", "XREVRANGE"):
            self._reader.set_response_callback(command, cast(Any, _as_read))

    async def next_batch(self, max_rows: int = 40_000, max_bytes: int = 32 << 20) -> Batch | None:
        """Return the batch in flight if there is one, else make the oldest events the batch in flight; None if idle."""
        flying, stored = await self._state()
        if flying is not None:
            return flying
        entries = await self.ahead(stored, max_rows, max_bytes)
        if not entries:
            return None
        return await self.claim(entries) or (await self._state())[0]

    async def ahead(self, after_id: bytes | None, max_rows: int, max_bytes: int) -> Entries:
        """Read what comes after an event (None: from the head), without taking it yet."""
        return await self._read(after_id, b"+", max_rows, max_bytes)

    async def claim(self, entries: Entries) -> Batch | None:
        """Make events the batch in flight; None if one is already, or if they are not what comes next any more."""
        batch = Batch(uuid4().hex, entries)
        arguments = (batch.token, entries.ids[0], batch.last_id, len(entries))
        return batch if await self._scripts.run("events_claim", *arguments) == 1 else None

    async def split(self, batch: Batch, part: str, cut: int) -> Batch:
        """Persist that `part` was refused and where it is cut, before its pieces are sent under tokens of their own.

        Raises QueueUnavailable if the batch is no longer in flight: somebody else has finished it.
        """
        if await self._scripts.run("events_split", batch.token, part, cut) != 1:
            raise QueueUnavailable("Another shipper has taken this batch over.")
        return replace(batch, split={**batch.split, part: cut})

    async def keep_back(self, document_id: str, seq: int) -> None:
        """Let Redis keep a document whose row `seq` could not be stored: history cannot answer for it."""
        await self._scripts.run("events_keep_back", document_id, seq)

    async def stored(self, batch: Batch) -> None:
        """Note that ClickHouse and the blob store have a batch: the next one may follow while this one is confirmed."""
        await self._scripts.run("events_stored", batch.token)

    async def unconfirmed(self) -> Entries:
        """Return what is stored and was never confirmed, because a shipper died in between."""
        _, stored = await self._state()
        return Entries() if stored is None else await self._read(None, stored, None, None)

    async def confirm(self, last_id: bytes, documents: Mapping[str, int], ttl_s: int) -> int:
        """Forget events up to `last_id`. `documents` maps those that have ended to their highest stored seq.

        Returns how many began to expire in `ttl_s`.
        """
        steps = list(batched(documents.items(), CONFIRM_STEP)) or [()]
        expiring = 0
        for number, step in enumerate(steps, start=1):
            last = last_id if number == len(steps) else b""
            pairs = [value for pair in step for value in pair]
            expiring += int(str(await self._scripts.run("events_shipped", last, _id_after(last), ttl_s, *pairs)))
        return expiring

    async def length(self) -> int:
        """Count the events that wait."""
        return await ask(self._redis.xlen(self._stream))

    async def newest_id(self) -> bytes | None:
        """Return the id of the newest event that waits; None if none does."""
        newest = await self._ask("XREVRANGE", b"+", b"-", 1)
        return newest[0][0] if newest else None

    async def holds(self, entry_id: bytes) -> bool:
        """Tell whether an event waits still."""
        return bool(await self._range(entry_id, entry_id, 1))

    async def lag_ms(self) -> int:
        """Return the age of the oldest event that waits, in milliseconds; 0 if none does."""
        head = await self._read(None, b"+", 1, None)
        return max(0, now_ms() - head[0].at_ms) if head else 0

    async def _state(self) -> tuple[Batch | None, bytes | None]:
        """Read the batch in flight, and the id of the newest event that is stored and not confirmed.

        A batch whose rows have changed is given up: its token stood for others.
        """
        state = cast(dict[str, str], await ask(self._redis.hgetall(self._ship)))
        stored = state["stored"].encode() if "stored" in state else None
        return (await self._in_flight(state, stored) if "token" in state else None), stored

    async def _in_flight(self, state: Mapping[str, str], stored: bytes | None) -> Batch | None:
        count = int(state["count"])
        entries = await self._read(stored, state["last_id"].encode(), count + 1, None)
        if len(entries) == count and entries.ids[0] == state["first_id"].encode():
            cuts = {name.removeprefix("split:"): int(cut) for name, cut in state.items() if name.startswith("split:")}
            return Batch(state["token"], entries, cuts, resumed=True)
        log.warning("batch.abandoned", token=state["token"], expected=count, found=len(entries))
        await self._scripts.run("events_abandon", state["token"])
        return None

    async def _read(
        self, after_id: bytes | None, last_id: bytes, max_rows: int | None, max_bytes: int | None
    ) -> Entries:
        entries = Entries()
        start = b"-" if after_id is None else b"(" + after_id
        size = 0
        while max_rows is None or len(entries) < max_rows:
            wanted = READ_STEP if max_rows is None else min(READ_STEP, max_rows - len(entries))
            step = await self._range(start, last_id, wanted)
            size += entries.extend(step)
            if max_bytes is not None and size > max_bytes:
                return _within(entries, max_bytes)
            if len(step) < wanted:
                break
            start = b"(" + entries.ids[-1]
        return entries

    async def _range(self, start: bytes, end: bytes, count: int) -> list[RawEntry]:
        return await self._ask("XRANGE", start, end, count)

    async def _ask(self, command: str, first: bytes, last: bytes, count: int) -> list[RawEntry]:
        # Bytes as they are: decoding and encoding 32 MB of lines again would cost more than reading them.
        execute = cast(ExecuteCommand, self._reader.execute_command)
        return await ask(execute(command, self._stream, first, last, "COUNT", count, **{NEVER_DECODE: True}))


def _as_read(answer: object, **_: object) -> object:
    return answer


def _within(entries: Entries, max_bytes: int) -> Entries:
    """Return as many entries as `max_bytes` hold, at least one."""
    sizes = accumulate(map(len, entries.lines))
    return entries.part(0, max(1, sum(size <= max_bytes for size in sizes)))


def _id_after(entry_id: bytes) -> bytes:
    milliseconds, _, sequence = entry_id.partition(b"-")
    return b"%b-%d" % (milliseconds, int(sequence) + 1) if entry_id else b""
