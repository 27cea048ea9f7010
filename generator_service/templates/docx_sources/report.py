"""The report as a DOCX template: the same data as report/report.typ; bars are shaded paragraphs in a table."""

from docx.document import Document
from docx.enum.style import WD_STYLE_TYPE
from docx.enum.text import WD_ALIGN_PARAGRAPH
from docx.oxml import OxmlElement
from docx.oxml.ns import qn
from docx.shared import Pt
from docx.table import Table, _Cell
from docx.text.paragraph import Paragraph

from .look import (
    ACCENT,
    BAND,
    INK,
    QUIET,
    RUSSIAN,
    SIDES,
    WIDTH_MM,
    border,
    cell_width,
    finish_cell,
    flush,
    footer,
    gap,
    grid,
    line,
    logic,
    new_document,
    row_height,
    rule,
    said,
    shade,
    tag_row,
    together,
    write,
)

#: Styles of table cells by size in tenths of a point (renderers/docx/tables.py chooses among them).
CELL_SIZES = (95, 80, 70, 60, 50)


def build_report() -> Document:
    """Make the report template."""
    document = new_document()
    document.styles["Normal"].font.size = Pt(9.5)
    for tenths in CELL_SIZES:
        _cell_styles(document, tenths)
    document._body.clear_content()
    logic(document, f"set ru = {RUSSIAN}", "set all = sections|default(none)|list_at('sections')")
    _front(document)
    _contents(document)
    _chart(document, "chart|default(none)|bars(chart_values|default(none))")
    logic(document, "for s in all")
    _heading(document)
    logic(document, "for text in s.paras|default(none)|paragraphs")
    body = line(document, "{{ text }}")
    body.alignment, body.paragraph_format.space_after = WD_ALIGN_PARAGRAPH.JUSTIFY, Pt(7)
    logic(document, "endfor")
    _chart(document, "s.chart|default(none)|bars(s.chart_values|default(none), 'sections[' ~ loop.index0 ~ '].')")
    _table(document)
    logic(document, "endfor")
    footer(document, '{{ title|default("")|text }}')
    return document


def _cell_styles(document: Document, tenths: int) -> None:
    """Add the paragraph styles of table cells of one size, flush left and flush right."""
    for name, side in ((f"Cell{tenths}", "left"), (f"Cell{tenths}R", "right")):
        style = document.styles.add_style(name, WD_STYLE_TYPE.PARAGRAPH)
        style.base_style, style.font.size = document.styles["Normal"], Pt(tenths / 10)
        style.paragraph_format.alignment = SIDES[side]


def _heading(document: Document) -> None:
    """Begin a section; the first of more than three begins a page."""
    heading = document.add_paragraph('{{ s.title|default("")|text }}', style="Heading 1")
    heading.paragraph_format.page_break_before = True
    breaking = heading._p.pPr.find(qn("w:pageBreakBefore"))
    breaking.set(qn("w:val"), "{{ 'true' if loop.first and all|length > 3 else 'false' }}")
    _bookmark(heading, "section{{ loop.index }}")


def _front(document: Document) -> None:
    line(document, '{{ title|default("")|text }}', size=26, bold=True).paragraph_format.space_before = Pt(14)
    logic(document, "if subtitle is defined and subtitle")
    line(document, "{{ subtitle|text }}", size=13, color=QUIET)
    logic(document, "endif")
    table = grid(document, (174,))
    border(table.rows[0].cells[0], "bottom", ACCENT, 10)
    table.rows[0].cells[0].paragraphs[0].paragraph_format.line_spacing = Pt(6)
    gap(document, 8)
    line(document, '{{ [author|default("")|text, date|default("")|date]|select|join("  ·  ") }}', color=QUIET)
    gap(document, 12)
    logic(document, "for text in summary|default(none)|paragraphs")
    line(document, "{{ text }}", size=11).paragraph_format.space_after = Pt(6)
    logic(document, "endfor")


def _contents(document: Document) -> None:
    logic(document, "if all|length > 1")
    title = line(document, said("Contents", "Содержание"), size=11, bold=True)
    title.paragraph_format.space_before, title.paragraph_format.space_after = Pt(12), Pt(4)
    logic(document, "for s in all")
    _link(document.add_paragraph(), "section{{ loop.index }}", '{{ s.title|default("")|text }}')
    logic(document, "endfor", "endif")
    gap(document, 6)


def _chart(document: Document, bars: str) -> None:
    """Draw bars above and below a line; the numbers and labels are text."""
    logic(document, f"set c = {bars}", "if c.strips", "if c.title")
    title = together(line(document, "{{ c.title }}", bold=True))
    title.paragraph_format.space_before, title.paragraph_format.space_after = Pt(8), Pt(4)
    logic(document, "endif", "for strip in c.strips")
    table = flush(grid(document, (WIDTH_MM / 3,) * 3, rows=5))
    _stretch(table)
    _bars(table, 0, "not b.negative", ("b.text", "b.up"), ACCENT)
    tag_row(table, 1, "if c.below")
    _bars(table, 2, "b.negative", ("b.down", "b.text"), QUIET)
    tag_row(table, 3, "endif")
    _looped(table, 4, "for b in strip")
    label = _caption(table.rows[4].cells[1].paragraphs[0], "b.label", QUIET)
    label.paragraph_format.space_before = Pt(3)
    cell_width(table.rows[4].cells[1], None)
    row_height(table, 4, 14)
    gap(document, 4)
    logic(document, "endfor", "endif")


def _bars(table: Table, row: int, shown: str, parts: tuple[str, str], color: str) -> None:
    """Fill a row with the bars on one side of zero: `parts` from top to bottom, the number and the bar's height."""
    _looped(table, row, "for b in strip")
    cell = table.rows[row].cells[1]
    cell.paragraphs[0].text = f"{{%p if {shown} %}}"
    for part in parts:
        if part == "b.text":
            together(_caption(cell.add_paragraph(), part))
        else:
            logic(cell, f"if {part}")
            _bar(cell, part, color)
            logic(cell, "endif")
    logic(cell, "endif")
    cell_width(cell, "{{ c.width }}" if row == 0 else None, "pct")
    if row == 0:
        border(cell, "bottom", QUIET, 5)
    finish_cell(cell, "top" if row else "bottom")
    row_height(table, row, 12)
    height = table.rows[row]._tr.trPr.find(qn("w:trHeight"))
    height.set(qn("w:val"), "{{ c.%s + 260 }}" % ("below" if row else "above"))


def _caption(paragraph: Paragraph, text: str, color: str = INK) -> Paragraph:
    write(paragraph, f"{{{{ {text} }}}}", size=7, color=color).alignment = SIDES["center"]
    paragraph.runs[0]._r.rPr.find(qn("w:sz")).set(qn("w:val"), "{{ c.size }}")
    paragraph.paragraph_format.line_spacing = 1
    return paragraph


def _bar(cell: _Cell, height: str, color: str) -> None:
    """Add an empty paragraph as tall as a bar and as wide as its indents leave it, shaded."""
    paragraph = together(cell.add_paragraph())
    form = paragraph.paragraph_format
    form.line_spacing, form.left_indent, form.right_indent = Pt(1), Pt(1), Pt(1)
    properties = paragraph._p.pPr
    properties.find(qn("w:spacing")).set(qn("w:line"), f"{{{{ {height} }}}}")
    for side in ("left", "right"):
        properties.find(qn("w:ind")).set(qn(f"w:{side}"), "{{ c.beside }}")
    shading = OxmlElement("w:shd")
    for key, value in (("val", "clear"), ("color", "auto"), ("fill", color)):
        shading.set(qn(f"w:{key}"), value)
    properties.find(qn("w:spacing")).addprevious(shading)


def _looped(table: Table, row: int, loop: str) -> None:
    """Repeat the middle one of a row's three cells."""
    opening, _, closing = table.rows[row].cells
    opening.paragraphs[0].text, closing.paragraphs[0].text = f"{{%tc {loop} %}}", "{%tc endfor %}"


def _table(document: Document) -> None:
    logic(document, "set t = s.rows|default(none)|table(s.columns|default(none))", "if t.rows")
    logic(document, *(f"set {name} = t.{name}|list" for name in ("heads", "styles", "widths")))
    table = grid(document, (WIDTH_MM / 3,) * 3, rows=4)
    _stretch(table)
    rule(table)
    properties = table._tbl.tblPr
    sides = (properties.find(qn("w:tblCellMar")).find(qn(f"w:{side}")) for side in ("left", "right"))
    for element in (properties.find(qn("w:tblInd")), *sides):
        element.set(qn("w:w"), "{{ t.margin }}")
    _column_cells(table, 0, "t.titles", "heads")
    tag_row(table, 1, "for r in t.rows")
    _column_cells(table, 2, "r", "styles")
    tag_row(table, 3, "endfor")
    row_height(table, 0, 21, header=True)
    row_height(table, 2, 19)
    gap(document, 2)
    logic(document, "endif")


def _column_cells(table: Table, row: int, texts: str, styles: str) -> None:
    """Fill a row with one cell per column; the header's widths are the grid's."""
    _looped(table, row, f"for x in {texts}")
    cell, header = table.rows[row].cells[1], row == 0
    paragraph = write(cell.paragraphs[0], "{{ x }}", bold=header)
    if header:
        together(paragraph)
    style = OxmlElement("w:pStyle")
    style.set(qn("w:val"), f"{{{{ {styles}[loop.index0] }}}}")
    paragraph._p.get_or_add_pPr().insert(0, style)
    cell_width(cell, "{{ widths[loop.index0] }}" if header else None, "pct")
    if header:
        border(cell, "bottom", ACCENT, 7)
        shade(cell, BAND)
    finish_cell(cell)


def _stretch(table: Table) -> None:
    """Let the table take the whole width and its columns the shares that their cells name."""
    properties = table._tbl.tblPr
    width = properties.find(qn("w:tblW"))
    width.set(qn("w:w"), "5000")
    width.set(qn("w:type"), "pct")


def _bookmark(paragraph: Paragraph, name: str) -> None:
    for kind in ("w:bookmarkStart", "w:bookmarkEnd"):
        element = OxmlElement(kind)
        element.set(qn("w:id"), "{{ loop.index }}")
        if kind.endswith("Start"):
            element.set(qn("w:name"), name)
        paragraph._p.append(element)


def _link(paragraph: Paragraph, anchor: str, text: str) -> None:
    link = OxmlElement("w:hyperlink")
    link.set(qn("w:anchor"), anchor)
    paragraph.add_run(text)
    link.append(paragraph.runs[0]._r)
    paragraph._p.append(link)
