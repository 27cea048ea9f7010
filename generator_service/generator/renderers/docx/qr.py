"""QR codes (ISO/IEC 18004) as pictures: one module is eight pixels, sharp at any size that a phone can read."""

import struct
import zlib
from functools import lru_cache

import segno

from generator.renderers.docx.inserts import Insert, Inserts
from generator.renderers.port import failed

_PIXELS, _BORDER = 8, 4
#: Codes kept: one takes about 3 ms and 1 kB.
_KEPT = 256
_LEVELS = ("l", "m", "q", "h")


def qr(inserts: Inserts, value: object, size: object = "25mm", error: object = "m", alt: object = None) -> str:
    """Draw a text as a QR code `size` wide with its quiet zone; `error` is the level of correction: l, m, q, h.

    Nothing for null and "". Raises DocumentFailed data_invalid for a text that no code holds.
    """
    text = inserts.plain("" if value is None else str(value))
    if not text:
        return ""
    level = str(error).lower()
    if level not in _LEVELS:
        raise failed("template_error", f"`{level[:20]}` is no level of correction.", hint="Levels are: l, m, q, h.")
    try:
        picture = _png(text, level)
    except segno.DataOverflowError as overflow:
        message = f"The text of {len(text)} characters does not fit into a QR code."
        raise failed(
            "data_invalid", message, hint="Make it shorter, or correct fewer errors: qr(error='l')."
        ) from overflow
    shown = text if alt is None else str(alt)
    return inserts.put(Insert("image", {"$image": picture, "width": size, "height": size, "alt": shown}))


@lru_cache(maxsize=_KEPT)
def _png(text: str, level: str) -> bytes:
    """Write a code as PNG (RFC 2083) of one bit per pixel: a module is a byte in each of eight rows."""
    code = segno.make_qr(text, error=level, boost_error=False)
    light = b"\xff" * _BORDER
    lines = [light + bytes(0 if dark else 255 for dark in line) + light for line in code.matrix]
    blank = [b"\xff" * len(lines[0])] * _BORDER
    rows = b"".join((b"\0" + line) * _PIXELS for line in (*blank, *lines, *blank))
    side = len(lines[0]) * _PIXELS
    header = struct.pack(">IIBBBBB", side, side, 1, 0, 0, 0, 0)
    parts = ((b"IHDR", header), (b"IDAT", zlib.compress(rows, 6)), (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(_chunk(kind, content) for kind, content in parts)


def _chunk(kind: bytes, content: bytes) -> bytes:
    checked = kind + content
    return struct.pack(">I", len(content)) + checked + struct.pack(">I", zlib.crc32(checked))
