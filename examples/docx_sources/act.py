"""An act of acceptance in Russian, in Word; act.typ beside it makes the PDF from the same data."""

from docx.document import Document

from examples.docx_sources.paper import airy, numbered_pages, paper, para, rows_of
from generator_service.templates.docx_sources.look import (
    BAND,
    QUIET,
    border,
    cell_text,
    finish_cell,
    flush,
    gap,
    grid,
    logic,
    row_height,
    rule,
    shade,
    together,
    write,
)
from generator_service.templates.docx_sources.paper import ruled

ACCENT, WHITE = "1F4E79", "FFFFFF"
COLUMNS = (
    (9, "№", "{{ loop.index }}", "center"),
    (70, "Наименование работ, услуг", "{{ item.name }}", "left"),
    (17, "Кол-во", "{{ item.qty|number }}", "right"),
    (20, "Ед.", "{{ item.unit }}", "left"),
    (25, "Цена, ₽", "{{ item.price|price('RUB') }}", "right"),
    (29, "Сумма, ₽", "{{ item.qty|times(item.price)|cents('RUB')|amount('RUB') }}", "right"),
)
SUMS = (
    "set sums = namespace(net=0)",
    "for item in items",
    "set sums.net = sums.net|plus(item.qty|times(item.price)|cents('RUB'))",
    "endfor",
    "set vat = vat_rate|percent_of(sums.net)|cents('RUB')",
    "set total = sums.net|plus(vat)",
)
DONE = (
    "Вышеперечисленные работы (услуги) выполнены полностью и в срок. Заказчик претензий по объёму, качеству и срокам "
    "оказания услуг не имеет."
)


def build_act() -> Document:
    document = paper(9.5, ACCENT)
    logic(document, *SUMS)
    para(document, "Акт № {{ number }} от {{ date|date }}", bold=True, size=15)
    title = para(document, "сдачи-приёмки выполненных работ (оказанных услуг)", size=11, after=8)
    ruled(title, "bottom", ACCENT, 12, 6)
    _parties(document)
    _items(document)
    _totals(document)
    para(document, "Всего оказано услуг: {{ items|length }}, на сумму {{ total|money('RUB') }}", before=10)
    para(document, "{{ total_in_words }}", bold=True, after=6)
    para(document, DONE, after=12)
    _signatures(document)
    footer = document.sections[0].footer.paragraphs[0]
    write(footer, "Акт № {{ number }} от {{ date|date }}", size=7.5, color=QUIET)
    numbered_pages(footer, ("стр.", "из"), 170)
    return document


def _parties(document: Document) -> None:
    table = flush(grid(document, (30, 140), rows=3))
    for row, (title, who) in zip(table.rows, (("Исполнитель:", "contractor"), ("Заказчик:", "customer")), strict=False):
        cell_text(row.cells[0], title, color=QUIET)
        paragraph = cell_text(row.cells[1], f"{{{{ {who}.name }}}}", bold=True)
        write(paragraph, f", ИНН {{{{ {who}.inn }}}}{{% if {who}.kpp %}}, КПП {{{{ {who}.kpp }}}}{{% endif %}}")
        para(row.cells[1], f"{{{{ {who}.address }}}}", after=4)
    cell_text(table.rows[2].cells[0], "Основание:", color=QUIET)
    cell_text(table.rows[2].cells[1], "{{ basis }}")
    gap(document, 14)


def _items(document: Document) -> None:
    table = grid(document, [width for width, *_ in COLUMNS], rows=2)
    rule(table)
    for cell, below, (_, title, text, side) in zip(*(row.cells for row in table.rows), COLUMNS, strict=True):
        cell_text(cell, title, side, size=8.5, bold=True)
        border(cell, "bottom", ACCENT, 8)
        shade(cell, BAND)
        finish_cell(cell)
        airy(cell_text(below, text, side, size=9))
        finish_cell(below)
    row_height(table, 0, 20, header=True)
    row_height(table, 1, 20)
    rows_of(table, "item in items")


def _totals(document: Document) -> None:
    gap(document, 8)
    rows = (
        ("Итого", "{{ sums.net|amount('RUB') }}"),
        ("НДС {{ vat_rate }} %", "{{ vat|amount('RUB') }}"),
        ("Всего", "{{ total|money('RUB') }}"),
    )
    table = grid(document, (86, 40, 44), rows=len(rows))
    for index, (row, (title, text)) in enumerate(zip(table.rows, rows, strict=True)):
        last = index == len(rows) - 1
        look = {"size": 11, "bold": True, "color": WHITE} if last else {}
        for cell, words, side in ((row.cells[1], title, "left"), (row.cells[2], text, "right")):
            together(cell_text(cell, words, side, **look))
            if last:
                shade(cell, ACCENT)
            finish_cell(cell)
        row_height(table, index, 19)


def _signatures(document: Document) -> None:
    cells = flush(grid(document, (77, 16, 77))).rows[0].cells
    for cell, who, title in ((cells[0], "contractor", "Исполнитель"), (cells[2], "customer", "Заказчик")):
        cell_text(cell, title, bold=True)
        together(para(cell, f"{{{{ {who}.position }}}}", before=4, size=9))
        together(para(cell, f"{{{{ {who}.name }}}}", size=9))
        together(para(cell, f"_____________________ {{{{ {who}.signatory }}}}", before=20))
        para(cell, "М. П.", size=8, color=QUIET)
    row_height(document.tables[-1], 0, 90)
