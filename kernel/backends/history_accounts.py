"""Users and keys as ClickHouse keeps them: the columns to ask for, the way back to rows, and all rows there are: what
Redis is rebuilt from, and compared with.
"""

from pydantic_core import from_json

from backends.clickhouse import ClickHouse, Row
from contracts.users import KeyRow, UserRow

#: Reading everything there is takes its time, and nothing can be done before it has come.
TIMEOUT_S = 120.0

USER_COLUMNS = (
    "user_id, email, email_norm, name, role, status, attrs, webhook_secret, created_at, updated_at, version, deleted"
)
KEY_COLUMNS = "key_id, user_id, name, prefix, digest, scopes, created_at, expires_at, revoked_at, version"


class HistoryAccounts:
    """Raises HistoryUnavailable from every method when ClickHouse does not answer."""

    def __init__(self, clickhouse: ClickHouse) -> None:
        self._clickhouse = clickhouse

    async def users(self) -> list[UserRow]:
        """Read every user, deleted ones too."""
        rows = await self._clickhouse.rows(f"SELECT {USER_COLUMNS} FROM users FINAL", timeout_s=TIMEOUT_S)
        return [user_row(row) for row in rows]

    async def keys(self) -> list[KeyRow]:
        """Read every key, revoked ones too: a revoked key must stay refused, not become unknown and free again."""
        rows = await self._clickhouse.rows(f"SELECT {KEY_COLUMNS} FROM api_keys FINAL", timeout_s=TIMEOUT_S)
        return [KeyRow.model_validate(row) for row in rows]


def user_row(row: Row) -> UserRow:
    """Build a user's row from what ClickHouse returned for USER_COLUMNS."""
    return UserRow.model_validate({**row, "attrs": from_json(str(row["attrs"]) or "{}")})
