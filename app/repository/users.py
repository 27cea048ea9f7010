"""Users and keys in ClickHouse: the list, and the write-through of changes."""

from dataclasses import dataclass

from backends.clickhouse import ClickHouse, Parameter
from backends.history_accounts import USER_COLUMNS, user_row
from contracts.cursors import Position
from contracts.errors import HistoryUnavailable, PressworkError
from contracts.users import KeyRow, Role, UserRow, UserStatus

UserPage = tuple[list[UserRow], Position | None]

#: A change is answered without ClickHouse when it takes longer: its event brings the row later.
WRITE_THROUGH_S = 1.0


@dataclass(frozen=True)
class UserFilter:
    """What a list is narrowed to; None does not narrow. `q` is a part of e-mail or name, in any letter case."""

    q: str | None = None
    email_norm: str | None = None
    role: Role | None = None
    status: UserStatus | None = None


class UserRepository:
    """Raises HistoryUnavailable from every method when ClickHouse does not answer. Deleted users are not there."""

    def __init__(self, clickhouse: ClickHouse) -> None:
        self._clickhouse = clickhouse

    async def user_written(self, row: UserRow) -> None:
        """Write a user's row at once, so that lists show it; its event will bring the same row again."""
        await self._written("users", row.model_dump_json().encode())

    async def key_written(self, row: KeyRow) -> None:
        """Write a key's row at once; its event will bring the same row again."""
        await self._written("api_keys", row.model_dump_json().encode())

    async def count(self, filter_: UserFilter | None = None) -> int:
        """Count users."""
        conditions, parameters = _conditions(filter_ or UserFilter(), None)
        sql = f"SELECT count() AS users FROM users FINAL WHERE {' AND '.join(conditions)}"
        return int(str((await self._clickhouse.rows(sql, parameters))[0]["users"]))

    async def list(self, filter_: UserFilter, position: Position | None, limit: int) -> UserPage:
        """Read a page, newest first, after `position`; with it the position of its last row if more follow."""
        conditions, parameters = _conditions(filter_, position)
        sql = (
            f"SELECT {USER_COLUMNS} FROM users FINAL WHERE {' AND '.join(conditions)}"
            " ORDER BY created_at DESC, user_id DESC LIMIT {limit:UInt32}"
        )
        rows = await self._clickhouse.rows(sql, {**parameters, "limit": limit + 1})
        page = [user_row(row) for row in rows[:limit]]
        return page, (page[-1].created_at, page[-1].user_id) if len(rows) > limit else None

    async def _written(self, table: str, line: bytes) -> None:
        try:
            await self._clickhouse.insert_row(table, line, timeout_s=WRITE_THROUGH_S)
        except HistoryUnavailable:
            raise
        except PressworkError as error:
            # The change is made already: whatever ClickHouse has against the row must not fail the request.
            raise HistoryUnavailable(error.message) from error


def _conditions(filter_: UserFilter, position: Position | None) -> tuple[list[str], dict[str, Parameter]]:
    wanted: list[tuple[str, str, Parameter]] = [
        ("positionCaseInsensitiveUTF8(concat(email, '\\n', name), {q:String}) > 0", "q", filter_.q),
        ("email_norm = {email:String}", "email", filter_.email_norm),
        ("role = {role:String}", "role", filter_.role),
        ("status = {status:String}", "status", filter_.status),
    ]
    used = [(condition, name, value) for condition, name, value in wanted if value is not None]
    conditions = ["deleted = 0", *(condition for condition, _, _ in used)]
    parameters: dict[str, Parameter] = {name: value for _, name, value in used}
    if position is not None:
        conditions.append("created_at <= {at:Int64} AND (created_at, user_id) < ({at:Int64}, {after:UUID})")
        parameters |= {"at": position[0], "after": str(position[1])}
    return conditions, parameters
