"""`presswork webhooks verify`: checks one captured call with the code that `presswork listen` checks each call with."""

import os
import sys
import time
from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path

from contracts.ids import rfc3339
from contracts.webhooks import TOLERANCE_S, NotVerified, secret_key, verify
from standalone.errors import UsageError
from standalone.listen import SECRET_VARIABLE, plain

SIGNED = ("webhook-id", "webhook-timestamp", "webhook-signature")
STDIN = Path("-")


def check(
    body: Path = STDIN,
    headers: Sequence[str] = (),
    headers_file: Path | None = None,
    *,
    secret: str | None = None,
    tolerance_s: int = TOLERANCE_S,
    now: str | None = None,
) -> tuple[bool, str]:
    """Verify a captured call; return whether it is genuine and one line that says so, or why it is not.

    `headers` and the lines of `headers_file` are "name: value"; `body` "-" is standard input; `now` is in seconds since
    the epoch or RFC 3339, by default the clock's. The secret is `secret`, else PRESSWORK_WEBHOOK_SECRET.
    Raises UsageError when there is nothing to judge: no usable secret, an unreadable file, a line that is no header.
    """
    known = _secret(secret)
    given = [*_lines(headers_file), *headers]
    if not given:
        raise UsageError('No headers: give --header "webhook-id: ..." and the other two, or --headers FILE.')
    pairs = [_pair(line) for line in given]
    at = int(time.time()) if now is None else _seconds(now)
    content = _read(body)
    try:
        signed = _signed(pairs)
        _verify(known, signed, content, at, tolerance_s)
    except NotVerified as reason:
        return False, plain(f"not verified: {reason}")
    return True, plain(_described(signed, content, at))


def _secret(given: str | None) -> str:
    known = given or os.environ.get(SECRET_VARIABLE)
    if not known:
        raise UsageError(f"No secret: give --secret whsec_... or set {SECRET_VARIABLE}.")
    try:
        secret_key(known)
    except ValueError as error:
        raise UsageError(str(error)) from None
    return known


def _lines(headers_file: Path | None) -> list[str]:
    """Read the headers up to the first empty line, without the line of the request (POST /hook HTTP/1.1)."""
    if headers_file is None:
        return []
    head, _, _ = _read(headers_file).replace(b"\r\n", b"\n").lstrip(b"\n").partition(b"\n\n")
    lines = head.decode("latin-1").rstrip("\n").split("\n")
    first = lines[0].split(" ")
    return lines[1:] if len(first) == 3 and first[2].startswith("HTTP/") else [line for line in lines if line]


def _pair(line: str) -> tuple[str, str]:
    name, colon, value = line.partition(":")
    if not (name.strip() and colon):
        raise UsageError(f'{plain(line[:80])!r} is no header: write "name: value".')
    return name.strip().lower(), value.strip(" \t")


def _signed(pairs: Sequence[tuple[str, str]]) -> Mapping[str, str]:
    """Pick the three headers of the signature. Raises NotVerified for what two receivers could read differently."""
    for name in SIGNED:
        values = [value for given, value in pairs if given == name]
        if len(values) > 1:
            raise NotVerified(f"there are {len(values)} {name} headers")
        if values and not values[0].isascii():
            raise NotVerified(f"the {name} header is not ASCII")
    return {name: value for name, value in pairs if name in SIGNED}


def _verify(secret: str, signed: Mapping[str, str], content: bytes, now: int, tolerance_s: int) -> None:
    try:
        verify(secret, signed, content, now=now, tolerance_s=tolerance_s)
    except NotVerified as reason:
        if not content.endswith(b"\n"):
            raise
        # An editor or `echo` adds a newline, and it is not seen: say so only if it is all that is wrong.
        verify(secret, signed, content.removesuffix(b"\n").removesuffix(b"\r"), now=now, tolerance_s=tolerance_s)
        raise NotVerified(f"{reason}, but one matches the body without the newline at its end") from None


def _seconds(text: str) -> int:
    if text.isascii() and text.isdigit() and len(text) <= 11:
        return int(text)
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        moment = None
    if moment is None or moment.tzinfo is None:
        raise UsageError(f"--now {plain(text[:80])!r}: write seconds since the epoch or 2026-11-23T03:00:00Z.")
    return int(moment.timestamp())


def _read(path: Path) -> bytes:
    try:
        return sys.stdin.buffer.read() if path == STDIN else path.read_bytes()
    except OSError as error:
        raise UsageError(f"Cannot read {plain(str(path))}: {error.strerror}.") from error


def _described(signed: Mapping[str, str], content: bytes, now: int) -> str:
    timestamp = int(signed["webhook-timestamp"])
    age = f"{abs(now - timestamp)} s {'ago' if timestamp <= now else 'ahead'}"
    at = (rfc3339(timestamp * 1000) or "").replace(".000Z", "Z")
    return f"verified: {signed['webhook-id']}, signed {at} ({age}), {len(content)} bytes"
