"""An invoice: a logo in its frame, a row for each item, sums that the template adds up, a code for banking apps."""

from pathlib import Path

from docx.document import Document
from docx.table import Table

from examples.docx_sources.items import added_up, listing, rows_of
from examples.docx_sources.paper import footline, paper, para, placeholder
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
    shade,
    write,
)

LOGO = Path(__file__).resolve().parents[1] / "word-invoice" / "logo.png"
ACCENT = "0B6E4F"
#: By column: width in mm, title, text, side.
COLUMNS = (
    (78, "Description", "{{ item.name }}", "left"),
    (18, "Qty", "{{ item.qty|number }}", "right"),
    (14, "Unit", "{{ item.unit|default('') }}", "left"),
    (28, "Price", "{{ item.price|price(currency) }}", "right"),
    (32, "Amount", "{{ item.qty|times(item.price)|cents(currency)|amount(currency) }}", "right"),
)
PAYMENT = (
    "['BCD', '002', '1', 'SCT', seller.bic, seller.name, seller.iban|replace(' ', ''), 'EUR' ~ total, '', '', number]"
)


def build_invoice() -> Document:
    document = paper(accent=ACCENT)
    logic(document, *added_up("currency"))
    _head(document)
    _items(document)
    _totals(document)
    _payment(document)
    footline(document.sections[0].footer.paragraphs[0], "{{ seller.name }} · VAT {{ seller.vat }}")
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
    table = listing(document, COLUMNS, ACCENT, sizes=(8.5, 9.5), heights=(20, 22), filled=True)
    note = table.rows[1].cells[0]
    logic(note, "if item.note")
    para(note, "{{ item.note }}", size=8, color=QUIET)
    logic(note, "endif")
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
