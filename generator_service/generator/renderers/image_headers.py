"""What kind of picture bytes are and how many pixels it has, from the header alone: nothing is decoded."""

import struct
from dataclasses import dataclass

#: Decoded, a pixel takes four bytes: 160 MB.
MAX_PIXELS = 40_000_000

_SVG_SEARCHED = 4096
#: JPEG markers with the frame's size (SOF0-SOF15), without DHT, JPG and DAC among them.
_JPEG_FRAMES = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}


@dataclass(frozen=True)
class Picture:
    """`kind` is the usual end of the file's name. Pixels; 0 for drawings, which have none."""

    kind: str
    width: int = 0
    height: int = 0

    @property
    def too_large(self) -> bool:
        return self.width * self.height > MAX_PIXELS


def picture_of(content: bytes) -> Picture | None:
    """Recognise PNG, JPEG, GIF, WebP and SVG; None for anything else, and for headers that are cut off."""
    try:
        if content.startswith(b"\x89PNG\r\n\x1a\n"):
            return Picture("png", *struct.unpack_from(">II", content, 16))
        if content.startswith((b"GIF87a", b"GIF89a")):
            return _gif(content)
        if content.startswith(b"\xff\xd8"):
            return _jpeg(content)
        if content[:4] == b"RIFF" and content[8:12] == b"WEBP":
            return _webp(content)
    except struct.error:
        return None
    head = content[:_SVG_SEARCHED].lstrip(b"\xef\xbb\xbf \t\r\n")
    return Picture("svg") if head.startswith(b"<") and b"<svg" in head else None


def _gif(content: bytes) -> Picture:
    return Picture("gif", *struct.unpack_from("<HH", content, 6))


def _jpeg(content: bytes) -> Picture | None:
    at = 2
    while at + 4 <= len(content):
        marker, kind = struct.unpack_from("BB", content, at)
        if marker != 0xFF:
            return None
        if kind == 0xFF or kind == 0x01 or 0xD0 <= kind <= 0xD8:  # fill bytes, and markers without a length
            at += 1 if kind == 0xFF else 2
            continue
        if kind in _JPEG_FRAMES:
            height, width = struct.unpack_from(">HH", content, at + 5)
            return Picture("jpg", width, height)
        at += 2 + int(struct.unpack_from(">H", content, at + 2)[0])
    return None


def _webp(content: bytes) -> Picture | None:
    chunk = content[12:16]
    if chunk == b"VP8X":
        width, height = (int.from_bytes(content[at : at + 3], "little") + 1 for at in (24, 27))
        return Picture("webp", width, height)
    if chunk == b"VP8L":
        bits = int(struct.unpack_from("<I", content, 21)[0])
        return Picture("webp", (bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1)
    if chunk == b"VP8 ":
        width, height = struct.unpack_from("<HH", content, 26)
        return Picture("webp", width & 0x3FFF, height & 0x3FFF)
    return None
