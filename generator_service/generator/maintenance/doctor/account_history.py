"""Has ClickHouse every user and key that Redis holds? What it lacks goes through the stream again.

Rows that wait in the stream are on their way. Who made which change when is lost with the history: the rows are not.
"""

from collections.abc import AsyncIterator, Collection, Sequence
from dataclasses import dataclass
from itertools import batched

from contracts.ids import now_ms
from contracts.users import KeyEvent, KeyRow, UserEvent, UserRow
from generator.maintenance.doctor.port import MENDED, Finding, Flaw
from generator.maintenance.doctor.stores import Stores
from generator.maintenance.doctor.waiting import Waiting

STEP = 500
Versions = dict[str, int]
MODELS: dict[str, type[UserRow] | type[KeyRow]] = {"user": UserRow, "key": KeyRow}


@dataclass(frozen=True)
class Held:
    """A row that Redis holds: the name of its hash, what it remembers of being sent again, the row."""

    name: str
    again: str
    row: UserRow | KeyRow


class AccountHistory:
    name = "account-history"
    title = "users and keys in the history"
    flaws = {
        "user": Flaw("users that history lacks or has an older version of", "sent through the event stream again"),
        "key": Flaw("keys that history lacks or has an older version of", "sent through the event stream again"),
    }

    def __init__(self, stores: Stores) -> None:
        self._stores = stores
        self._held: dict[str, Held] = {}

    async def look(self, only: Collection[str] | None = None) -> AsyncIterator[Finding]:
        self._held = {}
        held = {id_: held for id_, held in (await self._rows()).items() if only is None or id_ in only}
        stored = await self._stored()
        newer = {id_: one for id_, one in held.items() if one.row.version > stored.get(id_, 0)}
        if not newer:
            return
        # First the stream, then history once more: what has left the one meanwhile is in the other.
        waiting, stored = (await Waiting.read(self._stores)).versions, await self._stored()
        for id_, one in newer.items():
            if one.row.version > max(stored.get(id_, 0), waiting.get(id_, 0)):
                self._held[id_] = one
                yield Finding("user" if isinstance(one.row, UserRow) else "key", id_, str(one.row.version))

    async def mend(self, findings: Sequence[Finding]) -> list[str]:
        for finding in findings:
            held = self._held[finding.subject]
            kind, line = event_of(held.row, now_ms())
            await self._stores.scripts.run("reship_row", held.name, held.again, kind, line)
        return [MENDED for _ in findings]

    async def _rows(self) -> dict[str, Held]:
        return {id_of(held.row): held for kind in MODELS async for held in self._of_kind(kind)}

    async def _of_kind(self, kind: str) -> AsyncIterator[Held]:
        async for names in self._stores.redis.names(f"{kind}:*"):
            for step in batched(names, STEP):
                found = await self._stores.redis.fields(step, "row", "again")
                for name, (row, again) in zip(step, found, strict=True):
                    if row is not None:
                        yield Held(name, again or "", MODELS[kind].model_validate_json(row))

    async def _stored(self) -> Versions:
        users = {str(row.user_id): row.version for row in await self._stores.history_accounts.users()}
        return users | {str(row.key_id): row.version for row in await self._stores.history_accounts.keys()}


def id_of(row: UserRow | KeyRow) -> str:
    return str(row.user_id if isinstance(row, UserRow) else row.key_id)


def event_of(row: UserRow | KeyRow, at: int) -> tuple[str, str]:
    """Write the event line that brings a row back, with its kind."""
    if isinstance(row, UserRow):
        return "u", UserEvent(**row.model_dump(), event="user.recovered", at=at).model_dump_json()
    return "k", KeyEvent(**row.model_dump(), event="key.recovered", at=at).model_dump_json()
