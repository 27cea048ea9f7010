"""Fonts: family and style of a file (OpenType 1.9: table directory and `name`), and who may use an uploaded one.

Nothing but the directory and the names is read here, with every offset checked. Glyphs are read in the render sandbox.
"""

import struct
from dataclasses import dataclass
from typing import Literal
from uuid import UUID

from pydantic import BaseModel

from contracts.templates import Visibility

FontKind = Literal["ttf", "otf", "ttc"]

#: More of these is not a font but an attempt.
MOST_FACES, MOST_TABLES, MOST_NAMES, LONGEST_NAME = 64, 256, 4096, 128
_TRUETYPE, _OPENTYPE, _COLLECTION = (b"\x00\x01\x00\x00", b"true"), b"OTTO", b"ttcf"
_NEEDED = frozenset((b"cmap", b"head", b"name"))
_OUTLINES = frozenset((b"glyf", b"CFF ", b"CFF2"))
#: Identifiers of names: the typographic family and style go before those for old programs.
_FAMILY, _STYLE = (16, 1), (17, 2)
_WINDOWS, _UNICODE = 3, 0


class BadFont(ValueError):
    """The bytes are no font, or a damaged one."""


@dataclass(frozen=True)
class FontFace:
    """`families`: every name that the face's family goes by, the best one first."""

    families: tuple[str, ...]
    style: str


class FontRecord(BaseModel, frozen=True):
    """An uploaded font: `family` and `style` of its first face, `families` of all of them. `created_at`: epoch ms."""

    sha256: str
    owner_id: UUID
    visibility: Visibility
    kind: FontKind
    family: str
    style: str
    families: tuple[str, ...]
    size: int
    created_at: int


@dataclass(frozen=True)
class ShippedFont:
    """A font that is always there. `file`: its name in generator_service/fonts; "" for one inside the engine."""

    family: str
    style: str
    file: str = ""
    size: int | None = None
    sha256: str | None = None


def font_key(sha256: str) -> str:
    """Name the blob that holds a font."""
    return f"fonts/{sha256}"


def font_use_key(document_id: UUID, sha256: str) -> str:
    """Name the empty blob that says that a document needs a font, as long as the document's input is kept."""
    return f"font-uses/{document_id}/{sha256}"


def font_record_key(owner_id: UUID, sha256: str) -> str:
    """Name the blob that says whose a font is, and what is in it."""
    return f"font-records/{owner_id}/{sha256}"


def kind_of_font(content: bytes) -> FontKind:
    """Tell what kind of font file this is. Raises BadFont."""
    start = content[:4]
    if start == _COLLECTION:
        return "ttc"
    if start == _OPENTYPE:
        return "otf"
    if start in _TRUETYPE:
        return "ttf"
    raise BadFont("The bytes are no TrueType or OpenType font.")


def faces_of(content: bytes) -> list[FontFace]:
    """Read the names of every face of a font or collection. Raises BadFont."""
    try:
        return [_face(content, offset) for offset in _offsets(content)]
    except (struct.error, IndexError) as error:
        raise BadFont("The font is cut off.") from error


def _offsets(content: bytes) -> list[int]:
    if kind_of_font(content) != "ttc":
        return [0]
    (count,) = struct.unpack_from(">I", content, 8)
    if not 1 <= count <= MOST_FACES:
        raise BadFont(f"The collection has {count} fonts; 1 to {MOST_FACES} are allowed.")
    return list(struct.unpack_from(f">{count}I", content, 12))


def _face(content: bytes, at: int) -> FontFace:
    tables = _tables(content, at)
    if not _NEEDED <= tables.keys() or not _OUTLINES & tables.keys():
        raise BadFont("The font lacks a table that every font has.")
    names = _names(tables[b"name"])
    families = tuple(dict.fromkeys(names[number] for number in _FAMILY if names.get(number)))
    if not families:
        raise BadFont("The font does not say what its family is called.")
    style = next((names[number] for number in _STYLE if names.get(number)), "Regular")
    return FontFace(families, style)


def _tables(content: bytes, at: int) -> dict[bytes, bytes]:
    (count,) = struct.unpack_from(">H", content, at + 4)
    if count > MOST_TABLES:
        raise BadFont(f"The font has {count} tables; {MOST_TABLES} are allowed.")
    tables = {}
    for number in range(count):
        tag, _, offset, length = struct.unpack_from(">4sIII", content, at + 12 + 16 * number)
        if offset + length > len(content):
            raise BadFont("The font is cut off.")
        tables[tag] = content[offset : offset + length] if tag == b"name" else b""
    return tables


def _names(table: bytes) -> dict[int, str]:
    """Return names by identifier: English ones go before others, Unicode before Macintosh."""
    _, count, strings = struct.unpack_from(">HHH", table)
    if count > MOST_NAMES:
        raise BadFont(f"The font has {count} names; {MOST_NAMES} are allowed.")
    found: dict[int, tuple[int, str]] = {}
    for number in range(count):
        platform, _, language, name, length, offset = struct.unpack_from(">HHHHHH", table, 6 + 12 * number)
        raw = table[strings + offset : strings + offset + length]
        text = _text(raw, platform)
        rank = (platform in (_WINDOWS, _UNICODE)) * 2 + (language in (0, 0x409))
        if name in (*_FAMILY, *_STYLE) and text and rank > found.get(name, (-1, ""))[0]:
            found[name] = (rank, text)
    return {name: text for name, (_, text) in found.items()}


def _text(raw: bytes, platform: int) -> str:
    encoding = "utf-16-be" if platform in (_WINDOWS, _UNICODE) else "mac-roman"
    text = raw.decode(encoding, "replace").strip()
    return text if text.isprintable() and len(text) <= LONGEST_NAME else ""


#: What every template finds: the files that ship (a test compares them), and the families inside Typst.
SHIPPED_FONTS: tuple[ShippedFont, ...] = (
    ShippedFont(
        "DejaVu Sans",
        "Book",
        "DejaVuSans.ttf",
        759720,
        "abdc775b21b1bc470d50c97e790d276f2054b7504e56e5bd3e64f48d68582322",
    ),
    ShippedFont(
        "Inter", "Bold", "Inter-Bold.otf", 271436, "1e9dfd6a6e33ac63a8fe3b4ed7ae0df9eac2d0b25e444e8e7daef4ac77943fc1"
    ),
    ShippedFont(
        "Inter",
        "Bold Italic",
        "Inter-BoldItalic.otf",
        278016,
        "db4356b780ed61e0d0597a07566bef5bd7497d6f0edc2d88dbf8deaedaf1ace4",
    ),
    ShippedFont(
        "Inter",
        "Italic",
        "Inter-Italic.otf",
        271400,
        "45ecfe6cbadfd4803de6214e02c336a95163a7703973bc8a5ce7ac2d174ecaf7",
    ),
    ShippedFont(
        "Inter",
        "Regular",
        "Inter-Regular.otf",
        258992,
        "a7e791e8f5a0fb02b65663f7fca73e1d1ca9543f772ad480cbd76f4e3fe3f8cc",
    ),
    ShippedFont(
        "Inter",
        "Semi Bold",
        "Inter-SemiBold.otf",
        270760,
        "8c1990b6012254ea2b487161697d107357dd0ee55811cfd91c8c11227bbef457",
    ),
    ShippedFont("DejaVu Sans Mono", "Regular"),
    ShippedFont("Libertinus Serif", "Regular"),
    ShippedFont("New Computer Modern", "Regular"),
    ShippedFont("New Computer Modern Math", "Regular"),
)
