"""An act of acceptance in Russian, in Word; act.typ beside it makes the PDF from the same data."""

from docx.document import Document

from examples.docx_sources.items import added_up, airy, listing, rows_of
from examples.docx_sources.paper import footline, paper, para
from generator_service.templates.docx_sources.look import (
    QUIET,
    cell_text,
    finish_cell,
    flush,
    gap,
    grid,
    logic,
    row_height,
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
DONE = (
    "Вышеперечисленные работы (услуги) выполнены полностью и в срок. Заказчик претензий по объёму, качеству и срокам "
    "оказания услуг не имеет."
)


def build_act() -> Document:
    document = paper(9.5, ACCENT)
    logic(document, *added_up("'RUB'"))
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
    footline(document.sections[0].footer.paragraphs[0], "Акт № {{ number }} от {{ date|date }}", ("стр.", "из"))
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
    table = listing(document, COLUMNS, ACCENT, sizes=(8.5, 9), heights=(20, 20))
    airy(table.rows[1])
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
