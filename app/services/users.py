"""Users and keys: who may change what, and nothing lost between two who change the same user."""

import unicodedata
from collections.abc import Mapping
from uuid import UUID

import structlog

from app.repository.users import UserFilter, UserRepository
from app.services.auth import Authenticator, Principal
from backends.accounts import Accounts
from contracts.api_keys import generate_key, shown_prefix
from contracts.cursors import Position
from contracts.errors import Forbidden, HistoryUnavailable, NotFound, VersionMismatch
from contracts.ids import new_id, now_ms
from contracts.secret_ring import SecretRing
from contracts.secrets import SecretBox
from contracts.users import KeyRow, Role, Scope, UserRow, UserStatus
from contracts.webhooks import new_secret

log = structlog.get_logger(__name__)

#: What a member may change of itself.
OWN_FIELDS = frozenset({"name"})
#: How often a change without If-Match is tried again when somebody else was faster.
CONFLICT_TRIES = 50


class UserService:
    """`overlap_ms`: how long a webhook secret signs on after it was replaced."""

    def __init__(
        self,
        accounts: Accounts,
        repository: UserRepository,
        auth: Authenticator,
        box: SecretBox,
        overlap_ms: int = 24 * 3600 * 1000,
    ) -> None:
        self._accounts = accounts
        self._repository = repository
        self._auth = auth
        self._box = box
        self._overlap_ms = overlap_ms

    async def create(
        self,
        actor_id: UUID | None,
        *,
        email: str,
        name: str,
        role: Role = "member",
        status: UserStatus = "active",
        attrs: Mapping[str, object] | None = None,
    ) -> UserRow:
        """Create a user. Raises Conflict `email_taken`."""
        now = now_ms()
        row = UserRow(
            user_id=new_id(now),
            email=email,
            email_norm=normal_email(email),
            name=name,
            role=role,
            status=status,
            attrs=dict(attrs or {}),
            webhook_secret=self._box.seal(new_secret()),
            created_at=now,
            updated_at=now,
            version=1,
        )
        await self._put(row, "user.created", actor_id)
        return row

    async def get(self, caller: Principal, user_id: UUID) -> UserRow:
        """Read a user: admins any, others themselves. Raises NotFound."""
        if caller.role != "admin" and user_id != caller.user.user_id:
            raise NotFound("user")
        return await self._accounts.user(user_id)

    async def page(
        self, filter_: UserFilter, position: Position | None, limit: int
    ) -> tuple[list[UserRow], Position | None]:
        """List users, newest first. Raises HistoryUnavailable."""
        return await self._repository.list(filter_, position, limit)

    async def change(
        self, caller: Principal, user_id: UUID, changes: Mapping[str, object], versions: frozenset[int] | None
    ) -> UserRow:
        """Change some fields. `versions`: what If-Match allows; None repeats the change until no one was in between.

        Raises NotFound, Forbidden, VersionMismatch, Conflict `email_taken` or `last_admin`.
        """
        if caller.role != "admin" and user_id != caller.user.user_id:
            raise NotFound("user")
        if caller.role != "admin" and not OWN_FIELDS.issuperset(changes):
            raise Forbidden("You may change your own name only.")
        for _ in range(CONFLICT_TRIES):
            row = await self._accounts.user(user_id)
            if versions is not None and row.version not in versions:
                raise VersionMismatch()
            if not changes:
                return row
            changed = _changed(row, changes)
            try:
                await self._put(changed, "user.updated", caller.user.user_id)
                return changed
            except VersionMismatch:
                continue
        raise VersionMismatch("Too many are changing this user at once.")

    async def delete(self, caller: Principal, user_id: UUID, versions: frozenset[int] | None) -> None:
        """Delete a user and its keys. Raises NotFound, VersionMismatch, Conflict `last_admin`."""
        for _ in range(CONFLICT_TRIES):
            row = await self._accounts.user(user_id)
            if versions is not None and row.version not in versions:
                raise VersionMismatch()
            try:
                await self._put(_changed(row, {"deleted": 1}), "user.deleted", caller.user.user_id)
                return
            except VersionMismatch:
                continue
        raise VersionMismatch("Too many are changing this user at once.")

    async def create_key(
        self, actor_id: UUID | None, user_id: UUID, *, name: str, scopes: tuple[Scope, ...], expires_at: int | None
    ) -> tuple[KeyRow, str]:
        """Make a key for a user; the key itself is returned once and stored nowhere. Raises NotFound."""
        await self._accounts.user(user_id)
        key = generate_key()
        row = await self.add_key(actor_id, user_id, key, name=name, scopes=scopes, expires_at=expires_at)
        assert row is not None
        return row, key

    async def add_key(
        self,
        actor_id: UUID | None,
        user_id: UUID,
        key: str,
        *,
        name: str,
        scopes: tuple[Scope, ...] = (),
        expires_at: int | None = None,
    ) -> KeyRow | None:
        """Register a given key; None if it is known already (also if it was revoked)."""
        now = now_ms()
        row = KeyRow(
            key_id=new_id(now),
            user_id=user_id,
            name=name,
            prefix=shown_prefix(key),
            digest=self._auth.digest(key),
            scopes=scopes,
            created_at=now,
            expires_at=expires_at,
        )
        if not await self._accounts.put_key(row, "key.created", actor_id):
            return None
        await self._key_written(row)
        return row

    async def keys(self, user_id: UUID) -> list[tuple[KeyRow, int | None]]:
        """List a user's keys with their last use, newest first. Raises NotFound."""
        await self._accounts.user(user_id)
        return await self._accounts.keys(user_id)

    async def revoke_key(self, caller: Principal, user_id: UUID, key_id: UUID) -> None:
        """Revoke a key: within a second it is refused everywhere. Raises NotFound, Conflict `last_admin`."""
        for row, _ in await self.keys(user_id):
            if row.key_id == key_id:
                revoked = row.model_copy(update={"revoked_at": now_ms(), "version": row.version + 1})
                await self._accounts.put_key(revoked, "key.revoked", caller.user.user_id)
                self._auth.forget()
                await self._key_written(revoked)
                return
        raise NotFound("key")

    def webhook_secret(self, user: UserRow) -> tuple[str, int | None]:
        """Open the secret that signs this user's webhooks; with it, until when one that it replaced signs too."""
        ring = SecretRing.parse(user.webhook_secret)
        return self._box.open(ring.current), ring.previous_until(now_ms())

    async def rotate_webhook_secret(self, user_id: UUID) -> UserRow:
        """Replace the user's webhook secret; for a while both sign. Raises NotFound."""
        secret = self._box.seal(new_secret())
        for _ in range(CONFLICT_TRIES):
            row = await self._accounts.user(user_id)
            ring = SecretRing.parse(row.webhook_secret).rotated(secret, now_ms(), self._overlap_ms)
            try:
                changed = _changed(row, {"webhook_secret": str(ring)})
                await self._put(changed, "user.webhook_secret_rotated", user_id)
                return changed
            except VersionMismatch:
                continue
        raise VersionMismatch("Too many are changing this user at once.")

    async def _put(self, row: UserRow, event: str, actor_id: UUID | None) -> None:
        await self._accounts.put_user(row, event, actor_id)
        self._auth.forget()
        try:
            await self._repository.user_written(row)
        except HistoryUnavailable as error:
            # The change is made: Redis has it, and its event brings the row to ClickHouse later.
            log.warning("user.write_through_failed", user_id=str(row.user_id), error=error.message)

    async def _key_written(self, row: KeyRow) -> None:
        try:
            await self._repository.key_written(row)
        except HistoryUnavailable as error:
            log.warning("key.write_through_failed", key_id=str(row.key_id), error=error.message)


def normal_email(email: str) -> str:
    """Return the form in which e-mail addresses are compared: Unicode NFKC, no letter case."""
    return unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", email).casefold())


def _changed(row: UserRow, changes: Mapping[str, object]) -> UserRow:
    update = {**changes, "version": row.version + 1, "updated_at": max(now_ms(), row.updated_at)}
    if isinstance(email := changes.get("email"), str):
        update["email_norm"] = normal_email(email)
    return row.model_copy(update=update)
