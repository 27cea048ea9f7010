"""An invoice: a logo in its frame, a row for each item, sums that the template adds up, a code for banking apps."""

from pathlib import Path

from docx.document import Document
from docx.table import Table

from examples.docx_sources.paper import numbered_pages, paper, para, placeholder, rows_of
from generator_service.templates.docx_sources.look import (
    BAND,
    QUIET,
    SIDES,
    border,
    cell_text,
    finish_cell,
    flush,
    gap,
    grid,
    label,
    line,
    logic,
    row_height,
    rule,
    shade,
    write,
)

LOGO = Path(__file__).resolve().parents[1] / "word-invoice" / "logo.png"
ACCENT, WHITE = "0B6E4F", "FFFFFF"
#: By column: width in mm, title, text, side.
COLUMNS = (
    (78, "Description", "{{ item.name }}", "left"),
    (18, "Qty", "{{ item.qty|number }}", "right"),
    (14, "Unit", "{{ item.unit|default('') }}", "left"),
    (28, "Price", "{{ item.price|price(currency) }}", "right"),
    (32, "Amount", "{{ item.qty|times(item.price)|cents(currency)|amount(currency) }}", "right"),
)
#: The arithmetic is exact; rounding each line first lets the printed lines add up to the printed sum.
SUMS = (
    "set sums = namespace(net=0)",
    "for item in items",
    "set sums.net = sums.net|plus(item.qty|times(item.price)|cents(currency))",
    "endfor",
    "set vat = vat_rate|percent_of(sums.net)|cents(currency)",
    "set total = sums.net|plus(vat)",
)
PAYMENT = (
    "['BCD', '002', '1', 'SCT', seller.bic, seller.name, seller.iban|replace(' ', ''), 'EUR' ~ total, '', '', number]"
)


def build_invoice() -> Document:
    document = paper(accent=ACCENT)
    logic(document, *SUMS)
    _head(document)
    _items(document)
    _totals(document)
    _payment(document)
    footer = document.sections[0].footer.paragraphs[0]
    write(footer, "{{ seller.name }} · VAT {{ seller.vat }}", size=7.5, color=QUIET)
    numbered_pages(footer, ("Page", "of"), 170)
    return document


def _head(document: Document) -> None:
    left, right = flush(grid(document, (95, 75))).rows[0].cells
    placeholder(left.paragraphs[0].add_run(), LOGO.read_bytes(), "Logo", "{{ logo }}", 15)
    cell_text(right, "{{ seller.name }}", "right", bold=True)
    for text in ("{{ seller.address }}", "{{ seller.email }}"):
        para(right, text, size=8.5, color=QUIET).alignment = SIDES["right"]
    gap(document, 18)
    line(document, "Invoice {{ number }}", size=22, bold=True, color=ACCENT)
    gap(document, 10)
    table = flush(grid(document, (62, 38, 38, 32)))
    facts = (("Invoice date", "{{ date|date }}"), ("Due date", "{{ due|date }}"), ("Your order", "{{ order }}"))
    label(table.rows[0].cells[0], "Bill to")
    para(table.rows[0].cells[0], "{{ buyer.name }}", bold=True)
    para(table.rows[0].cells[0], "{{ buyer.address }}", size=9)
    for cell, (title, text) in zip(table.rows[0].cells[1:], facts, strict=True):
        label(cell, title)
        para(cell, text)
    gap(document, 14)


def _items(document: Document) -> None:
    table = grid(document, [width for width, *_ in COLUMNS], rows=2)
    rule(table)
    for cell, (_, title, text, side), below in zip(table.rows[0].cells, COLUMNS, table.rows[1].cells, strict=True):
        cell_text(cell, title, side, size=8.5, bold=True, color=WHITE)
        shade(cell, ACCENT)
        finish_cell(cell)
        cell_text(below, text, side, size=9.5)
        finish_cell(below)
    note = table.rows[1].cells[0]
    logic(note, "if item.note")
    para(note, "{{ item.note }}", size=8, color=QUIET)
    logic(note, "endif")
    row_height(table, 0, 20, header=True)
    row_height(table, 1, 22)
    rows_of(table, "item in items")


def _totals(document: Document) -> None:
    gap(document, 8)
    table = grid(document, (98, 38, 34), rows=3)
    rows = (
        ("Net", "{{ sums.net|amount(currency) }}"),
        ("VAT {{ vat_rate }} %", "{{ vat|amount(currency) }}"),
        ("Total due", "{{ total|money(currency) }}"),
    )
    for row, (title, text) in zip(table.rows, rows, strict=True):
        last = title == rows[-1][0]
        look = {"size": 12, "bold": True, "color": ACCENT} if last else {"size": 9.5}
        for cell, words, side in ((row.cells[1], title, "left"), (row.cells[2], text, "right")):
            cell_text(cell, words, side, **look).paragraph_format.keep_with_next = True
            if last:
                border(cell, "top", ACCENT, 12)
            finish_cell(cell)
    _heights(table, 19)


def _heights(table: Table, points: float) -> None:
    for index in range(len(table.rows)):
        row_height(table, index, points)


def _payment(document: Document) -> None:
    gap(document, 16)
    left, right = grid(document, (132, 38)).rows[0].cells
    for cell in (left, right):
        shade(cell, BAND)
        finish_cell(cell)
    label(left, "Payment")
    para(left, "Please transfer {{ total|money(currency) }} until {{ due|date }}, reference {{ number }}.", after=4)
    para(left, "IBAN  {{ seller.iban|iban }}     BIC  {{ seller.bic }}", bold=True, after=4)
    para(left, "Or scan the code with your banking app: it fills in everything.", size=8.5, color=QUIET)
    right.paragraphs[0].alignment = SIDES["center"]
    write(right.paragraphs[0], f"{{{{ {PAYMENT}|join('\\n')|qr(size='32mm', alt='Payment code') }}}}")
    row_height(document.tables[-1], 0, 96)
    para(document, "{{ note }}", before=12, size=9)
