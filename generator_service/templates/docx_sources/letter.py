"""The letter as a DOCX template: the same data and the same places as letter/letter.typ."""

from docx.document import Document
from docx.enum.text import WD_ALIGN_PARAGRAPH
from docx.shared import Mm, Pt
from docx.table import _Cell

from .look import (
    ACCENT,
    HAIRLINE,
    QUIET,
    RUSSIAN,
    SIDES,
    border,
    cell_text,
    finish_cell,
    flush,
    gap,
    grid,
    line,
    logic,
    new_document,
    row_height,
    said,
    tag_row,
    together,
    write,
)
from .paper import caption, margins, page_numbers, repeated, ruled, signer, spaced, spacer

SIZE = 10
_SENDER = "(sender|default({}, true))"
_MM = 72 / 25.4


def build_letter() -> Document:
    """Make the letter template."""
    document = new_document()
    document.styles["Normal"].font.size = Pt(SIZE)
    margins(document, 25, 20, 22, 26)
    document._body.clear_content()
    _heads_and_feet(document)
    logic(
        document,
        f"set ru = {RUSSIAN}",
        "set sender = sender|default({}, true)",
        "set recipient = recipient|default({}, true)",
        "set signed = signatures|default(none)|list_at('signatures')",
        'set day = [place|default("")|text, date|default("")|date]|select|join(", ")',
    )
    _letterhead(document)
    _window(document)
    _text(document)
    _ending(document)
    _listed(document, said("Enclosures", "Приложения"), "enclosures")
    _listed(document, said("Copies to", "Копии"), "copies")
    return document


def _heads_and_feet(document: Document) -> None:
    """Number the pages from the second on; the first has the letterhead instead."""
    section = document.sections[0]
    section.different_first_page_header_footer = True
    section.header_distance = section.footer_distance = Mm(12)
    section.first_page_header.paragraphs[0].text = ""
    table = flush(grid(section.header, (135, 30)))
    left, right = table.rows[0].cells
    about = f'{{{{ [{_SENDER}.name|default(none), subject|default(none)]|rows|join("  ·  ") }}}}'
    cell_text(left, about, size=7.5, color=QUIET)
    page_numbers(cell_text(right, "", "right"))
    for cell in (left, right):
        border(cell, "bottom", HAIRLINE, 4)
        finish_cell(cell, "bottom")
    last = section.header.paragraphs[0]
    last.paragraph_format.line_spacing = Pt(1)
    table._tbl.getparent().append(last._p)
    for footer in (section.first_page_footer, section.footer):
        write(footer.paragraphs[0], '{{ footer|default(none)|rows|join("  ·  ") }}', size=7.5, color=QUIET)
        footer.paragraphs[0].alignment = WD_ALIGN_PARAGRAPH.CENTER


def _letterhead(document: Document) -> None:
    table = flush(grid(document, (100, 65)))
    left, right = table.rows[0].cells
    bar = left.paragraphs[0]
    bar.paragraph_format.line_spacing, bar.paragraph_format.right_indent = Pt(4), Mm(88)
    ruled(bar, "top", ACCENT, 28)
    line(left, '{{ sender.name|default("")|text }}', size=15, color=ACCENT, bold=True)
    spacer(right, 4)
    keys = ("address", "phone", "email", "web")
    contacts = ", ".join(f"sender.{key}|default(none)" for key in keys)
    repeated(right, f"[{contacts}]|rows", size=8, color=QUIET)
    row_height(table, 0, 23 * _MM)
    gap(document, 1)


def _window(document: Document) -> None:
    """Write the address where a window envelope shows it, and the letter's own data beside it."""
    table = flush(grid(document, (80, 20, 65)))
    left, _, right = table.rows[0].cells
    spacer(left, 13 * _MM)
    back = line(
        left,
        '{{ [sender.name|default(none), sender.address|default(none)]|rows|join("  ·  ") }}',
        size=6.5,
        color=QUIET,
    )
    ruled(spaced(back, after=8), "bottom", HAIRLINE, 4, space=4)
    repeated(left, "recipient.name|default(none)|rows", size=SIZE, bold=True)
    repeated(left, "recipient.address|default(none)|rows", size=SIZE)
    spacer(right, 12.5 * _MM)
    _fact(right, said("Date", "Дата"), "day")
    _fact(right, said("Our reference", "Наш номер"), 'reference|default("")|text')
    _fact(right, said("Your reference", "Ваш номер"), 'your_reference|default("")|text')
    row_height(table, 0, 58 * _MM)
    gap(document, 1)


def _fact(cell: _Cell, title: str, value: str) -> None:
    logic(cell, f'if ({value}) != ""')
    caption(cell, title)
    spaced(line(cell, f"{{{{ {value} }}}}", size=9), after=9)
    logic(cell, "endif")


def _text(document: Document) -> None:
    logic(document, 'if subject|default("", true)')
    spaced(line(document, "{{ subject|text }}", size=11.5, bold=True), after=16)
    logic(document, "endif")
    for values in ("salutation|default(none)|rows", "paras|default(none)|paragraphs"):
        paragraph = spaced(repeated(document, values), after=8)
        paragraph.paragraph_format.line_spacing = 1.25


def _ending(document: Document) -> None:
    gap(document, 6)
    together(repeated(document, "closing|default(none)|rows"))
    logic(document, "if signed")
    table = flush(grid(document, (82.5, 82.5), rows=3))
    tag_row(table, 0, "for pair in signed|batch(2)")
    for index, cell in enumerate(table.rows[1].cells):
        spacer(cell, 15 * _MM)
        together(cell.paragraphs[0])
        logic(cell, f"if pair|length > {index}")
        for paragraph in signer(cell, f"pair[{index}]", SIZE):
            paragraph.alignment = SIDES["left"]
        logic(cell, "endif")
    tag_row(table, 2, "endfor")
    row_height(table, 1, 24 * _MM)
    logic(document, "endif")


def _listed(document: Document, title: str, key: str) -> None:
    logic(document, f"set listed = {key}|default(none)|rows", "if listed")
    together(spaced(caption(document, title), before=20, after=1))
    repeated(document, "listed", size=9)
    logic(document, "endif")
