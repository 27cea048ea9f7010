"""Users and API keys in Redis: the complete set that serving needs. Each change, with its event, is one script.

ClickHouse keeps the same rows (write-through, and the event stream behind it); `populate` brings them back from there.
"""

from typing import cast
from uuid import UUID

from backends.faults import faultpoint
from backends.redis import ask
from backends.scripts import Scripts
from contracts.errors import Conflict, NotFound, QueueUnavailable, VersionMismatch
from contracts.ids import new_id, now_ms
from contracts.users import KeyEvent, KeyRow, UserEvent, UserRow

#: A deleted user's row stays this long, because webhooks that are still due are signed with its secret.
DELETED_TTL_S = 7 * 86_400
#: History brings a deleted user back only while its row would not expire at this moment.
RECENTLY_DELETED_MS = (DELETED_TTL_S - 86_400) * 1000


class Accounts:
    """Raises QueueUnavailable from every method when Redis does not answer."""

    def __init__(self, scripts: Scripts) -> None:
        self._scripts = scripts
        self._redis = scripts.redis
        self._prefix = scripts.prefix

    async def user(self, user_id: UUID) -> UserRow:
        """Read a user. Raises NotFound, for deleted ones too."""
        row = await self.user_or_deleted(user_id)
        if row is None or row.deleted:
            raise NotFound("user")
        return row

    async def user_or_deleted(self, user_id: UUID) -> UserRow | None:
        text = await ask(self._redis.hget(f"{self._prefix}user:{user_id}", "row"))
        return None if text is None else UserRow.model_validate_json(text)

    async def put_user(self, row: UserRow, event: str, actor_id: UUID | None) -> None:
        """Write a user whose `version` is the stored one plus 1.

        Raises VersionMismatch, Conflict `email_taken` (two users with one e-mail), Conflict `last_admin`.
        """
        line = UserEvent(**row.model_dump(), event=event, at=now_ms(), actor_id=actor_id).model_dump_json()
        answer = await self._scripts.run(
            "user_put",
            str(row.user_id),
            row.version - 1,
            row.model_dump_json(),
            line,
            row.email_norm,
            int(active_admin(row)),
            DELETED_TTL_S if row.deleted else 0,
            new_id().hex,
        )
        faultpoint("after_account_change")
        if answer == "conflict":
            raise VersionMismatch()
        if answer == "email_taken":
            raise Conflict("email_taken", "Another user has this e-mail address.")
        if answer == "last_admin":
            raise Conflict("last_admin", "This is the last active admin.", hint="Make another user admin first.")

    async def put_key(self, row: KeyRow, event: str, actor_id: UUID | None) -> bool:
        """Write a key (`event`: key.created or key.revoked); False if a new key is known already.

        Raises NotFound, Conflict `last_admin` (the last valid key of the last active admin).
        """
        line = KeyEvent(**row.model_dump(), event=event, at=now_ms(), actor_id=actor_id).model_dump_json()
        expected = "new" if event == "key.created" else "active"
        arguments = (str(row.key_id), str(row.user_id), row.digest, row.model_dump_json(), line, expected)
        answer = await self._scripts.run("key_put", *arguments)
        if answer == "missing":
            raise NotFound("user" if expected == "new" else "key")
        if answer == "last_admin":
            hint = "Make another key first."
            raise Conflict("last_admin", "This is the last valid key of the last active admin.", hint=hint)
        return answer == "ok"

    async def keys(self, user_id: UUID) -> list[tuple[KeyRow, int | None]]:
        """Read a user's keys that are not revoked, newest first, each with when it was last used (epoch ms)."""
        digests = cast(list[str], await ask(self._redis.hvals(f"{self._prefix}user-keys:{user_id}")))
        async with self._redis.pipeline(transaction=False) as pipe:
            for digest in digests:
                pipe.hmget(f"{self._prefix}key:{digest}", "row", "used_at")
            found = await ask(pipe.execute())
        rows = [(KeyRow.model_validate_json(row), int(used) if used else None) for row, used in found if row]
        return sorted((pair for pair in rows if pair[0].revoked_at is None), key=lambda pair: pair[0].key_id.hex)[::-1]

    async def authenticate(self, digest: str) -> tuple[KeyRow, UserRow] | None:
        """Find a key and its user by the key's digest, whatever their states.

        Raises QueueUnavailable while Redis has lost the set and nobody has brought it back: no key is unknown then.
        """
        answer = cast(list[str], await self._scripts.run("authenticate", digest))
        if answer == ["lost"]:
            raise QueueUnavailable()
        if not answer:
            return None
        return KeyRow.model_validate_json(answer[0]), UserRow.model_validate_json(answer[1])

    async def key_used(self, digest: str, at_ms: int) -> None:
        """Note when a key was last used; callers sample, so this is not exact."""
        await self._scripts.run("key_used", digest, at_ms)

    async def user_by_email(self, email_norm: str) -> UserRow | None:
        """Find a user by its normalised e-mail address."""
        user_id = cast(str | None, await ask(self._redis.get(f"{self._prefix}email:{email_norm}")))
        return None if user_id is None else await self.user_or_deleted(UUID(user_id))

    async def admins(self) -> int:
        """Count the active admins."""
        return int(await ask(self._redis.scard(f"{self._prefix}admins")))

    async def populated(self) -> bool:
        """Tell whether this Redis holds the complete set."""
        return bool(await ask(self._redis.exists(f"{self._prefix}populated")))

    async def populate(self, users: list[UserRow], keys: list[KeyRow]) -> None:
        """Bring users and keys back from history, then mark the set complete. What is here is newer, and stays."""
        for row in users:
            if not forgotten(row):
                await self.adopt_user(row)
        for key in keys:
            await self.adopt_key(key)
        await self.mark_populated()

    async def adopt_user(self, row: UserRow) -> None:
        """Take a user over from history, unless Redis has it as new; a deleted one goes with its keys."""
        arguments = (str(row.user_id), row.version, row.model_dump_json(), row.email_norm, int(active_admin(row)))
        await self._scripts.run("adopt_account", "user", *arguments, DELETED_TTL_S if row.deleted else 0)

    async def adopt_key(self, row: KeyRow) -> None:
        """Take a key over from history, unless Redis has it as new or its user is not there."""
        arguments = (str(row.key_id), row.version, row.model_dump_json(), str(row.user_id), row.digest)
        await self._scripts.run("adopt_account", "key", *arguments)

    async def mark_populated(self) -> None:
        """Say that the set is complete."""
        await ask(self._redis.set(f"{self._prefix}populated", now_ms()))


def active_admin(row: UserRow) -> bool:
    return row.role == "admin" and row.status == "active" and not row.deleted


def forgotten(row: UserRow) -> bool:
    """Tell whether a user was deleted so long ago that Redis need not know it any more."""
    return bool(row.deleted) and row.updated_at <= now_ms() - RECENTLY_DELETED_MS
