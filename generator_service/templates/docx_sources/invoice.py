"""The invoice as a DOCX template: the same data and the same arithmetic as invoice/invoice.typ."""

from docx.document import Document
from docx.table import _Cell

from .look import (
    ACCENT,
    BAND,
    QUIET,
    WHITE,
    border,
    cell_text,
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
    write,
)

WIDTHS = (9, 79, 18, 14, 25, 29)
SUM_WIDTHS = (90, 38, 46)


def given(name: str) -> str:
    """Begin an expression: the value if the data has it, otherwise what follows."""
    return f"{name} if {name} is defined and {name} is not none else"


AMOUNTS = (
    'set ru = locale[:2]|lower == "ru"',
    "set seller = seller|default({}, true)",
    "set buyer = buyer|default({}, true)",
    'set code = currency|default("", true)',
    "set amounts = items|default([], true)|line_totals(code)",
    f"set sub = {given('subtotal')} amounts|sum_of",
    f"set rate = {given('vat_rate')} ''",
    f"set tax = {given('vat')} rate|percent_of(sub)|cents(code)",
    f"set sum_due = {given('total')} (sub|plus(tax) if tax != '' else sub)",
    "set rate_text = '' if rate == '' else ' (' ~ (rate|replace('%', '')|number) ~ '%)'",
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
    footer(document, '{{ (seller|default({}, true)).name|default("") }}  ·  {{ number }}')
    return document


def _heading(document: Document) -> None:
    table = flush(grid(document, (100, 74)))
    left, right = table.rows[0].cells
    cell_text(left, '{{ seller.name|default("") }}', size=13, color=ACCENT, bold=True)
    cell_text(right, said("Invoice", "Счёт"), "right", size=24, bold=True)
    for cell in (left, right):
        border(cell, "bottom", ACCENT, 10)
        finish_cell(cell)
    gap(document, 14)


def _facts(document: Document) -> None:
    table = flush(grid(document, (58, 58, 58)))
    facts = (
        (said("Invoice number", "Номер счёта"), "{{ number }}"),
        (said("Date of issue", "Дата"), "{{ date|date }}"),
        ('{{ ("Оплатить до" if ru else "Due date") if due is defined else "" }}', '{{ due|default("", true)|date }}'),
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
    line(cell, f'{{{{ {who}.name|default("") }}}}', size=10.5, bold=True).paragraph_format.space_before = 25_400
    for key, prefix in (("address", ""), ("vat", said("VAT", "ИНН") + " "), ("email", ""), ("phone", "")):
        logic(cell, f"if {who}.{key}")
        line(cell, f"{prefix}{{{{ {who}.{key} }}}}")
        logic(cell, "endif")


def _items(document: Document) -> None:
    table = grid(document, WIDTHS, rows=4)
    rule(table)
    titles = (
        ("#", "right"),
        (said("Description", "Наименование"), "left"),
        (said("Qty", "Кол-во"), "right"),
        (said("Unit", "Ед."), "left"),
        (said("Price", "Цена"), "right"),
        (said("Amount", "Сумма"), "right"),
    )
    for cell, (title, side) in zip(table.rows[0].cells, titles, strict=True):
        cell_text(cell, title, side, size=8, bold=True)
        border(cell, "bottom", ACCENT, 7)
        shade(cell, BAND)
        finish_cell(cell)
    row_height(table, 0, 22, header=True)
    tag_row(table, 1, "for i in items|default([], true)")
    values = (
        ("{{ i.n|default(loop.index) }}", "right", QUIET),
        ("{{ i.name }}", "left", None),
        ('{{ i.qty|default("" if i.total is defined else 1)|number }}', "right", None),
        ('{{ i.unit|default("", true) }}', "left", None),
        ('{{ i.price|default("")|price(code) }}', "right", None),
        ("{{ amounts[loop.index0]|amount(code) }}", "right", None),
    )
    for cell, (text, side, color) in zip(table.rows[2].cells, values, strict=True):
        cell_text(cell, text, side, color=color)
        finish_cell(cell)
    name = table.rows[2].cells[1]
    for key in ("description", "sku"):
        logic(name, f"if i.{key}")
        line(name, f"{{{{ i.{key} }}}}", size=8, color=QUIET)
        logic(name, "endif")
    row_height(table, 2, 20)
    tag_row(table, 3, "endfor")
    gap(document, 8)


def _sums(document: Document) -> None:
    table = grid(document, SUM_WIDTHS, rows=7)
    rows = (
        ("if tax != ''", "", ""),
        ("", said("Subtotal", "Итого без НДС"), "{{ sub|money(code) }}"),
        ("", said("VAT", "НДС") + "{{ rate_text }}", "{{ tax|money(code) }}"),
        ("endif", "", ""),
        ("if sum_due != ''", "", ""),
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
            continue
        _, left, right = table.rows[index].cells
        strong = index == 5
        color = WHITE if strong else None
        cell_text(left, title, color=color, bold=strong)
        cell_text(right, value, "right", color=color, bold=strong, size=11.5 if strong else None)
        for cell in (left, right):
            if strong:
                shade(cell, ACCENT)
            finish_cell(cell)
        row_height(table, index, 28 if strong else 18)
    gap(document, 18)


def _payment(document: Document) -> None:
    logic(document, "if seller.iban")
    paragraph = line(document, said("Payment", "Реквизиты для оплаты"), size=7, color=QUIET, bold=True, caps=True)
    paragraph.paragraph_format.keep_with_next = True
    line(document, '{{ seller.name|default("") }}').paragraph_format.keep_with_next = True
    write(line(document, "IBAN "), "{{ seller.iban|iban }}", bold=True)
    line(document, said("Reference", "Назначение") + ": {{ number }}")
    gap(document, 12)
    logic(document, "endif", "if note is defined and note")
    line(document, "{{ note }}", color=QUIET)
    logic(document, "endif")
