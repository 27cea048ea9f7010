"""Identifiers: UUIDv7 (RFC 9562), so that ids sort by the time they were made."""

import os
import time
from datetime import UTC, datetime
from uuid import NAMESPACE_OID, UUID, uuid5


def new_id(at_ms: int | None = None) -> UUID:
    """Make a UUIDv7 whose first 48 bits are `at_ms` (milliseconds since the epoch; now if omitted)."""
    milliseconds = now_ms() if at_ms is None else at_ms
    raw = bytearray(milliseconds.to_bytes(6, "big") + os.urandom(10))
    raw[6] = (raw[6] & 0x0F) | 0x70
    raw[8] = (raw[8] & 0x3F) | 0x80
    return UUID(bytes=bytes(raw))


def id_ms(value: UUID) -> int:
    """Return the creation time inside a UUIDv7, in milliseconds since the epoch."""
    return int.from_bytes(value.bytes[:6], "big")


def now_ms() -> int:
    """Return the wall clock in milliseconds since the epoch."""
    return time.time_ns() // 1_000_000


def rfc3339(milliseconds: int | None) -> str | None:
    """Write milliseconds since the epoch as RFC 3339 UTC with milliseconds, None as None."""
    if milliseconds is None:
        return None
    moment = datetime.fromtimestamp(milliseconds // 1000, UTC)
    return f"{moment:%Y-%m-%dT%H:%M:%S}.{milliseconds % 1000:03d}Z"


def name_id(name: str) -> UUID:
    """Return a UUIDv5 that stands for a name where an order or an identity needs an id."""
    return uuid5(NAMESPACE_OID, f"presswork {name}")
