"""The last touch on a rendered part: line breaks and tabs of values, characters XML forbids, pages, empty cells."""

import re

#: XML 1.0 has no way to write these (only tab, line feed and carriage return are allowed below U+0020).
_FORBIDDEN = bytes(code for code in range(32) if code not in (9, 10, 13))
_NONCHARACTERS = (b"\xef\xbf\xbe", b"\xef\xbf\xbf")
_BROKEN_TEXT = re.compile(rb"<w:t(?: [^>]*)?>([^<]*[\n\t\r][^<]*)</w:t>")
_BREAK = b'</w:t><w:br/><w:t xml:space="preserve">'
_TAB = b'</w:t><w:tab/><w:t xml:space="preserve">'
_EMPTY_CELL = re.compile(rb"(</w:tcPr>|<w:tcPr/>|<w:tc>|</w:tbl>)</w:tc>")
_EMPTY_CELL_ENDINGS = (b"</w:tcPr></w:tc>", b"<w:tcPr/></w:tc>", b"<w:tc></w:tc>", b"</w:tbl></w:tc>")
_EMPTY_TABLE = re.compile(rb"<w:tbl>(?:(?!<w:t[blr][ >]).)*?</w:tblGrid>\s*</w:tbl>", re.DOTALL)
_GRID = re.compile(rb"<w:tblGrid>(?P<grid>.*?)</w:tblGrid>(?P<row>\s*<w:tr[ >].*?</w:tr>)", re.DOTALL)
_GRID_WIDTH = re.compile(rb'<w:gridCol [^>]*?w:w="(\d+)"')
_CELL_WIDTH = re.compile(rb'<w:tcW [^>]*?w:w="(\d+)"')
_PAGE = b'<w:p><w:r><w:br w:type="page"/></w:r></w:p><w:p><w:r><w:t>%s</w:t></w:r></w:p>'
_FILLER = b"Lorem ipsum dolor sit amet, consectetur adipiscing elit. " * 12


def finished(text: str, *, guard_cells: bool = False, guard_tables: bool = False) -> bytes:
    """Encode a rendered part. Values keep their line breaks and tabs; characters that XML forbids are dropped.

    Word calls a file corrupt if a table has no row or a cell no paragraph: `guard_tables` drops the one, `guard_cells`
    gives the other.
    """
    content = text.encode("utf-8", "replace").translate(None, _FORBIDDEN)
    for character in _NONCHARACTERS:
        if character in content:
            content = content.replace(character, b"")
    if content.find(b"\n", 60) >= 0 or b"\t" in content:  # the declaration ends with a line feed
        content = _BROKEN_TEXT.sub(_with_breaks, content)
    if guard_tables and b"</w:tblGrid></w:tbl>" in content:
        content = _EMPTY_TABLE.sub(b"<w:p/>", content)
    if guard_cells and any(ending in content for ending in _EMPTY_CELL_ENDINGS):
        content = _EMPTY_CELL.sub(rb"\1<w:p/></w:tc>", content)
    return content


def _with_breaks(found: re.Match[bytes]) -> bytes:
    opening = found.group()[: found.start(1) - found.start()]
    if b"preserve" not in opening:
        opening = b'<w:t xml:space="preserve">'
    text = found.group(1).replace(b"\r\n", b"\n").replace(b"\r", b"\n")
    return opening + text.replace(b"\n", _BREAK).replace(b"\t", _TAB) + b"</w:t>"


def regridded(content: bytes) -> bytes:
    """Give tables whose first row has other cells than the grid has columns a grid of those cells' widths."""
    return _GRID.sub(_with_grid, content)


def _with_grid(found: re.Match[bytes]) -> bytes:
    columns = [int(width) for width in _GRID_WIDTH.findall(found["grid"])]
    cells = [int(width) for width in _CELL_WIDTH.findall(found["row"])]
    whole = sum(cells)
    if len(cells) == len(columns) or not whole or b"<w:gridSpan" in found["row"]:
        return found.group()
    widths = (round(width * sum(columns) / whole) for width in cells)
    grid = b"".join(b'<w:gridCol w:w="%d"/>' % width for width in widths)
    return b"<w:tblGrid>" + grid + b"</w:tblGrid>" + found["row"]


def with_pages(content: bytes, count: int) -> bytes:
    """Append `count` pages to a main part, before the section's properties."""
    at = content.rfind(b"<w:sectPr")
    if at < content.rfind(b"</w:p>"):  # the last section lies in a paragraph, or there is none
        at = content.rfind(b"</w:body>")
    return content[:at] + (_PAGE % _FILLER) * count + content[at:]
