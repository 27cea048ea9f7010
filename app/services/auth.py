"""Who is calling: an API key's digest leads to its key and user. Answers are kept for half a second per process."""

from dataclasses import dataclass
from uuid import UUID

from backends.accounts import Accounts
from contracts.api_keys import digest, well_formed
from contracts.delegation import Delegations
from contracts.errors import Unauthorized
from contracts.ids import now_ms
from contracts.secrets import derive
from contracts.users import KeyRow, Role, UserRow

#: Revocation takes effect within 1 s everywhere: this process sees it after half of that at the latest.
CACHE_MS = 500
CACHE_SIZE = 10_000
#: `last_used_at` is exact to a minute: one write per key and minute, not one per request.
USED_EVERY_MS = 60_000


@dataclass(frozen=True)
class Principal:
    """The authenticated caller."""

    user: UserRow
    key: KeyRow

    @property
    def role(self) -> Role:
        return self.user.role

    def sees_all(self) -> bool:
        """Tell whether the caller sees everyone's documents: admins, and viewers whose key has the scope `all`."""
        return self.role == "admin" or (self.role == "viewer" and "all" in self.key.scopes)

    def sees(self, owner_id: UUID) -> bool:
        return owner_id == self.user.user_id or self.sees_all()


class Authenticator:
    def __init__(self, accounts: Accounts, secret_key: str) -> None:
        self._accounts = accounts
        self._hmac_key = derive(secret_key, "api keys")
        self._delegations = Delegations(derive(secret_key, "delegations"))
        self._cache: dict[str, tuple[int, Principal]] = {}
        self._used: dict[str, int] = {}

    def digest(self, key: str) -> str:
        return digest(key, self._hmac_key)

    def forget(self) -> None:
        """Drop cached answers: a change made by this process shows at once."""
        self._cache.clear()

    async def authenticate(self, key: str) -> Principal:
        """Return the caller. Raises Unauthorized with one text for unknown, expired, revoked and suspended keys."""
        now = now_ms()
        key_digest = self._delegations.digest_of(key, now / 1000) or self.digest(key)
        cached = self._cache.get(key_digest)
        if cached and now - cached[0] < CACHE_MS and _usable(cached[1], now):
            return cached[1]
        found = await self._accounts.authenticate(key_digest)
        principal = Principal(user=found[1], key=found[0]) if found else None
        if principal is None or not _usable(principal, now):
            raise Unauthorized("This API key is not valid." if well_formed(key) else "This is not a complete API key.")
        await self._remember(key_digest, principal, now)
        return principal

    async def _remember(self, key_digest: str, principal: Principal, now: int) -> None:
        if len(self._cache) >= CACHE_SIZE:
            self._cache.clear()
        self._cache[key_digest] = (now, principal)
        if now - self._used.get(key_digest, 0) >= USED_EVERY_MS:
            self._used[key_digest] = now
            await self._accounts.key_used(key_digest, now)


def _usable(principal: Principal, now: int) -> bool:
    key, user = principal.key, principal.user
    expired = key.expires_at is not None and key.expires_at <= now
    return not expired and key.revoked_at is None and user.status == "active" and not user.deleted
