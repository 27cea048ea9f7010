"""Reads back what was stored in doubt, and stores once more what is not there.

An insert that did not succeed at once may have left less than its token says: ClickHouse (26.9) on a full disk commits
a part with empty files, remembers the token, fails, and takes the repetition for a duplicate. The part is set aside
when the server starts again, and its rows are gone. So such a batch counts as stored when its rows have been read.
"""

import asyncio
import hashlib
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from itertools import batched, count
from uuid import UUID

import orjson
import structlog

from backends.clickhouse import ClickHouse, Parameter, array
from contracts.errors import HistoryUnavailable

log = structlog.get_logger(__name__)

Key = tuple[int | str, ...]

#: Rows per question, which travel in its URL; and how often missing rows are stored again before they are given up:
#: what can be stored and never found does not say which row it is.
STEP, ROUNDS = 500, 3
#: How often, and how far apart, it is looked whether an insert still runs.
LOOKS, LOOK_S = 10, 0.1

RUNNING = """
SELECT count() AS n FROM system.processes WHERE startsWith(Settings['insert_deduplication_token'], {token:String})
"""

VIEW = """
SELECT as_select, (
  SELECT groupArray(name) FROM (
    SELECT name FROM system.columns WHERE database = currentDatabase() AND table = {view:String} ORDER BY position
  )
) AS columns FROM system.tables WHERE database = currentDatabase() AND name = {view:String}
"""


@dataclass(frozen=True)
class Log:
    """A table that events are shipped to: its key (when, which, and what number), and what a view makes of it."""

    key: tuple[str, ...]
    id_type: str = "UUID"
    view: str = ""
    target: str = ""

    @property
    def among(self) -> str:
        """The condition that picks the rows of `parameters`."""
        return f"{self.key[0]} IN {{times:Array(Int64)}} AND {self.key[1]} IN {{ids:Array({self.id_type})}}"


LOGS = {
    "document_events": Log(("created_at", "document_id", "seq"), view="documents_from_events", target="documents"),
    "user_events": Log(("created_at", "user_id", "version"), view="users_from_events", target="users"),
    "key_events": Log(("created_at", "key_id", "version"), view="api_keys_from_events", target="api_keys"),
    "template_events": Log(("created_at", "template_id", "version"), view="templates_from_events", target="templates"),
    "endpoint_events": Log(("created_at", "endpoint_id", "version"), view="endpoints_from_events", target="endpoints"),
    "webhook_deliveries": Log(
        ("created_at", "delivery_id", "attempt"), view="deliveries_from_attempts", target="deliveries"
    ),
    "events_quarantine": Log(("at", "entry_id"), id_type="String"),
}


class ReadBack:
    """Raises HistoryUnavailable from every method while it cannot tell."""

    def __init__(self, clickhouse: ClickHouse) -> None:
        self._clickhouse = clickhouse

    async def settle(self, table: str, lines: Sequence[bytes], *, token: str) -> list[bytes]:
        """Make sure of lines whose insert under `token` was acknowledged, also of what views make of them.

        Returns those that were stored again and still cannot be found.
        """
        await self._nothing_runs(token)
        keys = {key: line for line in lines if (key := key_of(table, line)) is not None}
        lost: list[bytes] = []
        for turn in count():
            missing = set(keys) - await self._found(table, keys)
            lost = [line for key, line in keys.items() if key in missing]
            if not lost or turn == ROUNDS:
                break
            log.warning("history.rows_missing", table=table, rows=len(lost), round=turn)
            await self._clickhouse.insert_lines(table, lost, token=f"{token}:missing:{_digest(lost)}:{turn}")
        if LOGS[table].view:
            await self._renew(table, set(keys) - missing)
        return lost

    async def _nothing_runs(self, token: str) -> None:
        """Raise while an insert of these lines runs: what it will leave cannot be told yet.

        One that was answered may be among the running ones for a moment.
        """
        for _ in range(LOOKS):
            if not (await self._clickhouse.rows(RUNNING, {"token": token}))[0]["n"]:
                return
            await asyncio.sleep(LOOK_S)
        raise HistoryUnavailable(hint="An earlier insert of the same rows has not ended yet.")

    async def _found(self, table: str, keys: Collection[Key]) -> set[Key]:
        """Return which of these rows can be read, every column of them."""
        log_ = LOGS[table]
        sql = f"SELECT {', '.join(log_.key)} FROM {table} PREWHERE {log_.among} WHERE NOT ignore(*)"
        found = set[Key]()
        for step in batched(keys, STEP):
            rows = await self._clickhouse.rows(sql, _parameters(step))
            found |= {tuple(row[column] for column in log_.key) for row in rows}  # type: ignore[misc]
        return found & set(keys)

    async def _renew(self, table: str, keys: Collection[Key]) -> None:
        """Let a view's target have these rows, whatever it has of them: it replaces equal ones."""
        log_ = LOGS[table]
        ((view),) = await self._clickhouse.rows(VIEW, {"view": log_.view})
        columns = ", ".join(f"`{name}`" for name in view["columns"])  # type: ignore[attr-defined]
        insert = f"INSERT INTO {log_.target} ({columns}) SELECT {columns} FROM ({view['as_select']}) WHERE {log_.among}"
        check = f"SELECT uniqExact({log_.key[1]}) AS n FROM {log_.target} PREWHERE {log_.among} WHERE NOT ignore(*)"
        for step in batched(keys, STEP):
            await self._clickhouse.insert_selected(insert, _parameters(step))
            (found,) = await self._clickhouse.rows(check, _parameters(step))
            if found["n"] != len({key[1] for key in step}):
                raise HistoryUnavailable(hint=f"{log_.target} has not all rows that were just stored.")


def key_of(table: str, line: bytes) -> Key | None:
    """Read which row a line is; None if it does not say so plainly, as the lines of our own scripts do."""
    try:
        row = orjson.loads(line)
        at, id_, *number = (row[column] for column in LOGS[table].key)
        name = str(UUID(id_)) if LOGS[table].id_type == "UUID" else str(id_)
        return (int(at), name, *map(int, number))
    except (ValueError, KeyError, TypeError, AttributeError):
        return None


def _parameters(keys: Sequence[Key]) -> dict[str, Parameter]:
    return {"times": array({key[0] for key in keys}), "ids": array({key[1] for key in keys})}


def _digest(lines: Sequence[bytes]) -> str:
    return hashlib.sha256(b"\n".join(lines)).hexdigest()[:32]
