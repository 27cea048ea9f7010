"""Has ClickHouse every user and key that Redis holds?"""

from collections.abc import AsyncIterator
from itertools import batched

from contracts.ids import now_ms
from contracts.users import KeyEvent, KeyRow, UserEvent, UserRow
from generator.maintenance.doctor.port import Flaw
from generator.maintenance.doctor.row_history import STEP, Held, RowHistory

MODELS: dict[str, type[UserRow] | type[KeyRow]] = {"user": UserRow, "key": KeyRow}


class AccountHistory(RowHistory[UserRow | KeyRow]):
    name = "account-history"
    title = "users and keys in the history"
    flaws = {
        "user": Flaw("users that history lacks or has an older version of", "sent through the event stream again"),
        "key": Flaw("keys that history lacks or has an older version of", "sent through the event stream again"),
    }

    async def held(self) -> AsyncIterator[Held[UserRow | KeyRow]]:
        for kind, model in MODELS.items():
            async for name, text in self._texts(kind):
                row = model.model_validate_json(text)
                yield Held(kind, id_of(row), row.version, name, row)

    async def stored(self) -> dict[str, int]:
        users = {str(row.user_id): row.version for row in await self.stores.history_accounts.users()}
        return users | {str(row.key_id): row.version for row in await self.stores.history_accounts.keys()}

    async def event(self, row: UserRow | KeyRow) -> tuple[str, str]:
        if isinstance(row, UserRow):
            return "u", UserEvent(**row.model_dump(), event="user.recovered", at=now_ms()).model_dump_json()
        return "k", KeyEvent(**row.model_dump(), event="key.recovered", at=now_ms()).model_dump_json()

    async def _texts(self, kind: str) -> AsyncIterator[tuple[str, str]]:
        """Go through the hashes of this kind: name and row."""
        async for names in self.stores.redis.names(f"{kind}:*"):
            for step in batched(names, STEP):
                found = await self.stores.redis.fields(step, "row")
                for name, (text,) in zip(step, found, strict=True):
                    if text is not None:
                        yield name, text


def id_of(row: UserRow | KeyRow) -> str:
    return str(row.user_id if isinstance(row, UserRow) else row.key_id)
