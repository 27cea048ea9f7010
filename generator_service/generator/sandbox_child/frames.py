"""The pipe between the pool and a render process: frames of a JSON header and a binary body, lengths first."""

import json
import os
import struct
from collections.abc import Mapping

LENGTHS = struct.Struct(">II")
#: A header has an error or a few warnings; more is not ours.
MAX_HEADER = 1024 * 1024

Header = dict[str, object]


class BrokenFrame(ValueError):
    """The other side does not speak the protocol."""


def encode(header: Mapping[str, object], body: bytes = b"") -> bytes:
    """Return the frame of a header and a body."""
    return _head(header, body) + body


def _head(header: Mapping[str, object], body: bytes) -> bytes:
    text = json.dumps(header, separators=(",", ":")).encode()
    return LENGTHS.pack(len(text), len(body)) + text


def decode_header(text: bytes) -> Header:
    """Parse a header. Raises BrokenFrame."""
    try:
        header = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise BrokenFrame(f"not a header: {error}") from error
    if not isinstance(header, dict):
        raise BrokenFrame("a header must be an object")
    return header


def read_frame(descriptor: int) -> tuple[Header, bytes] | None:
    """Read one frame from a blocking pipe; None at its end."""
    lengths = _read_exactly(descriptor, LENGTHS.size)
    if len(lengths) < LENGTHS.size:
        return None
    header_length, body_length = LENGTHS.unpack(lengths)
    text = _read_exactly(descriptor, header_length)
    return decode_header(text), _read_exactly(descriptor, body_length)


def _read_exactly(descriptor: int, count: int) -> bytes:
    chunks = []
    while count:
        chunk = os.read(descriptor, min(count, 1 << 20))
        if not chunk:
            break
        chunks.append(chunk)
        count -= len(chunk)
    return b"".join(chunks)


def write_frame(descriptor: int, header: Mapping[str, object], body: bytes = b"") -> None:
    """Write one frame to a blocking pipe, without a copy of its body."""
    head = _head(header, body)
    written = os.writev(descriptor, (head, body))
    for part, already in ((head, written), (body, max(written - len(head), 0))):
        _write_all(descriptor, memoryview(part)[already:])


def _write_all(descriptor: int, view: memoryview) -> None:
    while view:
        view = view[os.write(descriptor, view) :]
