"""The last touch on a rendered part: line breaks and tabs of values, characters XML forbids, pages, empty cells."""

import itertools
import re

#: Noncharacters that `parts` puts where this module has to look: at the end of a cell that may lose its paragraphs,
#: and at the beginning of the grid of a table whose columns depend on the data.
CELL_END, GRID_START = "\ufdd2", "\ufdd3"
#: XML 1.0 has no way to write these (only tab, line feed and carriage return are allowed below U+0020).
_FORBIDDEN = bytes(code for code in range(32) if code not in (9, 10, 13))
_NONCHARACTERS = ("\ufffe", "\uffff")
_BROKEN_TEXT = re.compile(r"<w:t(?: [^>]*)?>([^<]*[\n\t\r\f][^<]*)</w:t>")
_BREAK = '</w:t><w:br/><w:t xml:space="preserve">'
_PAGE_END = '</w:t><w:br w:type="page"/><w:t xml:space="preserve">'
_TAB = '</w:t><w:tab/><w:t xml:space="preserve">'
_EMPTY_CELL_ENDINGS = ("</w:tcPr>", "<w:tcPr/>", "<w:tc>", "</w:tbl>")
_EMPTY_TABLE = re.compile(r"<w:tbl>(?:(?!<w:t[blr][ >]).)*?</w:tblGrid>\s*</w:tbl>", re.DOTALL)
_ROW_END_OR_SPAN = re.compile("</w:tr>|<w:gridSpan")
_GRID_WIDTH = re.compile(r'<w:gridCol [^>]*?w:w="(\d+)"')
_CELL_WIDTH = re.compile(r'<w:tcW [^>]*?w:w="(\d+)"')
_PAGE = b'<w:p><w:r><w:br w:type="page"/></w:r></w:p><w:p><w:r><w:t>%s</w:t></w:r></w:p>'
_DRAWING_ID = re.compile(r'(<wp:docPr\b[^>]*?\bid=")\d+')
_REPEATED_IDS = 1_500_000_000
_FILLER = b"Lorem ipsum dolor sit amet, consectetur adipiscing elit. " * 12


def finished(text: str, *, guard_tables: bool = False) -> bytes:
    """Encode a rendered part. Values keep line breaks, tabs and form feeds (pages); what XML forbids is dropped.

    Word calls a file corrupt if a table has no row (`guard_tables` drops it) or a cell no paragraph (it gets one).
    Looking for one character in a str takes a hundredth of the time that the same takes in its bytes.
    """
    for character in _NONCHARACTERS:
        if character in text:
            text = text.replace(character, "")
    if text.find("\n", 60) >= 0 or "\t" in text or "\f" in text:  # the declaration ends with a line feed
        text = _BROKEN_TEXT.sub(_with_breaks, text)
    if GRID_START in text:
        text = _regridded(text)
    if guard_tables and "</w:tblGrid></w:tbl>" in text:
        text = _EMPTY_TABLE.sub("<w:p/>", text)
    if CELL_END in text:
        text = _filled(text)
    return text.encode("utf-8", "replace").translate(None, _FORBIDDEN)


def renumbered(text: str) -> str:
    """Give every drawing of a part an id of its own, above those of templates and inserted pictures."""
    numbers = itertools.count(_REPEATED_IDS)
    return _DRAWING_ID.sub(lambda found: f"{found[1]}{next(numbers)}", text)


def _with_breaks(found: re.Match[str]) -> str:
    opening = found.group()[: found.start(1) - found.start()]
    if "preserve" not in opening:
        opening = '<w:t xml:space="preserve">'
    text = found.group(1).replace("\r\n", "\n").replace("\r", "\n")
    return opening + text.replace("\n", _BREAK).replace("\t", _TAB).replace("\f", _PAGE_END) + "</w:t>"


def _filled(text: str) -> str:
    """Give cells that were left without a paragraph one. A value may hold the mark too, but never before markup."""
    first, *others = text.split(CELL_END)
    filled = [first]
    for piece in others:
        empty = piece.startswith("</w:tc>") and filled[-1].endswith(_EMPTY_CELL_ENDINGS)
        filled.append("<w:p/>" + piece if empty else piece)
    return "".join(filled)


def _regridded(text: str) -> str:
    """Give tables whose columns depend on the data a grid of the widths that their first row's cells have."""
    pieces, done, at = [], 0, text.find(GRID_START)
    while at >= 0:
        pieces.append(text[done:at])
        done = at + 1
        if text.endswith("<w:tblGrid>", 0, at):
            end = text.index("</w:tblGrid>", at)
            pieces.append(_grid(text, at, end))
            done = end
        at = text.find(GRID_START, done)
    return "".join((*pieces, text[done:]))


def _grid(text: str, start: int, end: int) -> str:
    """Write a grid's columns anew; the table keeps the width that the template's columns have together."""
    row_end = _ROW_END_OR_SPAN.search(text, end)
    cells = [int(width) for width in _CELL_WIDTH.findall(text, end, row_end.start())] if row_end else []
    if row_end is None or row_end.group() != "</w:tr>" or not sum(cells):
        return text[start + 1 : end]
    scale = sum(int(width) for width in _GRID_WIDTH.findall(text, start, end)) / sum(cells)
    return "".join(f'<w:gridCol w:w="{round(width * scale)}"/>' for width in cells)


def with_pages(content: bytes, count: int) -> bytes:
    """Append `count` pages to a main part, before the section's properties."""
    at = content.rfind(b"<w:sectPr")
    if at < content.rfind(b"</w:p>"):  # the last section lies in a paragraph, or there is none
        at = content.rfind(b"</w:body>")
    return content[:at] + (_PAGE % _FILLER) * count + content[at:]
