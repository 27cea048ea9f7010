"""A price list over pages: a head that repeats, a column for each price level, group rows that span, coloured cells."""

from docx.document import Document
from docx.oxml import parse_xml
from docx.oxml.ns import nsdecls
from docx.oxml.table import CT_Row

from examples.docx_sources.items import rows_of
from examples.docx_sources.paper import footline, headline, paper, para
from generator_service.templates.docx_sources.look import (
    cell_text,
    finish_cell,
    grid,
    row_height,
    rule,
    shade,
    together,
)

ACCENT, WHITE = "7A3B0C", "FFFFFF"
#: In mm; the middle three are `{%tc for level in levels %}`, a column, `{%tc endfor %}`: one column for each level.
WIDTHS = (25, 76, 17, 17, 17, 18)
GROUP = "{% colspan 3 + levels|length %}{% cellbg 'F6EBDD' %}"
#: A cell has one colour, which may be an expression.
STOCK = (
    "{% cellbg 'DDF0E0' if item.stock == 'yes' else 'FFF3C4' if item.stock == 'low' else 'F7D9D5' %}"
    "{{ 'in stock' if item.stock == 'yes' else 'few left' if item.stock == 'low' else 'to order' }}"
)


def build_prices() -> Document:
    document = paper(9, ACCENT, (20, 20, 24, 20))
    section = document.sections[0]
    headline(section, "{{ company }} · {{ title }}")
    footer = "Prices in {{ currency }} per 100 pieces, without VAT, from {{ date|date }}"
    footline(section.footer.paragraphs[0], footer)
    para(document, "{{ title }}", size=22, bold=True, color=ACCENT)
    para(document, "Valid from {{ date|date }}. {{ intro }}", before=2, after=10)
    _table(document)
    return document


def _table(document: Document) -> None:
    table = grid(document, WIDTHS, rows=3)
    rule(table)
    head, group, row = table.rows
    titles = ("Article", "Name", "{%tc for level in levels %}", "{{ level.name }}", "{%tc endfor %}", "Stock")
    texts = (
        "{{ item.article }}",
        "{{ item.name }}",
        "{%tc for level in levels %}",
        "{{ item.prices[level.key]|price(currency) }}",
        "{%tc endfor %}",
        STOCK,
    )
    for number, (title, text) in enumerate(zip(titles, texts, strict=True)):
        above, below = head.cells[number], row.cells[number]
        tag = title.startswith("{%tc")
        side = "right" if number == 3 else "left"
        cell_text(above, title, side, size=8.5, bold=True, color=None if tag else WHITE)
        if not tag:
            shade(above, ACCENT)
        cell_text(below, text, side, size=8)
        finish_cell(above)
        finish_cell(below)
    together(
        cell_text(group.cells[0], f"{GROUP}{{{{ group.name }}}} · {{{{ group.standard }}}}", bold=True, color=ACCENT)
    )
    finish_cell(group.cells[0])
    for cell in group.cells[1:]:
        group._tr.remove(cell._tc)
    for index in (0, 1, 2):
        row_height(table, index, 18, header=index == 0)
    rows_of(table, "item in group['items']")
    _around(table.rows[1]._tr, table.rows[-1]._tr)


def _around(first: CT_Row, last: CT_Row) -> None:
    """Loop over the groups, too: tag rows before the group's own row and after the end of its items."""
    for text, add in (("{%tr for group in groups %}", first.addprevious), ("{%tr endfor %}", last.addnext)):
        cell = f"<w:tc><w:tcPr/><w:p><w:r><w:t>{text}</w:t></w:r></w:p></w:tc>"
        add(parse_xml(f"<w:tr {nsdecls('w')}>{cell}</w:tr>"))
