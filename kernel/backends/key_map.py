"""Every key that Presswork keeps in Redis, and how it goes away. A test finds any key that is not declared here.

Names stand after the prefix `{pw}:`; `*` is an id. docs/architecture.md says what each one holds.
"""

from enum import StrEnum
from fnmatch import fnmatchcase


class Lifetime(StrEnum):
    PERMANENT = "permanent"  # the serving set and a few counters
    EMPTIES = "empties"  # a collection that is gone when nothing is in it
    EXPIRES = "expires"  # always has a TTL
    SETTLES = "settles"  # gets its TTL when the document or delivery has ended and owes nothing


KEY_MAP: dict[str, Lifetime] = {
    "doc:*": Lifetime.SETTLES,
    "job:*": Lifetime.SETTLES,
    "delivery:*": Lifetime.SETTLES,
    "lane:*": Lifetime.EMPTIES,
    "ring:*": Lifetime.EMPTIES,
    "leases": Lifetime.EMPTIES,
    "running": Lifetime.EMPTIES,
    "parked": Lifetime.EMPTIES,
    "delayed": Lifetime.EMPTIES,
    "due": Lifetime.EMPTIES,
    "deliver_lane:*": Lifetime.EMPTIES,
    "deliver_ring": Lifetime.EMPTIES,
    "wake:*": Lifetime.EMPTIES,
    "workers": Lifetime.EMPTIES,
    "idem:*": Lifetime.EXPIRES,
    "claim:*": Lifetime.EXPIRES,
    "deliver_claim:*": Lifetime.EXPIRES,
    "ask:*": Lifetime.EXPIRES,
    "asks:*": Lifetime.EXPIRES,
    "ask_ring": Lifetime.EXPIRES,
    "ask_held:*": Lifetime.EXPIRES,
    "answer:*": Lifetime.EXPIRES,
    "role:*": Lifetime.EXPIRES,
    "mended:*": Lifetime.EXPIRES,
    "session:*": Lifetime.EXPIRES,
    "login:*": Lifetime.EXPIRES,
    "events": Lifetime.PERMANENT,
    "ship": Lifetime.PERMANENT,
    "open": Lifetime.PERMANENT,
    "load": Lifetime.PERMANENT,
    "turn": Lifetime.PERMANENT,
    "user:*": Lifetime.PERMANENT,
    "email:*": Lifetime.PERMANENT,
    "key:*": Lifetime.PERMANENT,
    "user-keys:*": Lifetime.PERMANENT,
    "admins": Lifetime.PERMANENT,
    "templates": Lifetime.PERMANENT,
    "template:*": Lifetime.PERMANENT,
    "template-schemas:*": Lifetime.PERMANENT,
    "owned-templates": Lifetime.PERMANENT,
    "user-templates:*": Lifetime.EMPTIES,
    "shared-templates": Lifetime.EMPTIES,
    "endpoint:*": Lifetime.PERMANENT,
    "endpoints": Lifetime.PERMANENT,
    "endpoints-of:*": Lifetime.PERMANENT,
    "user-endpoints:*": Lifetime.PERMANENT,
    "receiver:*": Lifetime.EXPIRES,
    "shut": Lifetime.EMPTIES,
    "populated": Lifetime.PERMANENT,
}


def lifetime_of(name: str) -> Lifetime | None:
    """Look a key up by its name without the prefix; None if it is not declared."""
    return next((lifetime for pattern, lifetime in KEY_MAP.items() if fnmatchcase(name, pattern)), None)
