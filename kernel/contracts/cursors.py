"""Cursors of lists: opaque, signed, and good only for the list they came from.

A position is the last row shown, so pages are stable while rows are inserted. The signature covers the filters, so a
cursor cannot be carried over to another list.
"""

import base64
import hashlib
import hmac
import json
from collections.abc import Mapping
from uuid import UUID

from contracts.errors import Invalid

SIGNATURE_LENGTH = 12
POSITION_LENGTH = 8 + 16


#: The last row of a page, (created_at in epoch ms, id): the next page begins after it.
Position = tuple[int, UUID]


def filters_digest(list_name: str, filters: Mapping[str, object]) -> str:
    """Hash a list's name and its filters (JSON values), whatever their order."""
    text = json.dumps([list_name, filters], sort_keys=True, separators=(",", ":"), default=str)
    return hashlib.sha256(text.encode(errors="surrogatepass")).hexdigest()


def encode_cursor(position: Position, digest: str, key: bytes) -> str:
    """Write a position as an opaque text, safe in URLs. `digest` from filters_digest, `key` a secret."""
    created_at, row_id = position
    raw = created_at.to_bytes(8, "big") + row_id.bytes
    return base64.urlsafe_b64encode(raw + _signature(raw, digest, key)).decode().rstrip("=")


def decode_cursor(text: str, digest: str, key: bytes) -> Position:
    """Read a cursor. Raises Invalid at `/cursor` unless it was made with this key for these filters."""
    try:
        blob = base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
    except ValueError:
        raise _invalid() from None
    raw, signature = blob[:POSITION_LENGTH], blob[POSITION_LENGTH:]
    if not hmac.compare_digest(signature, _signature(raw, digest, key)):
        raise _invalid()
    return int.from_bytes(raw[:8], "big"), UUID(bytes=raw[8:])


def _signature(raw: bytes, digest: str, key: bytes) -> bytes:
    return hmac.new(key, b"cursor" + digest.encode() + raw, hashlib.sha256).digest()[:SIGNATURE_LENGTH]


def _invalid() -> Invalid:
    return Invalid.at(
        "/cursor", "The cursor is not one of this list with these filters: start again without it.", "invalid_cursor"
    )
