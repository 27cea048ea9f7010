"""Ships the event stream to ClickHouse, every event exactly once, and documents' inputs to the blob store.

Last step of a document's path, and nobody waits for it. Whatever fails is repeated: the batch keeps its rows and its
insert token (backends.event_log), and nothing leaves Redis before ClickHouse and the blob store have confirmed it.
While a batch is inserted, the one before it is confirmed and the one after it is read, so that no server waits for
another: 2.1 times as many per second as when a batch of 10,000 went all the way alone (benchmarks/shipper.py).
"""

import asyncio
import contextlib
import re
import time
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from typing import Any

import orjson
import structlog

from backends.blobs import BlobStore
from backends.clickhouse import ClickHouse, RowsRefused
from backends.event_line import document_event
from backends.event_log import READ_STEP, Batch, Entries, Entry, EventLog
from backends.faults import faultpoint
from backends.read_back import ReadBack
from backends.role_lease import RoleLease
from backends.scripts import Scripts
from contracts.errors import PressworkError
from contracts.ids import now_ms
from generator.event_cargo import DOCUMENT, Cargo, sort_cargo
from generator.input_keeper import InputKeeper

log = structlog.get_logger(__name__)

QUARANTINE = "events_quarantine"

#: Where ClickHouse says which row it could not read, counted from 1.
AT_ROW = re.compile(r"\(at row ([0-9]+)\)")

#: So long after a failure also batches that are stored at once are read back: a disk that was full may be again.
DOUBT_S = 60.0

#: How much less often a shipper that stands by looks up.
STANDBY_INTERVALS = 5


@dataclass(frozen=True)
class ShipperSettings:
    """`live_ttl_s`: how long Redis keeps a document that has ended, is shipped and owes no delivery."""

    interval_s: float = 0.2
    max_rows: int = 40_000
    max_bytes: int = 32 << 20
    live_ttl_s: int = 3600
    first_backoff_s: float = 0.2
    max_backoff_s: float = 5


@dataclass
class ShipperCounters:
    """Since the start of the process, for /metrics."""

    events: int = 0
    batches: int = 0
    quarantined: int = 0
    inputs: int = 0
    failures: int = 0


@dataclass(frozen=True)
class Load:
    """A batch in flight, sorted."""

    batch: Batch
    cargo: Cargo


class Shipper:
    """One per process; of all that run, the holder of the lease works. `failing_since` is None while all is well."""

    def __init__(
        self,
        scripts: Scripts,
        clickhouse: ClickHouse,
        blobs: BlobStore,
        lease: RoleLease,
        settings: ShipperSettings | None = None,
        read_back: ReadBack | None = None,
    ) -> None:
        self._events = EventLog(scripts)
        self._clickhouse = clickhouse
        self._read_back = read_back or ReadBack(clickhouse)
        self._inputs = InputKeeper(scripts, blobs)
        self._lease = lease
        self._settings = settings or ShipperSettings()
        self.counters = ShipperCounters()
        self.lag_seconds = 0.0
        self.failing_since: float | None = None
        self._backoff_s = self._settings.first_backoff_s
        self._shipping = asyncio.Lock()
        self._kept = ""
        self._doubts_until = 0.0

    async def run(self) -> None:
        """Ship until cancelled."""
        async with self._lease.kept():
            while True:
                await asyncio.sleep(await self._turn())

    async def flush(self, timeout_s: float = 5) -> bool:
        """Ship what waits now, before the process ends: `run` goes on meanwhile. Returns whether it got through.

        What another process's shipper has to do is left to it; what is left when time is up, to the next one.
        """
        try:
            async with asyncio.timeout(timeout_s):
                newest = await self._events.newest_id()
                while newest is not None and self._lease.held and await self._events.holds(newest):
                    await self.ship_once()
            return True
        except (PressworkError, TimeoutError) as error:
            log.warning("shipping.unflushed", error=str(error) or f"not done within {timeout_s} s")
            return False

    async def ship_once(self) -> int:
        """Ship one batch; returns how many events it had. Raises what Redis, ClickHouse and the blob store raise."""
        return await self._ship(lambda: False)

    async def ship_waiting(self) -> int:
        """Ship batches for as long as they are full and the role is ours; returns how many events they had."""
        return await self._ship(lambda: self._lease.held)

    async def _ship(self, goes_on: Callable[[], bool]) -> int:
        async with self._shipping:
            await self._confirm_left()
            shipped, load, stored = 0, await self._first(), None
            while load is not None or stored is not None:
                ahead, _, _ = await _all(self._look_ahead(load, goes_on), self._bring(load), self._confirm(stored))
                shipped += 0 if load is None else len(load.batch.entries)
                stored, load = load, await self._next(load, ahead)
            return shipped

    async def _first(self) -> Load | None:
        batch = await self._events.next_batch(self._settings.max_rows, self._settings.max_bytes)
        if batch is None:
            self.lag_seconds = 0.0
            return None
        return self._claimed(batch, await _sorted(batch.entries))

    async def _look_ahead(self, load: Load | None, goes_on: Callable[[], bool]) -> tuple[Entries, Cargo] | None:
        """Read and sort the batch after this one; None if either is not full: the stream is empty then."""
        if load is None or not goes_on() or not self._is_full(load.batch.entries):
            return None
        entries = await self._events.ahead(load.batch.last_id, self._settings.max_rows, self._settings.max_bytes)
        return (entries, await _sorted(entries)) if entries and self._is_full(entries) else None

    def _is_full(self, entries: Entries) -> bool:
        return len(entries) >= self._settings.max_rows or entries.size > self._settings.max_bytes * 0.9

    async def _next(self, load: Load | None, ahead: tuple[Entries, Cargo] | None) -> Load | None:
        """Note that a batch is stored, and take what was read meanwhile."""
        if load is None:
            return None
        await self._events.stored(load.batch)
        if ahead is None:
            return None
        entries, cargo = ahead
        batch = await self._events.claim(entries)
        return None if batch is None else self._claimed(batch, cargo)

    def _claimed(self, batch: Batch, cargo: Cargo) -> Load:
        faultpoint("after_batch")
        self.lag_seconds = max(0, now_ms() - batch.entries[0].at_ms) / 1000
        return Load(batch, cargo)

    async def _bring(self, load: Load | None) -> None:
        if load is not None:
            await _all(self._keep(load), self._store(load))

    async def _confirm(self, load: Load | None) -> None:
        if load is None:
            return
        await self._events.confirm(load.batch.last_id, load.cargo.ended, self._settings.live_ttl_s)
        faultpoint("after_shipped")
        self.counters.events += len(load.batch.entries)
        self.counters.batches += 1

    async def _confirm_left(self) -> None:
        """Confirm what a shipper had stored before it died."""
        if entries := await self._events.unconfirmed():
            cargo = await _sorted(entries)
            await self._events.confirm(entries.ids[-1], cargo.ended, self._settings.live_ttl_s)

    async def _turn(self) -> float:
        """Ship if it is ours to do; returns how long to rest."""
        if not self._lease.held:
            await self._measure_lag()
            return self._settings.interval_s * STANDBY_INTERVALS
        started = time.monotonic()
        try:
            await self.ship_waiting()
        except PressworkError as error:
            log.warning("shipping.failed", error=error.message, hint=error.hint, code=error.code)
            return await self._failed()
        except Exception:
            # A bug, but the log must not stop for it: the stream would grow until nothing is accepted any more.
            log.exception("shipping.broken")
            return await self._failed()
        self._recovered()
        spent = time.monotonic() - started
        return max(0, self._settings.interval_s - spent)

    async def _failed(self) -> float:
        """Note a failure; returns how long to wait before the next try, longer each time."""
        self.counters.failures += 1
        self._doubts_until = time.monotonic() + DOUBT_S
        if self.failing_since is None:
            self.failing_since, self._backoff_s = time.monotonic(), self._settings.first_backoff_s
        else:
            self._backoff_s = min(self._backoff_s * 2, self._settings.max_backoff_s)
        await self._measure_lag()
        return self._backoff_s

    def _recovered(self) -> None:
        if self.failing_since is not None:
            log.info("shipping.recovered", after_s=round(time.monotonic() - self.failing_since, 1))
            self.failing_since = None

    async def _measure_lag(self) -> None:
        try:
            self.lag_seconds = await self._events.lag_ms() / 1000
        except PressworkError as error:
            log.debug("lag.unknown", error=error.message)

    async def _keep(self, load: Load) -> None:
        """Copy inputs, once: while history is away the same batch is tried every few seconds."""
        if load.batch.token == self._kept:
            return
        begun, deleted = load.cargo.begun, load.cargo.deleted
        self.counters.inputs += await self._inputs.keep(begun - deleted)
        await self._inputs.drop(deleted)
        faultpoint("after_inputs")
        self._kept = load.batch.token

    async def _store(self, load: Load) -> None:
        batch = load.batch
        for table, entries in load.cargo.rows.items():
            batch = await self._insert(batch, table, entries)
        for entry, reason in load.cargo.unreadable:
            await self._quarantine(batch, entry, reason)

    async def _insert(self, batch: Batch, table: str, entries: Entries) -> Batch:
        """Insert a table's entries; cut what is refused until single rows are left, each piece under its own token."""
        pieces = [(0, len(entries))] if entries else []
        while pieces:
            start, end = pieces.pop()
            batch, reason = await self._insert_piece(batch, table, entries, start, end)
            if reason and end - start == 1:
                await self._quarantine(batch, entries[start], reason)
            elif reason:
                pieces += reversed(_pieces(start, batch.split[_part(table, start, end)], end))
        return batch

    async def _insert_piece(
        self, batch: Batch, table: str, entries: Entries, start: int, end: int
    ) -> tuple[Batch, str]:
        """Insert entries[start:end] in one piece; returns why they were refused, "" if they were not."""
        part = _part(table, start, end)
        if part in batch.split:
            return batch, "refused before the shipper was restarted"
        try:
            lines = entries.lines[start:end]
            lost = await self._insert_lines(batch, table, lines, part)
        except RowsRefused as refused:
            return await self._events.split(batch, part, _cut(refused.message, start, end)), refused.message
        for number in lost:
            await self._quarantine(batch, entries[start + number], "it was stored, and cannot be found")
        faultpoint("after_insert")
        return batch, ""

    async def _insert_lines(self, batch: Batch, table: str, lines: list[bytes], part: str) -> list[int]:
        """Insert lines, and look for them if there is doubt; returns the numbers of those that are not there."""
        token = f"{batch.token}:{part}"
        await self._clickhouse.insert_lines(table, lines, token=token)
        if not batch.resumed and time.monotonic() > self._doubts_until:
            return []
        lost = set(await self._read_back.settle(table, lines, token=token))
        return [number for number, line in enumerate(lines) if line in lost]

    async def _quarantine(self, batch: Batch, entry: Entry, reason: str) -> None:
        entry_id, kind = entry.id.decode(), entry.kind.decode(errors="replace")
        row = {
            "at": entry.at_ms,
            "entry_id": entry_id,
            "kind": kind,
            "reason": reason,
            "line": entry.line.decode(errors="backslashreplace"),
        }
        await self._insert_lines(batch, QUARANTINE, [orjson.dumps(row)], f"{QUARANTINE}:{entry_id}")
        await self._keep_back(entry)
        self.counters.quarantined += 1
        log.error("event.quarantined", entry_id=entry_id, kind=kind, reason=reason)

    async def _keep_back(self, entry: Entry) -> None:
        """Keep the document of a row in quarantine in Redis: history would show an older state of it, or none."""
        if entry.kind != DOCUMENT:
            return
        with contextlib.suppress(ValueError, KeyError, TypeError):  # nobody knows whose row it was
            await self._events.keep_back(*document_event(entry.line)[:2])


async def _all(*parts: Coroutine[Any, Any, Any]) -> list[Any]:
    """Do things side by side, because they wait for different servers; all are waited for, also when one fails."""
    outcomes = await asyncio.gather(*parts, return_exceptions=True)
    for outcome in outcomes:
        if isinstance(outcome, BaseException):
            raise outcome
    return outcomes


async def _sorted(entries: Entries) -> Cargo:
    """Sort a batch in steps: the loop that does it has documents to render, too."""
    cargo = Cargo()
    for start in range(0, len(entries), READ_STEP):
        sort_cargo(entries.part(start, start + READ_STEP), cargo)
        await asyncio.sleep(0)
    return cargo


def _part(table: str, start: int, end: int) -> str:
    return f"{table}:{start}-{end}"


def _cut(message: str, start: int, end: int) -> int:
    """Where to cut a piece that was refused: at the row that the server names, else in the middle."""
    named = AT_ROW.search(message)
    row = start + int(named[1]) - 1 if named else end
    return row if start <= row < end else (start + end) // 2


def _pieces(start: int, cut: int, end: int) -> list[tuple[int, int]]:
    """Cut a refused piece: what comes before the row, the row alone, and in halves the rest, which nobody has read."""
    middle = (cut + 1 + end) // 2
    bounds = [(start, cut), (cut, cut + 1), (cut + 1, middle), (middle, end)]
    return [(first, last) for first, last in bounds if first < last]
