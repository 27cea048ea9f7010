"""The certificate as a DOCX template: the same data and the same ornament as certificate/certificate.typ."""

from docx.document import Document
from docx.enum.table import WD_TABLE_ALIGNMENT
from docx.oxml.ns import qn
from docx.shared import Mm, Pt
from docx.table import Table, _Cell
from docx.text.paragraph import Paragraph

from .look import (
    ACCENT,
    INK,
    QUIET,
    RUSSIAN,
    SIDES,
    cell_width,
    finish_cell,
    flush,
    gap,
    grid,
    line,
    logic,
    new_document,
    row_height,
    said,
    together,
)
from .paper import across, caption, margins, ruled, signer, spaced, spacer, tracked
from .shapes import GOLD, frames, seal

ROOM_MM, SEAL_MM = 217, 42
_MM = 72 / 25.4
#: In twentieths of a point, as cells want their width: a signature's room, and a fact's.
_SIDE = "{{ [4252, (9921 / [signed|length, 1]|max)|int]|min }}"
_FACT = str(round(62 * _MM * 20))
#: In half points: as large as one line allows, within limits.
_NAME_SIZE = "{{ [[(1230 / (name|length * 0.62 + 1))|int, 76]|min, 34]|max }}"


def build_certificate() -> Document:
    """Make the certificate template."""
    document = new_document()
    across(document)
    margins(document, 40, 40, 27, 22)
    document.sections[0].header_distance = Mm(8)
    document._body.clear_content()
    frames(document.sections[0].header.paragraphs[0])
    logic(
        document,
        f"set ru = {RUSSIAN}",
        'set name = recipient|default("", true)|text',
        "set signed = signatures|default(none)|list_at('signatures')",
        "set half = (signed|length + 1) // 2",
        "set sealed = seal is not defined or seal == none or seal != false",
        'set day = [place|default("")|text, date|default("")|date]|select|join(", ")',
        'set code = number|default("")|text',
        'set until = valid_until|default("", true)|date',
    )
    _what(document)
    _whom(document)
    _signatures(document)
    _facts(document)
    return document


def _centred(document: Document, text: str, before: float, **look: object) -> Paragraph:
    paragraph = spaced(line(document, text, **look), before=before)
    paragraph.alignment = SIDES["center"]
    return paragraph


def _if_given(document: Document, key: str, before: float, **look: object) -> Paragraph:
    logic(document, f'if {key}|default("", true)')
    paragraph = _centred(document, f"{{{{ {key}|text }}}}", before, **look)
    logic(document, "endif")
    return paragraph


def _what(document: Document) -> None:
    tracked(_if_given(document, "issuer", 0, size=9.5, color=QUIET, bold=True, caps=True), 0.6)
    gap(document, 26)
    title = '{{ title|default("Сертификат" if ru else "Certificate", true)|text }}'
    tracked(_centred(document, title, 0, size=36, color=ACCENT, bold=True, caps=True), 2.2)
    tracked(_if_given(document, "subtitle", 6, size=11, color=GOLD, bold=True, caps=True), 0.7)


def _whom(document: Document) -> None:
    intro = "Настоящим подтверждается, что", "This is to certify that"
    text = f'{{{{ intro|default("{intro[0]}" if ru else "{intro[1]}", true)|text }}}}'
    _centred(document, text, 18, size=11, color=QUIET)
    name = _centred(document, "{{ name }}", 8, size=38, bold=True)
    name.runs[0]._r.rPr.find(qn("w:sz")).set(qn("w:val"), _NAME_SIZE)
    name.paragraph_format.line_spacing = 1
    rule = document.add_paragraph()
    form = rule.paragraph_format
    form.line_spacing, form.left_indent, form.right_indent = Pt(8), Mm(48), Mm(48)
    ruled(rule, "bottom", GOLD, 7)
    logic(document, "for body in text|default(none)|paragraphs")
    _centred(document, "{{ body }}", 10, size=11)
    logic(document, "endfor")
    _if_given(document, "award", 8, size=17, color=ACCENT, bold=True)
    _if_given(document, "details", 8, size=9.5, color=QUIET)
    gap(document, 38)


def _signatures(document: Document) -> None:
    """Write who signs on both sides of the seal."""
    table = _central(document, 7)
    cells = table.rows[0].cells
    for opening, cell, closing, those in ((*cells[:3], "signed[:half]"), (*cells[4:], "signed[half:]")):
        opening.paragraphs[0].text, closing.paragraphs[0].text = f"{{%tc for who in {those} %}}", "{%tc endfor %}"
        _signature(cell)
    middle = cells[3]
    spacer(middle, 1)
    logic(middle, "if sealed")
    drawn = middle.add_paragraph()
    drawn.alignment = SIDES["center"]
    seal(drawn)
    logic(middle, "endif")
    cell_width(middle, str(round(SEAL_MM * _MM * 20)))
    finish_cell(middle, "top")
    row_height(table, 0, 31 * _MM)
    gap(document, 14)


def _signature(cell: _Cell) -> None:
    spacer(cell, 15 * _MM)
    above = line(cell)
    above.paragraph_format.line_spacing = Pt(4)
    ruled(above, "top", INK, 5)
    for paragraph in (above, *signer(cell, "who", 9.5)):
        paragraph.alignment = SIDES["center"]
        paragraph.paragraph_format.left_indent = paragraph.paragraph_format.right_indent = Mm(3)
    cell_width(cell, _SIDE)
    finish_cell(cell, "top")


def _facts(document: Document) -> None:
    logic(document, "if code or day or until")
    table = _central(document, 9)
    facts = (
        (said("Certificate No.", "Номер"), "code"),
        (said("Date of issue", "Дата выдачи"), "day"),
        (said("Valid until", "Действителен до"), "until"),
    )
    for index, (title, value) in enumerate(facts):
        opening, cell, closing = table.rows[0].cells[3 * index : 3 * index + 3]
        opening.paragraphs[0].text, closing.paragraphs[0].text = f"{{%tc if {value} %}}", "{%tc endif %}"
        spacer(cell, 1)
        for paragraph in (together(caption(cell, title)), line(cell, f"{{{{ {value} }}}}", size=9)):
            paragraph.alignment = SIDES["center"]
        cell_width(cell, _FACT)
        finish_cell(cell, "top")
    row_height(table, 0, 10 * _MM)
    logic(document, "endif")
    gap(document, 1)


def _central(document: Document, columns: int) -> Table:
    table = flush(grid(document, (ROOM_MM / columns,) * columns))
    table.alignment = WD_TABLE_ALIGNMENT.CENTER
    return table
