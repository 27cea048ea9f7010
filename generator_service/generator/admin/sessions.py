"""Logins to the panel: an admin's key opens a session in Redis. The cookie holds its random name, Redis a hash of it.

A session keeps the key's digest, not the key. Every request looks the key up again, so that revoking it or suspending
its user ends the session within a second, like everywhere.
"""

import hashlib
import hmac
import secrets
from dataclasses import dataclass
from typing import cast

from backends.accounts import Accounts
from backends.redis import ask
from backends.scripts import Scripts
from contracts.api_keys import digest
from contracts.ids import now_ms
from contracts.secrets import derive
from contracts.users import KeyRow, UserRow

#: Failed logins are counted per minute and client address.
WINDOW_S = 60


class TooManyLogins(Exception):
    """This address has failed too often within a minute."""


@dataclass(frozen=True)
class Session:
    """A logged-in admin. `csrf` must come back with every change."""

    admin: UserRow
    key_digest: str
    csrf: str


class Sessions:
    """Raises QueueUnavailable from every method when Redis does not answer."""

    def __init__(
        self, scripts: Scripts, accounts: Accounts, secret_key: str, *, ttl_s: int, logins_per_minute: int
    ) -> None:
        self._redis = scripts.redis
        self._prefix = scripts.prefix
        self._accounts = accounts
        self._key_hmac = derive(secret_key, "api keys")
        self._csrf_hmac = derive(secret_key, "panel csrf")
        self.ttl_s = ttl_s
        self._logins_per_minute = logins_per_minute

    async def login(self, key: str, address: str) -> str | None:
        """Open a session for an admin's key and return its cookie; None for any other key. Raises TooManyLogins."""
        if await self._count(address, 1) > self._logins_per_minute:
            raise TooManyLogins()
        key_digest = digest(key.strip(), self._key_hmac)
        if await self._admin(key_digest) is None:
            return None
        await self._count(address, -1)  # only failures count
        cookie = secrets.token_urlsafe(32)
        await ask(self._redis.set(self._name(cookie), key_digest, ex=self.ttl_s))
        return cookie

    async def open(self, cookie: str) -> Session | None:
        """Find the session of a cookie; None if it has ended or its key is no longer an active admin's."""
        key_digest = cast(str | None, await ask(self._redis.get(self._name(cookie))))
        if key_digest is None:
            return None
        admin = await self._admin(key_digest)
        return None if admin is None else Session(admin, key_digest, self.csrf(cookie))

    async def logout(self, cookie: str) -> None:
        """End a session everywhere."""
        await ask(self._redis.delete(self._name(cookie)))

    def csrf(self, cookie: str) -> str:
        """Return the token that proves a form was made for this session."""
        return hmac.new(self._csrf_hmac, cookie.encode(errors="replace"), hashlib.sha256).hexdigest()

    async def _admin(self, key_digest: str) -> UserRow | None:
        found = await self._accounts.authenticate(key_digest)
        return found[1] if found and _opens(*found) else None

    async def _count(self, address: str, change: int) -> int:
        """Count an attempt before it is judged: many at once must not slip through together."""
        name = f"{self._prefix}login:{address}"
        async with self._redis.pipeline() as pipe:
            pipe.incrby(name, change)
            pipe.expire(name, WINDOW_S, nx=True)
            return int((await ask(pipe.execute()))[0])

    def _name(self, cookie: str) -> str:
        return f"{self._prefix}session:{hashlib.sha256(cookie.encode(errors='replace')).hexdigest()}"


def _opens(key: KeyRow, user: UserRow) -> bool:
    expired = key.revoked_at is not None or (key.expires_at is not None and key.expires_at <= now_ms())
    return not expired and user.role == "admin" and user.status == "active" and not user.deleted
