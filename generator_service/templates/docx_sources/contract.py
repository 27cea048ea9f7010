"""The contract as a DOCX template: the same data and the same numbers as contract/contract.typ."""

from docx.document import Document
from docx.shared import Mm, Pt
from docx.table import Table, _Cell
from docx.text.paragraph import Paragraph

from .look import (
    ACCENT,
    INK,
    QUIET,
    RUSSIAN,
    WHITE,
    cell_text,
    finish_cell,
    flush,
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
from .paper import caption, hanging, margins, page_numbers, repeated, ruled, signer, spaced, spacer

WIDTH, SIDE, GAP = 166, 78, 10
_MM = 72 / 25.4
#: A party's details: keys and captions.
DETAILS = {
    "address": said("Address", "Адрес"),
    "registration": said("Registration No.", "ОГРН"),
    "vat": said("VAT", "ИНН"),
    "kpp": said("KPP", "КПП"),
    "bank": said("Bank", "Банк"),
    "account": said("Account", "Р/с"),
    "correspondent": said("Corr. account", "К/с"),
    "bic": said("BIC", "БИК"),
    "iban": "IBAN",
    "email": said("Email", "Эл. почта"),
    "phone": said("Phone", "Тел."),
}
#: Where clauses begin and how far their numbers stand before them, by level, in twentieths of a point.
_LEFT = "{{ [680, 1587, 2721][c.level] }}"
_NUMBER = "{{ [680, 907, 1134][c.level] }}"
#: Also where no statement before it has set `ru`: in the footer.
_PARTY = f'("Сторона" if {RUSSIAN} else "Party") ~ " "'
_TITLED = (
    f'{{{{ title|default("")|text }}}}{{% if number|default("", true) %}} {{{{ "№" if {RUSSIAN} else "No." }}}}'
    "\u00a0{{ number|text }}{% endif %}"
)


def build_contract() -> Document:
    """Make the contract template."""
    document = new_document()
    document.styles["Normal"].font.size = Pt(9.5)
    document.styles["Heading 1"].font.size = Pt(11.5)
    margins(document, 22, 22, 22, 28)
    document._body.clear_content()
    _foot(document)
    logic(
        document,
        f"set ru = {RUSSIAN}",
        "set all = parties|default(none)|list_at('parties')",
        'set code = currency|default("", true)',
    )
    _front(document)
    _sections(document)
    _annexes(document)
    _details(document)
    _signatures(document)
    return document


def _foot(document: Document) -> None:
    """Write the contract's name and page numbers, below lines for initials if they are asked for."""
    document.sections[0].footer_distance = Mm(10)
    holder = document.sections[0].footer
    logic(holder, "if initials|default(false) == true")
    initials = holder.add_paragraph(
        f"{{% for p in (parties|default([], true))[:4] %}}{{{{ p.role|default({_PARTY} ~ loop.index, true)|text }}}} "
        "______________      {% endfor %}"
    )
    initials.alignment = 2
    for run in initials.runs:
        run.font.size = Pt(7.5)
    spaced(initials, after=5)
    logic(holder, "endif")
    table = flush(grid(holder, (136, 30)))
    left, right = table.rows[0].cells
    cell_text(left, _TITLED, size=7.5, color=QUIET)
    page_numbers(cell_text(right, "", "right"))
    last = holder.paragraphs[0]
    last.paragraph_format.line_spacing = Pt(1)
    table._tbl.getparent().append(last._p)


def _front(document: Document) -> None:
    line(document, '{{ title|default("")|text }}', size=22, bold=True)
    logic(document, 'if number|default("", true)')
    line(document, said("No.", "№") + "\u00a0{{ number|text }}", size=11, color=QUIET)
    logic(document, "endif")
    edge = document.add_paragraph()
    edge.paragraph_format.line_spacing = Pt(6)
    spaced(ruled(edge, "bottom", ACCENT, 10), after=8)
    table = flush(grid(document, (SIDE + GAP / 2, SIDE + GAP / 2)))
    left, right = table.rows[0].cells
    cell_text(left, '{{ place|default("")|text }}')
    cell_text(right, '{{ date|default("")|date }}', "right")
    gap(document, 10)
    _pairs(document, _party)
    gap(document, 8)
    spaced(repeated(document, "preamble|default(none)|paragraphs"), after=5)


def _pairs(document: Document, write_cell: object, height: float = 0) -> Table:
    """Write the parties two by two; the table of a document without parties is left out."""
    logic(document, "if all")
    table = flush(grid(document, (SIDE, GAP, SIDE), rows=3))
    tag_row(table, 0, "for pair in all|batch(2)")
    tag_row(table, 2, "endfor")
    logic_row = table.rows[1].cells
    for index, cell in ((0, logic_row[0]), (1, logic_row[2])):
        spacer(cell, 8)
        together(cell.paragraphs[0])
        logic(cell, f"if pair|length > {index}")
        write_cell(cell, f"pair[{index}]", f"loop.index0 * 2 + {index + 1}")  # type: ignore[operator]
        logic(cell, "endif")
        finish_cell(cell, "top")
    if height:
        row_height(table, 1, height)
    logic(document, "endif")
    return table


def _role(cell: _Cell, who: str, number: str) -> Paragraph:
    return together(caption(cell, f"{{{{ {who}.role|default({_PARTY} ~ ({number}), true)|text }}}}"))


def _party(cell: _Cell, who: str, number: str) -> None:
    _role(cell, who, number)
    repeated(cell, f"{who}.name|default(none)|rows", size=11, bold=True)
    logic(cell, f"if {who}.represented_by")
    by = said("represented by", "в лице")
    spaced(line(cell, f"{by} {{{{ {who}.represented_by|text }}}}", size=9, color=QUIET), after=8)
    logic(cell, "endif")


def _heading(document: Document, mark: str, text: str) -> None:
    heading = document.add_paragraph(f"{mark}\t{text}" if mark else text, style="Heading 1")
    spaced(heading, before=16, after=5)
    if mark:
        hanging(heading, "680", "680")


def _sections(document: Document) -> None:
    logic(document, "for s in sections|default(none)|clauses")
    logic(document, "set number_of = loop.index0")
    _heading(document, "{{ s.mark }}", "{{ s.title }}")
    spaced(repeated(document, "s.paras|paragraphs"), after=4)
    logic(document, "if s.terms")
    _definitions(document)
    logic(document, "endif", "for c in s.clauses")
    clause = spaced(hanging(document.add_paragraph("{{ c.mark }}\t"), _LEFT, _NUMBER), after=4)
    write(clause, "{% if c.title %}{{ c.title }} {% endif %}", bold=True)
    write(clause, "{{ c.text }}")
    logic(document, "endfor", "if s.price != none")
    _price(document)
    logic(document, "endif", "endfor")


def _definitions(document: Document) -> None:
    table = flush(grid(document, (44, WIDTH - 44), rows=3))
    rule(table)
    tag_row(table, 0, "for t in s.terms")
    for cell, value, bold in zip(table.rows[1].cells, ("term", "meaning"), (True, False), strict=True):
        spaced(cell_text(cell, f"{{{{ t.{value} }}}}", bold=bold), before=3, after=3)
    tag_row(table, 2, "endfor")
    gap(document, 4)


def _price(document: Document) -> None:
    """Write what is paid; the last sum stands out."""
    logic(document, "set p = s.price|priced(code, 'sections[' ~ number_of ~ '].price')")
    logic(document, 'if p.rows or p.vat != "" or p.total != ""')
    gap(document, 4)
    table = grid(document, (WIDTH - 50, 50), rows=12)
    rule(table)
    total = '{{ (("Всего с НДС" if ru else "Total with VAT") if p.vat != "" else ("Итого" if ru else "Total")) }}'
    rate = "{{ ' (' ~ p.rate ~ ')' if p.rate != '' else '' }}"
    rows = (
        ("for i in p.rows", ""),
        ("{{ i.name }}", "{{ i.amount }}"),
        ("endfor", ""),
        ('if p.vat != "" and p.subtotal != ""', ""),
        (said("Subtotal", "Итого без НДС"), "{{ p.subtotal }}"),
        ("endif", ""),
        ('if p.vat != ""', ""),
        (said("VAT", "НДС") + rate, "{{ p.vat }}"),
        ("endif", ""),
        ('if p.total != ""', ""),
        (total, "{{ p.total }}"),
        ("endif", ""),
    )
    for index, (title, value) in enumerate(rows):
        if value:
            _price_row(table, index, title, value)
        else:
            tag_row(table, index, title)
    gap(document, 4)
    logic(document, "endif")


def _price_row(table: Table, index: int, title: str, value: str) -> None:
    cells, strong = table.rows[index].cells, index == 10
    color = WHITE if strong else INK if index == 1 else QUIET
    for cell, text, side in zip(cells, (title, value), ("left", "right"), strict=True):
        paragraph = cell_text(cell, text, side, color=color, bold=strong)
        if not strong:
            together(paragraph)
        if strong:
            shade(cell, ACCENT)
        finish_cell(cell)
    row_height(table, index, 19)


def _annexes(document: Document) -> None:
    logic(document, "set listed = annexes|default(none)|rows", "if listed")
    _heading(document, "", said("Annexes", "Приложения"))
    logic(document, "for row in listed")
    spaced(line(document, said("Annex", "Приложение №") + "\u00a0{{ loop.index }}. {{ row }}"), after=4)
    logic(document, "endfor", "endif")


def _details(document: Document) -> None:
    logic(document, "if all")
    _heading(document, "", said("Details and signatures of the parties", "Реквизиты и подписи сторон"))
    logic(document, "endif")
    _pairs(document, _party_details)
    gap(document, 10)


def _party_details(cell: _Cell, who: str, _: str) -> None:
    repeated(cell, f"{who}.name|default(none)|rows", bold=True)
    for key, name in DETAILS.items():
        logic(cell, f'set texts = {who}.{key}|default(none)|rows|join("\\n")', "if texts")
        paragraph = hanging(spaced(line(cell, f"{name}\t", size=9, color=QUIET), before=3), "1700", "1700")
        write(paragraph, "{{ texts }}", size=9)
        logic(cell, "endif")


def _signatures(document: Document) -> None:
    table = _pairs(document, _signature, 34 * _MM)
    for cell in table.rows[1].cells:
        for paragraph in cell.paragraphs:
            if "{%" not in paragraph.text:
                together(paragraph)
    gap(document, 1)


def _signature(cell: _Cell, who: str, number: str) -> None:
    _role(cell, who, number)
    above = spaced(line(cell), before=13 * _MM)
    above.paragraph_format.line_spacing = Pt(4)
    ruled(above, "top", INK, 5)
    logic(cell, f"set who = {{'name': {who}.signatory|default(none), 'role': {who}.signatory_role|default(none)}}")
    signer(cell, "who", 9.5)
    dated = said("Date: ____________________", "Дата: ____________________") + "\t" + said("Seal", "М. П.")
    paragraph = spaced(line(cell, dated, size=8.5, color=QUIET), before=6)
    paragraph.paragraph_format.tab_stops.add_tab_stop(Mm(SIDE - 12))
