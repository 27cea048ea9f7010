"""The invoice as a DOCX template: the same data and the same arithmetic as invoice/invoice.typ."""

from collections.abc import Mapping

from docx.document import Document
from docx.shared import Mm
from docx.table import Table, _Cell

from .look import (
    ACCENT,
    BAND,
    QUIET,
    RUSSIAN,
    WHITE,
    WIDTH_MM,
    border,
    cell_text,
    cell_width,
    finish_cell,
    flush,
    footer,
    gap,
    grid,
    label,
    line,
    logic,
    new_document,
    row_height,
    rule,
    said,
    shade,
    tag_row,
    together,
)

SUM_WIDTHS = (84, 36, 54)


#: By column: titles, and what a line prints. `bill` is of the filter `lines`.
TITLES = {
    "n": "#",
    "name": said("Description", "Наименование"),
    "sku": said("SKU", "Артикул"),
    "qty": said("Qty", "Кол-во"),
    "unit": said("Unit", "Ед."),
    "price": said("Price", "Цена"),
    "amount": said("Amount", "Сумма"),
}
VALUES = {key: f"{{{{ i.{key} }}}}" for key in TITLES}


AMOUNTS = (
    'set ru = locale[:2]|lower == "ru"',
    "set seller = seller|default({}, true)",
    "set buyer = buyer|default({}, true)",
    'set code = currency|default("", true)',
    "set bill = items|default(none)|lines(code)",
    "set sub = subtotal|default(none)|given('subtotal', bill.totals|sum_of)",
    "set rate = vat_rate|default(none)|given('vat_rate', '')",
    "set tax = vat|default(none)|given('vat', rate|percent_of(sub)|cents(code))",
    "set sum_due = total|default(none)|given('total', sub|plus(tax) if tax != '' else sub)",
    "set rate_text = rate if '%' in rate|string else rate|number ~ '%'",
    "set iban = seller.iban|default(iban, true)|default('', true)",
)


def build_invoice() -> Document:
    """Make the invoice template."""
    document = new_document()
    document._body.clear_content()
    logic(document, *AMOUNTS)
    _heading(document)
    _facts(document)
    _parties(document)
    _items(document)
    _sums(document)
    _payment(document)
    title = f'{{{{ "Счёт" if {RUSSIAN} else "Invoice" }}}} {{{{ number|default("")|text }}}}'
    footer(document, '{{ (seller|default({}, true)).name|default("")|text }}  ·  ' + title)
    return document


def _heading(document: Document) -> None:
    table = flush(grid(document, (124, 50)))
    left, right = table.rows[0].cells
    cell_text(left, '{{ seller.name|default("")|text }}', size=13, color=ACCENT, bold=True)
    cell_text(right, said("Invoice", "Счёт"), "right", size=24, bold=True)
    for cell in (left, right):
        border(cell, "bottom", ACCENT, 10)
        finish_cell(cell)
    gap(document, 14)


def _facts(document: Document) -> None:
    table = flush(grid(document, (58, 58, 58)))
    facts = (
        (said("Invoice number", "Номер счёта"), '{{ number|default("")|text }}'),
        (said("Date of issue", "Дата"), '{{ date|default("")|date }}'),
        (
            '{{ ("Оплатить до" if ru else "Due date") if due is defined and due else "" }}',
            '{{ due|default("", true)|date }}',
        ),
    )
    for cell, (title, value) in zip(table.rows[0].cells, facts, strict=True):
        label(cell, title)
        line(cell, value, size=9.5, bold=True)
    gap(document, 18)


def _parties(document: Document) -> None:
    table = flush(grid(document, (92, 82)))
    left, right = table.rows[0].cells
    _party(left, said("From", "Поставщик"), "seller")
    _party(right, said("Bill to", "Покупатель"), "buyer")
    gap(document, 20)


def _party(cell: _Cell, title: str, who: str) -> None:
    label(cell, title)
    line(cell, f'{{{{ {who}.name|default("")|text }}}}', size=10.5, bold=True).paragraph_format.space_before = 25_400
    for key, prefix in (("address", ""), ("vat", said("VAT", "ИНН") + " "), ("email", ""), ("phone", "")):
        logic(cell, f"if {who}.{key}")
        line(cell, f"{prefix}{{{{ {who}.{key}|text }}}}")
        logic(cell, "endif")


def _items(document: Document) -> None:
    table = grid(document, (WIDTH_MM / 11,) * 11, rows=4)  # as many columns as cells and tags; the first row decides
    rule(table)
    _item_cells(table, 0, TITLES)
    row_height(table, 0, 22, header=True)
    tag_row(table, 1, "for i in bill.rows")
    _item_cells(table, 2, VALUES)
    row_height(table, 2, 20)
    tag_row(table, 3, "endfor")
    gap(document, 8)


def _item_cells(table: Table, row: int, texts: Mapping[str, str]) -> None:
    """Fill a row; the cells of `sku` and `unit` stand between tags that leave them out if no item has one."""
    cells = iter(table.rows[row].cells)
    for key, text in texts.items():
        optional = key in ("sku", "unit")
        if optional:
            next(cells).paragraphs[0].text = f"{{%tc if bill.{key} %}}"
        _item_cell(next(cells), key, text, header=row == 0)
        if optional:
            next(cells).paragraphs[0].text = "{%tc endif %}"


def _item_cell(cell: _Cell, key: str, text: str, *, header: bool) -> None:
    side = "left" if key in ("name", "sku", "unit") else "right"
    small, quiet = header or key == "sku", key in ("n", "sku") and not header
    paragraph = cell_text(cell, text, side, size=8 if small else None, color=QUIET if quiet else None, bold=header)
    cell_width(cell, f"{{{{ bill.widths.{key} }}}}" if header else None)
    if header:
        together(paragraph)
        border(cell, "bottom", ACCENT, 7)
        shade(cell, BAND)
    elif key == "name":
        logic(cell, "if i.more")
        line(cell, "{{ i.more }}", size=8, color=QUIET)
        logic(cell, "endif")
    finish_cell(cell)


def _sums(document: Document) -> None:
    table = grid(document, SUM_WIDTHS, rows=9)
    rows = (
        ("if sum_due != ''", "", ""),
        ("if tax != '' and sub != ''", "", ""),
        ("", said("Subtotal", "Итого без НДС"), "{{ sub|money(code) }}"),
        ("endif", "", ""),
        ("if tax != ''", "", ""),
        ("", said("VAT", "НДС") + "{{ ' (' ~ rate_text ~ ')' if rate != '' else '' }}", "{{ tax|money(code) }}"),
        ("endif", "", ""),
        (
            "",
            '{{ (("Всего к оплате" if ru else "Total due") if tax != "" else ("Итого" if ru else "Total")) }}',
            "{{ sum_due|money(code) }}",
        ),
        ("endif", "", ""),
    )
    for index, (tag, title, value) in enumerate(rows):
        if tag:
            tag_row(table, index, tag)
        else:
            _sum(table, index, title, value, strong=index == len(rows) - 2)
    gap(document, 18)


def _sum(table: Table, index: int, title: str, value: str, *, strong: bool) -> None:
    _, left, right = table.rows[index].cells
    color = WHITE if strong else None
    for paragraph in (
        cell_text(left, title, color=color, bold=strong),
        cell_text(right, value, "right", color=color, bold=strong, size=11.5 if strong else None),
    ):
        paragraph.paragraph_format.keep_with_next = not strong or None
    for cell in (left, right):
        if strong:
            shade(cell, ACCENT)
        finish_cell(cell)
    row_height(table, index, 28 if strong else 18)


def _payment(document: Document) -> None:
    logic(document, "if iban")
    together(line(document, said("Payment", "Реквизиты для оплаты"), size=7, color=QUIET, bold=True, caps=True))
    together(line(document, '{{ seller.name|default("")|text }}'))
    together(line(document, "IBAN\u00a0{{ iban|text|iban }}"))
    logic(document, "if seller.bank")
    together(line(document, "{{ seller.bank|text }}"))
    logic(document, "endif")
    line(document, said("Reference", "Назначение") + ': {{ number|default("")|text }}')
    gap(document, 12)
    logic(document, "endif", "if note is defined and note")
    line(document, "{{ note|text }}", color=QUIET).paragraph_format.right_indent = Mm(WIDTH_MM - 120)
    logic(document, "endif")
