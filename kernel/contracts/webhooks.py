"""Standard Webhooks 1.0: secrets, signatures and the body that a receiver gets. Pure: bytes in, headers out.

The sender signs exactly the bytes that it sends; `presswork listen` verifies with the same functions.
"""

import base64
import hashlib
import hmac
import json
import secrets
from collections.abc import Mapping, Sequence
from uuid import UUID

from contracts.ids import rfc3339

SECRET_PREFIX = "whsec_"
TOLERANCE_S = 300
#: A receiver may refuse more (the standard's advice): the body is an announcement, never the document.
MAX_BODY = 20_000


class NotVerified(ValueError):
    """The call was not signed with this secret, or not just now."""


def new_secret() -> str:
    """Make a signing secret: `whsec_` and 32 random bytes in base64."""
    return SECRET_PREFIX + base64.b64encode(secrets.token_bytes(32)).decode()


def secret_key(secret: str) -> bytes:
    """Decode a `whsec_...` secret to its 24-64 bytes. Raises ValueError, which does not repeat the secret."""
    try:
        key = base64.b64decode(secret.removeprefix(SECRET_PREFIX), validate=True)
    except ValueError:  # binascii.Error is one
        raise ValueError("A webhook secret is `whsec_` followed by base64.") from None
    if not 24 <= len(key) <= 64:
        raise ValueError(f"A webhook secret has 24 to 64 bytes, this one has {len(key)}.")
    return key


def sign(secrets_: Sequence[str], message_id: UUID | str, timestamp: int, body: bytes) -> dict[str, str]:
    """Return the three headers for `body`. Times in seconds; several secrets (rotation) give several signatures."""
    signatures = [f"v1,{_signature(secret_key(secret), str(message_id), timestamp, body)}" for secret in secrets_]
    if not signatures:
        raise ValueError("A webhook needs at least one secret.")
    return {
        "webhook-id": str(message_id),
        "webhook-timestamp": str(timestamp),
        "webhook-signature": " ".join(signatures),
    }


def verify(secret: str, headers: Mapping[str, str], body: bytes, *, now: int, tolerance_s: int = TOLERANCE_S) -> None:
    """Check a received call against one secret. `now` in seconds. Raises NotVerified with the reason."""
    given = {name.lower(): value for name, value in headers.items()}
    missing = [name for name in ("webhook-id", "webhook-timestamp", "webhook-signature") if not given.get(name)]
    if missing:
        raise NotVerified(f"no {missing[0]} header")
    timestamp = _timestamp(given["webhook-timestamp"])
    if abs(now - timestamp) > tolerance_s:
        raise NotVerified(f"the timestamp is {abs(now - timestamp)} s {'old' if timestamp < now else 'ahead'}")
    expected = _signature(secret_key(secret), given["webhook-id"], timestamp, body).encode()
    # Every candidate is compared in full: where it differs must not show in the time it takes.
    candidates = [part[3:].encode() for part in given["webhook-signature"].split(" ") if part.startswith("v1,")]
    if not any([hmac.compare_digest(expected, candidate) for candidate in candidates]):  # noqa: C419
        raise NotVerified("no signature matches this secret")


def payload(type_: str, at_ms: int, data: Mapping[str, object]) -> bytes:
    """Write the body once: `{"type", "timestamp", "data"}`, under 20 kB. `data` is the document as the API shows it.

    What does not fit is left out in the order of `_shed`, and `data.truncated` names it by JSON pointer.
    """
    envelope = {"type": type_, "timestamp": rfc3339(at_ms), "data": dict(data)}
    body = _json(envelope)
    left_out: list[str] = []
    for smaller, pointer in _shed(data):
        if len(body) < MAX_BODY:
            break
        left_out.append(pointer)
        envelope["data"] = {**smaller, "truncated": list(left_out)}
        body = _json(envelope)
    return body


def _shed(data: Mapping[str, object]) -> list[tuple[dict[str, object], str]]:
    """List ever smaller copies of a document with what each has lost."""
    steps: list[tuple[dict[str, object], str]] = []
    smaller = dict(data)
    for part, field, rest in (("result", "warnings", []), ("error", "excerpt", None), ("error", "message", "")):
        inner = smaller.get(part)
        if isinstance(inner, Mapping) and inner.get(field):
            smaller = {**smaller, part: {**inner, field: rest}}
            steps.append((smaller, f"/{part}/{field}"))
    for part, empty in (("metadata", {}), ("error", None)):
        smaller = {**smaller, part: empty}
        steps.append((smaller, f"/{part}"))
    return steps


def _json(value: object) -> bytes:
    # A lone surrogate has no UTF-8 form; backslashreplace writes the JSON escape of it, which is what it came from.
    text = json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    return text.encode("utf-8", "backslashreplace")


def _timestamp(text: str) -> int:
    if not (text.isascii() and text.isdigit() and len(text) <= 12):
        raise NotVerified("webhook-timestamp is not a number of seconds")
    return int(text)


def _signature(key: bytes, message_id: str, timestamp: int, body: bytes) -> str:
    signed = b"%s.%d.%s" % (message_id.encode(), timestamp, body)
    return base64.b64encode(hmac.digest(key, signed, hashlib.sha256)).decode()
