"""Zip files that lie, explode, climb or are torn: as Word templates, and as uploads of whole templates."""

import io
import stat
import struct
import warnings
import zipfile
from collections.abc import Callable

from tests.hostile.cases import GOOD, REFUSED, Case, body, docx, members, paragraph, upload, zipped

_CENTRAL, _END = b"PK\x01\x02", b"PK\x05\x06"
Bytes = Callable[[], bytes]


def cases() -> list[Case]:
    """Return the family: each file comes as a Word template and as an upload."""
    made = []
    for name, build in _EVIL.items():
        made.append(docx(f"zip-{name}", _word_file(build), "template_error"))
        made.append(upload(f"zip-{name}", _template(build), REFUSED))
    for name, build in _ODD.items():
        made.append(docx(f"zip-{name}", _word_file(build), "template_error", "invalid_output", GOOD))
        made.append(upload(f"zip-{name}", _template(build), REFUSED, "template_error", GOOD))
    made.append(upload("zip-name-of-400-bytes", _template(_with(("é" * 199, b"x"))), "template_error"))
    made += [docx(f"zip-torn-at-{part}0-percent", _torn(part), "template_error") for part in range(10)]
    made += [docx(f"zip-flipped-{seed}", _flipped(seed), "template_error", GOOD) for seed in range(10)]
    return made


Change = Callable[[dict[str, str | bytes], str], bytes]


def _word_file(change: Change) -> Callable[[str], bytes]:
    return lambda canary: change(members(body(paragraph("Hello"))), canary)


def _template(change: Change) -> Callable[[str], bytes]:
    return lambda canary: change({"main.typ": "Hello"}, canary)


def _with(*added: tuple[str, bytes]) -> Change:
    return lambda files, canary: _written(files, *((zipfile.ZipInfo(name), content) for name, content in added))


def _written(files: dict[str, str | bytes], *added: tuple[zipfile.ZipInfo, bytes]) -> bytes:
    out = io.BytesIO()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # zipfile warns about the duplicate names that are made on purpose
        with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
            for name, content in files.items():
                archive.writestr(name, content)
            for info, content in added:
                info.compress_type = zipfile.ZIP_DEFLATED
                archive.writestr(info, content)
    return out.getvalue()


def _link(files: dict[str, str | bytes], canary: str) -> bytes:
    info = zipfile.ZipInfo("word/media/picture.png")
    info.create_system, info.external_attr = 3, (stat.S_IFLNK | 0o777) << 16
    return _written(files, (info, canary.encode()))


def _patched(offset: int, content: bytes) -> Change:
    """Write into the last file's entry of the directory."""

    def change(files: dict[str, str | bytes], canary: str) -> bytes:
        made = _written(files, (zipfile.ZipInfo("word/media/x.bin"), b"x" * 1000))
        at = made.rindex(_CENTRAL) + offset
        return made[:at] + content + made[at + len(content) :]

    return change


def _end(offset: int, content: bytes) -> Change:
    """Write into the end of the directory."""

    def change(files: dict[str, str | bytes], canary: str) -> bytes:
        made = zipped(files)
        at = made.rindex(_END) + offset
        return made[:at] + content + made[at + len(content) :]

    return change


def _overlapping(files: dict[str, str | bytes], canary: str) -> bytes:
    """Let a thousand entries share one megabyte of zeros (David Fifield, "A better zip bomb", 2019)."""
    made = _written(files, (zipfile.ZipInfo("bomb.bin"), bytes(150_000)))
    end = made.rindex(_END)
    last = made[made.rindex(_CENTRAL) : end]
    head, name = last[:46], b"bomb.bin"
    copies = b"".join(head + b"b%07d" % number + last[46 + len(name) :] for number in range(1000))
    count, size = struct.unpack_from("<HL", made, end + 10)
    fields = struct.pack("<HHL", count + 1000, count + 1000, size + len(copies))
    return made[:end] + copies + made[end : end + 8] + fields + made[end + 16 :]


def _zip64(size: int) -> Change:
    """Claim a size in a ZIP64 field, which outvotes the plain one."""

    def change(files: dict[str, str | bytes], canary: str) -> bytes:
        info = zipfile.ZipInfo("word/media/x.bin")
        info.extra = struct.pack("<HHQ", 1, 8, size)
        made = _written(files, (info, b"x" * 1000))
        at = made.rindex(_CENTRAL) + 24
        return made[:at] + b"\xff" * 4 + made[at + 4 :]

    return change


def _appended(files: dict[str, str | bytes], canary: str) -> bytes:
    return zipped(files) + b"#!/bin/sh\n" * 100


def _prefixed(files: dict[str, str | bytes], canary: str) -> bytes:
    return b"MZ" + bytes(4096) + zipped(files)


def _nested(files: dict[str, str | bytes], canary: str) -> bytes:
    inner = zipped({"zeros": bytes(3_000_000)})
    for _ in range(6):
        inner = zipped({f"{number}.zip": inner for number in range(4)}, zipfile.ZIP_STORED)
    return zipped({**files, "word/embeddings/inner.zip": inner[:2_000_000]}, zipfile.ZIP_STORED)


def _torn(tenth: int) -> Callable[[str], bytes]:
    def build(canary: str) -> bytes:
        made = zipped(members(body(paragraph("Hello"))))
        return made[: len(made) * tenth // 10]

    return build


def _flipped(seed: int) -> Callable[[str], bytes]:
    """Turn bits over, spread evenly through the file."""

    def build(canary: str) -> bytes:
        made = bytearray(zipped(members(body(paragraph("Hello")))))
        for at in range(seed * 7, len(made), 97):
            made[at] ^= 1 << seed % 8
        return bytes(made)

    return build


#: Files that are refused at both doors.
_EVIL: dict[str, Change] = {
    "bomb-by-ratio": _with(("word/media/zeros.bin", bytes(30_000_000))),
    "bomb-by-sum": _with(*((f"word/{number}.bin", (b"%09d" % number) * 60_000) for number in range(220))),
    "bomb-by-count": _with(*((f"word/media/{number}.png", b"") for number in range(3_000))),
    "bomb-overlapping": _overlapping,
    "same-name-twice": _with(("word/document.xml", b"<a/>"), ("main.typ", b"x"), ("main.typ", b"x")),
    "climbs": _with(("../../../../tmp/slipped", b"x")),
    "climbs-within": _with(("word/../../slipped", b"x")),
    "absolute": _with(("/etc/cron.d/slipped", b"x")),
    "backslashes": _with(("..\\..\\slipped.exe", b"x")),
    "drive": _with(("C:/slipped", b"x")),
    "control-character": _with(("word/\x1b[2Jx", b"x")),
    "bidirectional-name": _with(("word/\u202egnp.exe", b"x")),
    "symbolic-link": _link,
    "encrypted": _patched(8, b"\x01\x00"),
    "size-too-small": _patched(24, struct.pack("<L", 10)),
    "size-too-large": _patched(24, struct.pack("<L", 50_000)),
    "checksum-wrong": _patched(16, b"\0\0\0\1"),
    "version-of-the-format-unknown": _patched(6, b"\x54"),
    "name-that-is-no-utf-8": _patched(8, b"\x00\x08" + bytes(36) + b"\xff"),
    "method-unknown": _patched(10, struct.pack("<H", 77)),
    "method-lzma-that-is-not": _patched(10, struct.pack("<H", 14)),
    "method-bzip2-that-is-not": _patched(10, struct.pack("<H", 12)),
    "offset-beyond-the-end": _patched(42, struct.pack("<L", 0x7FFFFFFF)),
    "offset-of-another-file": _patched(42, struct.pack("<L", 0)),
    "size-of-four-gigabytes": _patched(24, struct.pack("<L", 0xFFFFFFFE)),
    "zip64-size-huge": _zip64(1 << 60),
    "zip64-size-negative": _zip64((1 << 64) - 1),
    "directory-beyond-the-end": _end(16, struct.pack("<L", 0x7FFFFFFF)),
    "directory-of-two-gigabytes": _end(12, struct.pack("<L", 0x7FFFFFFF)),
    "nothing": lambda files, canary: b"PK\x05\x06" + bytes(18),
}

#: Files that are strange, and may be taken or refused.
_ODD: dict[str, Change] = {
    "count-too-small": _end(8, struct.pack("<HH", 1, 1)),
    "count-too-large": _end(8, struct.pack("<HH", 60_000, 60_000)),
    "several-disks": _end(4, struct.pack("<HH", 7, 7)),
    "script-behind": _appended,
    "program-before": _prefixed,
    "zips-in-zips": _nested,
    "name-of-sixty-thousand-letters": _with(("a" * 60_000, b"x")),
    "name-of-a-thousand-folders": _with(("a/" * 1_000 + "x", b"x")),
    "name-without-letters": _with(("", b"x")),
    "file-that-is-a-folder": _with(("word", b"x"), ("word/x/y", b"x")),
    "comment-of-sixty-thousand": lambda files, canary: zipped(files)[:-2] + b"\xff\xff" + b"c" * 65_535,
    "name-with-a-null": _with(("word/a\0b", b"x")),
}
