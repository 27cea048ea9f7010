"""Well-formed or not; and what remains of a part of a Word document when its texts and repeated rows are left out."""

import hashlib
import re
from collections.abc import Iterable
from xml.parsers import expat

from lxml import etree

from contracts.errors import DocumentFailed
from generator.renderers.port import Shape, failed

_DECLARATION = b'<?xml version="1.0" encoding="UTF-8"'
_TEXT = re.compile(rb">([^<]+)</w:t>")
#: References that stand for characters XML allows; a text with others is parsed with the whole part.
_REFERENCE = re.compile(rb"&(?:amp|lt|gt|quot|apos|#39|#34|#x27|#x2f);")
_FORBIDDEN = bytes(code for code in range(32) if code not in (9, 10, 13))
_ROW_END, _ROW = b"</w:tr>", b"<w:tr/>"
#: A part with more kinds of rows is parsed whole.
_MOST_ROWS = 50


def invalid(message: str, part: str | None = None) -> DocumentFailed:
    """Make the error of an output that does not open."""
    return failed("invalid_output", message, part=part)


class _Nothing:
    """A parser target that builds no tree: half the time of one that does."""

    def close(self) -> None:
        return None


def well_formed(content: bytes, name: str) -> None:
    """Raise DocumentFailed invalid_output for XML that is not well-formed or declares a DTD."""
    _parse(content, name, etree.XMLParser(target=_Nothing(), resolve_entities=False, no_network=True, huge_tree=True))


def tree(content: bytes, name: str) -> "etree._Element":
    """Return the root of small XML. Raises as `well_formed` does."""
    return _parse(content, name, etree.XMLParser(resolve_entities=False, no_network=True))


def _parse(content: bytes, name: str, parser: "etree.XMLParser") -> "etree._Element":
    if b"<!DOCTYPE" in content[:1024]:
        raise invalid(f"{name} declares a DTD.", name)
    try:
        return etree.fromstring(content, parser)
    except etree.XMLSyntaxError as error:
        raise invalid(f"{name} is not well-formed XML: {error.msg}", name) from error


class Skeleton:
    """The markup of a part without its texts, each table row with an empty one in its place: 6 KB of a report's 400 KB.

    Two parts of the same skeleton are both well-formed or both not, if the kinds of rows are elements (`stands`).
    """

    def __init__(self, markup: bytes) -> None:
        *chunks, left = markup.split(_ROW_END)
        rest: list[bytes] = []
        row = b""
        self.rows: dict[bytes, None] = {}
        for chunk in chunks:
            if chunk != row:
                start = _last_row(chunk)
                if start < 0:  # it ends a row that holds others
                    rest.append(chunk + _ROW_END)
                    continue
                rest.append(chunk[:start])
                row = chunk[start:]
                self.rows[row] = None
            rest.append(_ROW)
        self.digest = hashlib.sha256(b"\0".join((b"".join((*rest, left)), *self.rows))).digest()

    def stands(self) -> bool:
        """Tell whether every kind of row is an element by itself."""
        return _all_parse(row + _ROW_END for row in self.rows)


def balanced(shape: Shape) -> bool:
    """Tell whether every kind of row closes what it opens: a part with others of them is as well-formed as this one.

    Rows lie within the root, whose beginning and end are pieces of their own.
    """
    return _all_parse(b"<x>%s</x>" % b"".join(shape.pieces[begin:end]) for begin, end in shape.rows)


def _all_parse(contents: Iterable[bytes]) -> bool:
    try:
        for content in contents:
            expat.ParserCreate().Parse(content, True)
    except expat.ExpatError:
        return False
    return True


def _last_row(markup: bytes) -> int:
    """Return where the last row begins, -1 if none does; others begin with the same letters (w:trPr)."""
    start = markup.rfind(b"<w:tr")
    while start >= 0 and markup[start + 5 : start + 6] not in (b" ", b">"):
        start = markup.rfind(b"<w:tr", 0, start)
    return start


def skeleton_of(content: bytes) -> Skeleton | None:
    """Take the skeleton out of a part in UTF-8; None if its texts, or what is no element, want a parser to judge."""
    pieces = _TEXT.split(content)
    markup = b"></w:t>".join(pieces[::2])
    declared = markup.find(b">")
    # Single characters: looking for two takes a hundred times as long.
    if not markup.startswith(_DECLARATION) or b"!" in markup or markup.find(b"?", declared) >= 0:
        return None
    skeleton = Skeleton(markup) if _harmless(b"\n".join(pieces[1::2])) else None
    return skeleton if skeleton and len(skeleton.rows) <= _MOST_ROWS else None


def _harmless(texts: bytes) -> bool:
    """Tell whether texts without `<` hold only what XML allows."""
    if (
        b">" in texts
        or texts.count(b"&") != len(_REFERENCE.findall(texts))
        or len(texts.translate(None, _FORBIDDEN)) != len(texts)
    ):
        return False
    try:
        decoded = texts.decode()
    except UnicodeDecodeError:
        return False
    return "\ufffe" not in decoded and "\uffff" not in decoded
