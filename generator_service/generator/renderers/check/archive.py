"""Read a finished DOCX back as the archive that is delivered: every byte belongs to a member or to the directory."""

import struct
import zlib
from typing import NamedTuple

from isal import isal_zlib

#: Without the fields that say nothing here: versions, times, attributes.
_LOCAL = struct.Struct("<4s2x2H4x3L2H")
_CENTRAL = struct.Struct("<4s4x2H4x3L3H8xL")
_END = struct.Struct("<4s4H2LH")
_STORED, _DEFLATED = 0, 8
_ENCRYPTED, _SIZES_BEHIND, _UTF8_NAMES = 0x1, 0x8, 0x800


class Torn(ValueError):
    """The archive is not as it should be."""


class Found(NamedTuple):
    """A member as the directory describes it."""

    name: bytes
    flags: int
    method: int
    crc: int
    packed: int
    size: int

    @property
    def text(self) -> str:
        """The name as text."""
        return self.name.decode("utf-8" if self.flags & _UTF8_NAMES else "cp437")


def members_of(content: bytes) -> tuple[list[tuple[int, Found]], int]:
    """Return where each member begins and what the directory says of it, and where the directory itself begins.

    Raises Torn if the directory is damaged or does not end the file.
    """
    end = len(content) - _END.size
    if end < 0:
        raise Torn("it is too short")
    magic, disk, first_disk, here, count, length, start, comment = _END.unpack_from(content, end)
    if magic != b"PK\5\6" or disk or first_disk or here != count or comment or start + length != end:
        raise Torn("it has no directory at its end")
    members, at = [], start
    for _ in range(count):
        if at + _CENTRAL.size > end:
            raise Torn("its directory is cut off")
        magic, flags, method, crc, packed, size, names, extra, remark, begins = _CENTRAL.unpack_from(content, at)
        if magic != b"PK\1\2":
            raise Torn("its directory is damaged")
        at += _CENTRAL.size
        members.append((begins, Found(content[at : at + names], flags, method, crc, packed, size)))
        at += names + extra + remark
    if at != end:
        raise Torn("its directory is longer than it says")
    return members, start


def end_of(content: bytes, begins: int, found: Found) -> int:
    """Return where a member ends. Raises Torn if its local header says something else than the directory."""
    if begins + _LOCAL.size > len(content):
        raise Torn(f"{found.text} lies outside of it")
    magic, flags, method, crc, packed, size, names, extra = _LOCAL.unpack_from(content, begins)
    at = begins + _LOCAL.size
    said = Found(content[at : at + names], flags, method, crc, packed, size)
    if magic != b"PK\3\4" or said != found or flags & (_ENCRYPTED | _SIZES_BEHIND):
        raise Torn(f"{found.text} is described in two ways")
    return int(at + names + extra + packed)


def inflated(content: bytes, found: Found, end: int) -> bytes:
    """Return a member's bytes. Raises Torn if they are not those that its size and CRC promise."""
    raw = content[end - found.packed : end]
    if found.method == _STORED:
        made = raw
    elif found.method == _DEFLATED:
        made = _unpacked(raw, found)
    else:
        raise Torn(f"{found.text} uses a compression that Word cannot read")
    if len(made) != found.size or isal_zlib.crc32(made) != found.crc:
        raise Torn(f"{found.text} does not have its size and checksum")
    return made


def _unpacked(raw: bytes, found: Found) -> bytes:
    unpacker = zlib.decompressobj(-15)
    try:
        made = unpacker.decompress(raw, found.size + 1)
    except zlib.error as error:
        raise Torn(f"{found.text} is damaged: {error}") from error
    if not unpacker.eof or unpacker.unused_data:
        raise Torn(f"{found.text} is cut off or has something behind it")
    return made
