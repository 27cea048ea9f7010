"""The look of the shipped DOCX templates and the small vocabulary they are built with; see shared/presswork.typ."""

import io
import zipfile
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

import docx
from docx.blkcntnr import BlockItemContainer
from docx.document import Document
from docx.enum.text import WD_ALIGN_PARAGRAPH
from docx.oxml import OxmlElement
from docx.oxml.ns import qn
from docx.shared import Mm, Pt, RGBColor
from docx.table import Table, _Cell
from docx.text.paragraph import Paragraph

TEMPLATES = Path(__file__).resolve().parents[1]
#: Every reader has Arial or a font of its metrics (Liberation Sans).
FONT = "Arial"
INK, QUIET, ACCENT, WHITE = "1B2430", "667085", "1F4E79", "FFFFFF"
HAIRLINE, BAND = "D5DAE1", "F3F6F9"
WIDTH_MM = 174
#: Cell margins in twentieths of a point, in the schema's order.
SIDE = 90
MARGINS = (("top", 45), ("left", SIDE), ("bottom", 45), ("right", SIDE))
#: Parts of python-docx's own template that no document of ours uses.
UNUSED = ("stylesWithEffects", "customXml", "thumbnail")
STYLES_KEPT = {"Normal", "Default Paragraph Font", "Normal Table", "No List", "Header", "Footer", "Heading 1"}
RUSSIAN = 'locale[:2]|lower == "ru"'
PAGE_WORDS = (("Стр.", "Page"), ("из", "of"))

SIDES = {
    "left": WD_ALIGN_PARAGRAPH.LEFT,
    "right": WD_ALIGN_PARAGRAPH.RIGHT,
    "center": WD_ALIGN_PARAGRAPH.CENTER,
}


def said(english: str, russian: str) -> str:
    """Write the tag that prints the text of the document's language."""
    return f'{{{{ "{russian}" if ru else "{english}" }}}}'


def new_document() -> Document:
    """Open an empty A4 document in our look."""
    document = docx.Document()
    section = document.sections[0]
    section.page_width, section.page_height = Mm(210), Mm(297)
    section.left_margin = section.right_margin = section.top_margin = Mm(18)
    section.bottom_margin, section.footer_distance = Mm(20), Mm(10)
    style_text(document, "Normal", 9, INK)
    style_text(document, "Heading 1", 15, ACCENT, bold=True, before=22, after=8)
    for style in list(document.styles):
        if style.name not in STYLES_KEPT:
            style.element.getparent().remove(style.element)
    return document


def style_text(
    document: Document, name: str, size: float, color: str, *, bold: bool = False, before: float = 0, after: float = 0
) -> None:
    """Set a paragraph style's font and spacing."""
    style = document.styles[name]
    style.font.name, style.font.size, style.font.bold = FONT, Pt(size), bold
    style.font.color.rgb = RGBColor.from_string(color)
    fonts = style.element.get_or_add_rPr().get_or_add_rFonts()
    for key in list(fonts.attrib):
        del fonts.attrib[key]
    for kind in ("ascii", "hAnsi", "cs", "eastAsia"):
        fonts.set(qn(f"w:{kind}"), FONT)
    form = style.paragraph_format
    form.space_before, form.space_after, form.line_spacing = Pt(before), Pt(after), 1.15


def write(
    paragraph: Paragraph,
    text: str,
    *,
    size: float | None = None,
    color: str | None = None,
    bold: bool = False,
    caps: bool = False,
) -> Paragraph:
    """Append one run."""
    run = paragraph.add_run(text)
    run.bold = bold or None
    run.font.all_caps = caps or None
    if size:
        run.font.size = Pt(size)
    if color:
        run.font.color.rgb = RGBColor.from_string(color)
    return paragraph


def line(holder: Document | BlockItemContainer, text: str = "", **look: object) -> Paragraph:
    """Add a paragraph with one run."""
    return write(holder.add_paragraph(), text, **look)  # type: ignore[arg-type]


def logic(holder: Document | BlockItemContainer, *tags: str) -> None:
    """Add a paragraph per statement; it leaves no trace in the document."""
    for tag in tags:
        holder.add_paragraph(f"{{%p {tag} %}}")


def gap(holder: Document | BlockItemContainer, points: float) -> None:
    """Add empty space."""
    paragraph = holder.add_paragraph()
    paragraph.paragraph_format.line_spacing = Pt(points)


def label(cell: _Cell, text: str) -> Paragraph:
    """Start a cell with a small quiet caption."""
    return write(cell.paragraphs[0], text, size=7, color=QUIET, bold=True, caps=True)


def grid(document: Document | BlockItemContainer, widths: Sequence[float], rows: int = 1) -> Table:
    """Add a table without borders; widths in millimetres."""
    table: Table = _new_table(document, rows, len(widths))
    table.autofit = False
    for column, width in zip(table.columns, widths, strict=True):
        column.width = Mm(width)
        for cell in column.cells:
            cell.width = Mm(width)
    properties = table._tbl.tblPr
    indent = OxmlElement("w:tblInd")
    margins = OxmlElement("w:tblCellMar")
    for element, width in ((indent, SIDE), *((OxmlElement(f"w:{side}"), width) for side, width in MARGINS)):
        element.set(qn("w:w"), str(width))
        element.set(qn("w:type"), "dxa")
        if element is not indent:
            margins.append(element)
    properties.find(qn("w:tblLayout")).addprevious(indent)
    properties.find(qn("w:tblLayout")).addnext(margins)
    return table


def _new_table(holder: Document | BlockItemContainer, rows: int, columns: int) -> Table:
    if isinstance(holder, BlockItemContainer):
        return holder.add_table(rows, columns, Mm(WIDTH_MM))
    return holder.add_table(rows=rows, cols=columns)


def flush(table: Table) -> Table:
    """Let the table's text stand flush with the text around it."""
    properties = table._tbl.tblPr
    for element in (properties.find(qn("w:tblInd")), *properties.find(qn("w:tblCellMar"))):
        element.set(qn("w:w"), "0")
    return table


def border(cell: _Cell, side: str, color: str, eighths: int) -> None:
    """Draw one border of a cell; thickness in eighths of a point."""
    properties = cell._tc.get_or_add_tcPr()
    borders = properties.find(qn("w:tcBorders"))
    if borders is None:
        borders = OxmlElement("w:tcBorders")
        properties.append(borders)
    edge = OxmlElement(f"w:{side}")
    for key, value in (("val", "single"), ("sz", str(eighths)), ("space", "0"), ("color", color)):
        edge.set(qn(f"w:{key}"), value)
    borders.append(edge)


def rule(table: Table) -> None:
    """Draw a hairline under every row: once for the table, not in each of its thousands of cells."""
    borders = OxmlElement("w:tblBorders")
    for side in ("bottom", "insideH"):
        edge = OxmlElement(f"w:{side}")
        for key, value in (("val", "single"), ("sz", "4"), ("space", "0"), ("color", HAIRLINE)):
            edge.set(qn(f"w:{key}"), value)
        borders.append(edge)
    table._tbl.tblPr.find(qn("w:tblLayout")).addprevious(borders)


def shade(cell: _Cell, color: str) -> None:
    """Fill a cell's background."""
    shading = OxmlElement("w:shd")
    for key, value in (("val", "clear"), ("color", "auto"), ("fill", color)):
        shading.set(qn(f"w:{key}"), value)
    cell._tc.get_or_add_tcPr().append(shading)


def finish_cell(cell: _Cell, side: str = "center") -> None:
    """Align a cell's content (top, center, bottom); the last property, as the schema orders them."""
    alignment = OxmlElement("w:vAlign")
    alignment.set(qn("w:val"), side)
    cell._tc.get_or_add_tcPr().append(alignment)


def row_height(table: Table, index: int, points: float, *, header: bool = False) -> None:
    """Give a row a least height; it never splits over pages. `header`: repeated on every page."""
    row = table.rows[index]
    row.height = Pt(points)
    properties = row._tr.get_or_add_trPr()
    properties.insert(0, OxmlElement("w:cantSplit"))
    if header:
        properties.append(OxmlElement("w:tblHeader"))


def cell_width(cell: _Cell, width: str | None, kind: str = "dxa") -> None:
    """Let a tag say how wide a cell is; None leaves it to the table's grid, which follows the first row."""
    element = cell._tc.get_or_add_tcPr().find(qn("w:tcW"))
    if width is None:
        element.getparent().remove(element)
        return
    element.set(qn("w:w"), width)
    element.set(qn("w:type"), kind)


def together(paragraph: Paragraph) -> Paragraph:
    """Keep a paragraph (in a table: its row) on one page with what follows."""
    paragraph.paragraph_format.keep_with_next = True
    return paragraph


def tag_row(table: Table, index: int, tag: str) -> None:
    """Make a row stand for a statement."""
    table.rows[index].cells[0].paragraphs[0].text = f"{{%tr {tag} %}}"


def cell_text(cell: _Cell, text: str, side: str = "left", **look: object) -> Paragraph:
    """Write a cell's first paragraph."""
    paragraph = write(cell.paragraphs[0], text, **look)  # type: ignore[arg-type]
    paragraph.alignment = SIDES[side]
    return paragraph


def field(paragraph: Paragraph, code: str) -> None:
    """Append a field (PAGE, NUMPAGES) with a placeholder result."""
    simple = OxmlElement("w:fldSimple")
    simple.set(qn("w:instr"), code)
    run = OxmlElement("w:r")
    properties = OxmlElement("w:rPr")
    for name, value in (("w:color", QUIET), ("w:sz", "15")):
        element = OxmlElement(name)
        element.set(qn("w:val"), value)
        properties.append(element)
    text = OxmlElement("w:t")
    text.text = "1"
    run.extend((properties, text))
    simple.append(run)
    paragraph._p.append(simple)


def footer(document: Document, text: str) -> None:
    """Write the footer: the document's name at the left, page numbers at the right; a long name wraps beside them."""
    holder = document.sections[0].footer
    table = flush(grid(holder, (144, 30)))
    left, right = table.rows[0].cells
    cell_text(left, text, size=7.5, color=QUIET)
    page, last_page = (f'{{{{ "{russian}" if {RUSSIAN} else "{english}" }}}}\u00a0' for russian, english in PAGE_WORDS)
    paragraph = cell_text(right, page, "right", size=7.5, color=QUIET)
    field(paragraph, "PAGE")
    write(paragraph, " " + last_page, size=7.5, color=QUIET)
    field(paragraph, "NUMPAGES")
    last = holder.paragraphs[0]  # a table never ends a footer
    last.paragraph_format.line_spacing = Pt(1)
    table._tbl.getparent().append(last._p)


def save(document: Document, name: str) -> None:
    """Write <name>/<name>.docx."""
    (TEMPLATES / name / f"{name}.docx").write_bytes(packed(document, name.title()))


def packed(document: Document, title: str) -> bytes:
    """Return the file of a document, without unused parts, with fixed times."""
    for holder in (document.part, document.part.package):
        for key, relation in list(holder.rels.items()):
            if any(word in relation.reltype for word in UNUSED):
                del holder.rels[key]
    moment = datetime(2026, 1, 1, tzinfo=UTC).replace(tzinfo=None)
    core = document.core_properties
    core.author, core.comments, core.title = "Presswork", "", title
    core.created = core.modified = moment
    raw, packed_again = io.BytesIO(), io.BytesIO()
    document.save(raw)
    with zipfile.ZipFile(raw) as made, zipfile.ZipFile(packed_again, "w") as out:
        for member in made.infolist():
            info = zipfile.ZipInfo(member.filename, (1980, 1, 1, 0, 0, 0))
            info.create_system, info.compress_type = 3, zipfile.ZIP_DEFLATED
            out.writestr(info, made.read(member), compresslevel=9)
    return packed_again.getvalue()
