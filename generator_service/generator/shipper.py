"""Ships the event stream to ClickHouse, every event exactly once, and documents' inputs to the blob store.

Last step of a document's path, and nobody waits for it. Whatever fails is repeated: the batch keeps its rows and its
insert token (backends.event_log), and nothing leaves Redis before ClickHouse and the blob store have confirmed it.
"""

import asyncio
import re
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from uuid import UUID

import orjson
import structlog

from backends.blobs import BlobStore
from backends.clickhouse import ClickHouse, RowsRefused
from backends.event_log import Batch, Entry, EventLog
from backends.role_lease import RoleLease
from backends.scripts import Scripts
from contracts.errors import PressworkError
from contracts.ids import now_ms
from generator.input_keeper import InputKeeper

log = structlog.get_logger(__name__)

#: Which kind of event goes into which table.
TABLES = {"d": "document_events", "u": "user_events", "k": "key_events", "w": "webhook_deliveries"}
QUARANTINE = "events_quarantine"

#: Events at which a run begins: the job that Redis holds then is what a retry will need.
BEGINNINGS = frozenset({"accepted", "retried"})
DELETED = "deleted"

AS_WRITTEN = re.compile(rb',"seq":([0-9]{1,9}),"event":"([a-z_]+)"')
HEAD_START, ID_LENGTH = b'{"document_id":"', 36


#: How much less often a shipper that stands by looks up.
STANDBY_INTERVALS = 5


@dataclass(frozen=True)
class ShipperSettings:
    """`live_ttl_s`: how long Redis keeps a document that has ended, is shipped and owes no delivery."""

    interval_s: float = 0.2
    max_rows: int = 10_000
    max_bytes: int = 8 << 20
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


@dataclass
class Cargo:
    """A batch sorted: lines by table, and what else the document events ask for."""

    rows: dict[str, list[Entry]] = field(default_factory=dict)
    unreadable: list[tuple[Entry, str]] = field(default_factory=list)
    shipped: dict[str, int] = field(default_factory=dict)
    begun: set[str] = field(default_factory=set)
    deleted: set[str] = field(default_factory=set)


class Shipper:
    """One per process; of all that run, the holder of the lease works. `failing_since` is None while all is well."""

    def __init__(
        self,
        scripts: Scripts,
        clickhouse: ClickHouse,
        blobs: BlobStore,
        lease: RoleLease,
        settings: ShipperSettings | None = None,
    ) -> None:
        self._events = EventLog(scripts)
        self._clickhouse = clickhouse
        self._inputs = InputKeeper(scripts, blobs)
        self._lease = lease
        self._settings = settings or ShipperSettings()
        self.counters = ShipperCounters()
        self.lag_seconds = 0.0
        self.failing_since: float | None = None
        self._backoff_s = self._settings.first_backoff_s
        self._shipping = asyncio.Lock()

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
        async with self._shipping:
            return await self._ship_once()

    async def _ship_once(self) -> int:
        batch = await self._events.next_batch(self._settings.max_rows, self._settings.max_bytes)
        if batch is None:
            self.lag_seconds = 0.0
            return 0
        self.lag_seconds = max(0, now_ms() - int(batch.entries[0].id.partition("-")[0])) / 1000
        cargo = sort_cargo(batch)
        # Side by side, because they wait for different servers; both are waited for, also when one of them fails.
        for outcome in await asyncio.gather(self._keep(cargo), self._store(batch, cargo), return_exceptions=True):
            if isinstance(outcome, BaseException):
                raise outcome
        await self._events.shipped(batch, cargo.shipped, self._settings.live_ttl_s)
        self.counters.events += len(batch.entries)
        self.counters.batches += 1
        return len(batch.entries)

    async def _turn(self) -> float:
        """Ship if it is ours to do; returns how long to rest."""
        if not self._lease.held:
            await self._measure_lag()
            return self._settings.interval_s * STANDBY_INTERVALS
        started = time.monotonic()
        try:
            shipped = await self.ship_once()
        except PressworkError as error:
            log.warning("shipping.failed", error=error.message, hint=error.hint, code=error.code)
            return await self._failed()
        except Exception:
            # A bug, but the log must not stop for it: the stream would grow until nothing is accepted any more.
            log.exception("shipping.broken")
            return await self._failed()
        self._recovered()
        spent = time.monotonic() - started
        return 0 if shipped >= self._settings.max_rows else max(0, self._settings.interval_s - spent)

    async def _failed(self) -> float:
        """Note a failure; returns how long to wait before the next try, longer each time."""
        self.counters.failures += 1
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

    async def _keep(self, cargo: Cargo) -> None:
        self.counters.inputs += await self._inputs.keep(cargo.begun - cargo.deleted)
        await self._inputs.drop(cargo.deleted)

    async def _store(self, batch: Batch, cargo: Cargo) -> None:
        for table, entries in cargo.rows.items():
            batch = await self._insert(batch, table, entries, 0, len(entries))
        for entry, reason in cargo.unreadable:
            await self._quarantine(batch, entry, reason)

    async def _insert(self, batch: Batch, table: str, entries: list[Entry], start: int, end: int) -> Batch:
        """Insert entries[start:end] under a token of their own; halve what is refused until single rows are left."""
        part = f"{table}:{start}-{end}"
        if part not in batch.split:
            try:
                lines = [entry.line for entry in entries[start:end]]
                await self._clickhouse.insert_lines(table, lines, token=f"{batch.token}:{part}")
                return batch
            except RowsRefused as refused:
                reason = refused.message
                batch = await self._events.split(batch, part)
        else:
            reason = "refused before the shipper was restarted"
        if end - start == 1:
            await self._quarantine(batch, entries[start], reason)
            return batch
        middle = (start + end) // 2
        batch = await self._insert(batch, table, entries, start, middle)
        return await self._insert(batch, table, entries, middle, end)

    async def _quarantine(self, batch: Batch, entry: Entry, reason: str) -> None:
        row = {
            "at": int(entry.id.partition("-")[0]),
            "entry_id": entry.id,
            "kind": entry.kind,
            "reason": reason,
            "line": entry.line.decode(errors="backslashreplace"),
        }
        await self._clickhouse.insert_lines(
            QUARANTINE, [orjson.dumps(row)], token=f"{batch.token}:{QUARANTINE}:{entry.id}"
        )
        self.counters.quarantined += 1
        log.error("event.quarantined", entry_id=entry.id, kind=entry.kind, reason=reason)


def sort_cargo(batch: Batch) -> Cargo:
    """Sort a batch by table; what is no JSON object of a known kind is set apart with the reason."""
    cargo = Cargo()
    for entry in batch.entries:
        try:
            _load(cargo, entry)
        except (ValueError, KeyError, TypeError) as error:
            cargo.unreadable.append((entry, f"{type(error).__name__}: {error}"))
    return cargo


def _load(cargo: Cargo, entry: Entry) -> None:
    if entry.kind not in TABLES:
        raise ValueError(f"unknown kind {entry.kind!r}")
    if entry.kind == "d":
        _note_document(cargo, *(_glance(entry.line) or _read(entry.line)))
    elif entry.line[:1] + entry.line[-1:] != b"{}":
        raise ValueError("not a JSON object")
    cargo.rows.setdefault(TABLES[entry.kind], []).append(entry)


def _glance(line: bytes) -> tuple[str, int, str] | None:
    """Find id, seq and event in a line as the queue's scripts write it; None for any other. 1.7 us instead of 4.

    A client's texts cannot look like it: inside a JSON string each quote has a backslash before it.
    """
    found = AS_WRITTEN.match(line, line.find(b',"seq":'))
    if found is None or not line.startswith(HEAD_START) or not line.endswith(b"}"):
        return None
    id_ = line[len(HEAD_START) : len(HEAD_START) + ID_LENGTH]
    return id_.decode(errors="replace"), int(found[1]), found[2].decode()


def _read(line: bytes) -> tuple[str, int, str]:
    row = orjson.loads(line)
    if not isinstance(row, Mapping):
        raise ValueError("not a JSON object")
    document_id, seq, event = row["document_id"], row["seq"], row["event"]
    if not isinstance(document_id, str) or not isinstance(seq, int) or not isinstance(event, str):
        raise ValueError("document_id, seq or event is of the wrong type")
    return document_id, seq, event


def _note_document(cargo: Cargo, document_id: str, seq: int, event: str) -> None:
    if event in BEGINNINGS:
        cargo.begun.add(str(UUID(document_id)))
    if event == DELETED:
        cargo.deleted.add(str(UUID(document_id)))
    cargo.shipped[document_id] = max(seq, cargo.shipped.get(document_id, 0))
