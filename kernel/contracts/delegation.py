"""Delegations: the admin panel calls the User API in the name of the key that somebody has logged in with.

The panel does not keep the key, only its digest. `pwd_<digest>.<expiry>.<mac>` says for a minute "whoever sends this
may act as that key"; both services derive the MAC's key from PRESSWORK_SECRET_KEY. The API still looks the key up, so
that revoking it ends the panel's access like any other's.
"""

import hashlib
import hmac

PREFIX = "pwd_"
LIFETIME_S = 60


class Delegations:
    """Mints and verifies delegations; `key` is derived from the secret for this one purpose."""

    def __init__(self, key: bytes) -> None:
        self._key = key

    def mint(self, key_digest: str, now_s: float) -> str:
        """Return a bearer token that stands for the API key of this digest for `LIFETIME_S` seconds."""
        claim = f"{key_digest}.{int(now_s) + LIFETIME_S}"
        return f"{PREFIX}{claim}.{self._mac(claim)}"

    def digest_of(self, token: str, now_s: float) -> str | None:
        """Return the digest that a token stands for; None if it is no delegation, forged or too old."""
        claim, _, mac = token.removeprefix(PREFIX).rpartition(".")
        key_digest, _, expires = claim.rpartition(".")
        if not token.startswith(PREFIX) or not hmac.compare_digest(mac.encode(), self._mac(claim).encode()):
            return None
        return key_digest if now_s < int(expires) else None

    def _mac(self, claim: str) -> str:
        return hmac.new(self._key, claim.encode(errors="replace"), hashlib.sha256).hexdigest()
