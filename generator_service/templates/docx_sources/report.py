"""The report as a DOCX template: the same data as report/report.typ; charts become bars of text."""

from docx.document import Document
from docx.oxml import OxmlElement
from docx.oxml.ns import qn
from docx.shared import Pt
from docx.table import Table
from docx.text.paragraph import Paragraph

from .look import (
    ACCENT,
    BAND,
    QUIET,
    border,
    cell_text,
    finish_cell,
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
)

BARS = 40


def build_report() -> Document:
    """Make the report template."""
    document = new_document()
    document.styles["Normal"].font.size = Pt(9.5)
    document._body.clear_content()
    logic(document, 'set ru = locale[:2]|lower == "ru"', "set all = sections|default([])")
    _front(document)
    _contents(document)
    _chart(document)
    logic(document, "for s in all")
    heading = document.add_paragraph("{{ s.title }}", style="Heading 1")
    _bookmark(heading, "section{{ loop.index }}")
    logic(document, "for text in s.paras|default([])")
    body = line(document, "{{ text }}")
    body.paragraph_format.space_after = Pt(7)
    logic(document, "endfor", "if s.rows", "set cols = s.rows|columns(s.columns|default([]))")
    logic(document, *(f"set {name}s = cols|map(attribute='{name}')|list" for name in ("title", "align", "width")))
    _table(document)
    logic(document, "endif", "endfor")
    footer(document, "{{ title }}")
    return document


def _front(document: Document) -> None:
    line(document, "{{ title }}", size=26, bold=True).paragraph_format.space_before = Pt(14)
    logic(document, "if subtitle is defined and subtitle")
    line(document, "{{ subtitle }}", size=13, color=QUIET)
    logic(document, "endif")
    table = grid(document, (174,))
    border(table.rows[0].cells[0], "bottom", ACCENT, 10)
    table.rows[0].cells[0].paragraphs[0].paragraph_format.line_spacing = Pt(6)
    gap(document, 8)
    line(document, '{{ [author|default(""), date|default("")|date]|select|join("  ·  ") }}', color=QUIET)
    gap(document, 12)
    logic(document, "if summary is defined and summary", "for text in ([summary] if summary is string else summary)")
    line(document, "{{ text }}", size=11).paragraph_format.space_after = Pt(6)
    logic(document, "endfor", "endif")


def _contents(document: Document) -> None:
    logic(document, "if all|length > 1")
    title = line(document, said("Contents", "Содержание"), size=11, bold=True)
    title.paragraph_format.space_before, title.paragraph_format.space_after = Pt(12), Pt(4)
    logic(document, "for s in all")
    _link(document.add_paragraph(), "section{{ loop.index }}", "{{ s.title }}")
    logic(document, "endfor", "endif")
    gap(document, 12)


def _chart(document: Document) -> None:
    """Bars of block characters: they need no drawing and stay editable."""
    logic(
        document,
        "set given = (chart.values if chart is mapping else chart) if chart is defined else chart_values|default([])",
        "if given",
        "set ns = namespace(most=0)",
        "for bar in given",
        "set value = bar.value if bar is mapping else bar",
        "if value > ns.most",
        "set ns.most = value",
        "endif",
        "endfor",
        "if chart is defined and chart is mapping and chart.title",
    )
    line(document, "{{ chart.title }}", bold=True).paragraph_format.space_after = Pt(4)
    logic(document, "endif")
    table = grid(document, (28, 116, 30), rows=3)
    tag_row(table, 0, "for bar in given")
    name, bars, value = table.rows[1].cells
    cell_text(name, "{{ bar.label|default(loop.index) if bar is mapping else loop.index }}", size=8, color=QUIET)
    number = "(bar.value if bar is mapping else bar)"
    size = f"([{number} / ns.most * {BARS}, 0]|max)|round|int if ns.most > 0 else 0"
    drawn = cell_text(bars, f'{{{{ "█" * ({size}) }}}}', size=8, color=ACCENT)
    overlap = OxmlElement("w:spacing")  # or the blocks show seams
    overlap.set(qn("w:val"), "-8")
    drawn.runs[0]._r.get_or_add_rPr().find(qn("w:sz")).addprevious(overlap)
    cell_text(value, f"{{{{ {number}|number }}}}", "right", size=8)
    for cell in (name, bars, value):
        finish_cell(cell)
    row_height(table, 1, 15)
    tag_row(table, 2, "endfor")
    logic(document, "endif")


def _table(document: Document) -> None:
    table = grid(document, (10, 154, 10), rows=4)
    _stretch(table)
    rule(table)
    _column_cells(table, 0, "{{ x }}")
    tag_row(table, 1, "for r in s.rows|cells(cols)")
    _column_cells(table, 2, "{{ x }}")
    tag_row(table, 3, "endfor")
    gap(document, 6)
    row_height(table, 0, 21, header=True)
    row_height(table, 2, 19)


def _column_cells(table: Table, row: int, text: str) -> None:
    """Fill a row with one cell per column: the loop's tags stand in cells of their own."""
    row_values = "r" if row else "titles"
    opening, cell, closing = table.rows[row].cells
    opening.paragraphs[0].text, closing.paragraphs[0].text = f"{{%tc for x in {row_values} %}}", "{%tc endfor %}"
    header = row == 0
    paragraph = cell_text(cell, text, size=8 if header else None, bold=header)
    side = OxmlElement("w:jc")
    side.set(qn("w:val"), "{{ aligns[loop.index0] }}")
    properties = paragraph._p.get_or_add_pPr()
    for old in properties.findall(qn("w:jc")):
        properties.remove(old)
    properties.append(side)
    width = cell._tc.get_or_add_tcPr().find(qn("w:tcW"))
    width.set(qn("w:w"), "{{ widths[loop.index0] }}")
    width.set(qn("w:type"), "pct")
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
