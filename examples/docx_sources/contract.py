"""A contract in Russian: Word numbers its clauses; its two sections have headers, footers and paper of their own."""

from docx.document import Document
from docx.enum.section import WD_ORIENT, WD_SECTION
from docx.enum.text import WD_ALIGN_PARAGRAPH
from docx.section import Section
from docx.shared import Mm, Pt

from examples.docx_sources.items import airy, last_row, listing, rows_of
from examples.docx_sources.paper import footline, headline, numbered, numbering, paper, para
from generator_service.templates.docx_sources.look import (
    QUIET,
    SIDES,
    cell_text,
    finish_cell,
    flush,
    gap,
    grid,
    logic,
    row_height,
    style_text,
    together,
)

ACCENT = "1B2430"
PAGE = ("стр.", "из")
#: By column of the annex: width in mm, title, text, side.
COLUMNS = (
    (14, "№", "{{ loop.index }}", "center"),
    (78, "Этап", "{{ stage.name }}", "left"),
    (85, "Результат", "{{ stage.result }}", "left"),
    (42, "Срок", "{{ stage.until|date }}", "left"),
    (38, "Стоимость", "{{ stage.price|money('RUB') }}", "right"),
)


def build_contract() -> Document:
    document = paper(10.5, ACCENT, (25, 20, 24, 22))
    style_text(document, "Heading 1", 11, ACCENT, bold=True, before=14, after=5)
    style_text(document, "List Paragraph", 10.5, ACCENT, after=4)
    document.styles["Heading 1"].paragraph_format.keep_with_next = True
    numbering(document)
    document.settings.odd_and_even_pages_header_footer = False
    _frame(document.sections[0], "Договор № {{ number }} от {{ date|date }}", 165)
    _text(document)
    _signatures(document)
    _annex(document)
    return document


def _frame(section: Section, title: str, width: float) -> None:
    """Give a section a header and a footer of its own."""
    section.header.is_linked_to_previous = section.footer.is_linked_to_previous = False
    headline(section, title)
    footline(section.footer.paragraphs[0], "Исполнитель ______________    Заказчик ______________", PAGE, width)


def _text(document: Document) -> None:
    para(document, "Договор № {{ number }}", bold=True, size=16).alignment = SIDES["center"]
    para(document, "{{ subject }}", size=11, before=2, after=14).alignment = SIDES["center"]
    left, right = flush(grid(document, (82, 83))).rows[0].cells
    cell_text(left, "г. {{ place }}")
    cell_text(right, "{{ date|date }}", "right")
    gap(document, 12)
    parties = (
        "{{ contractor.name }}, в лице {{ contractor.represented_by }}, именуемое в дальнейшем «Исполнитель», "
        "с одной стороны, и {{ customer.name }}, в лице {{ customer.represented_by }}, именуемое в дальнейшем "
        "«Заказчик», с другой стороны, заключили настоящий Договор о нижеследующем."
    )
    para(document, parties, after=4).alignment = WD_ALIGN_PARAGRAPH.JUSTIFY
    logic(document, "for section in sections")
    numbered(document.add_paragraph("{{ section.title }}", "Heading 1"), 0)
    logic(document, "for clause in section.clauses")
    numbered(document.add_paragraph("{{ clause }}", "List Paragraph"), 1)
    logic(document, "endfor", "endfor")


def _signatures(document: Document) -> None:
    numbered(document.add_paragraph("Реквизиты и подписи сторон", "Heading 1"), 0)
    table = flush(grid(document, (78, 9, 78), rows=2))
    for column, who, title in ((0, "contractor", "Исполнитель"), (2, "customer", "Заказчик")):
        cell, below = (row.cells[column] for row in table.rows)
        cell_text(cell, title, bold=True)
        for text in (
            f"{{{{ {who}.name }}}}",
            f"{{{{ {who}.address }}}}",
            f"ИНН {{{{ {who}.inn }}}}  КПП {{{{ {who}.kpp }}}}",
            f"р/с {{{{ {who}.account }}}}",
            f"в {{{{ {who}.bank }}}}, БИК {{{{ {who}.bic }}}}",
        ):
            together(para(cell, text, size=9.5))
        together(cell_text(below, f"{{{{ {who}.position }}}}", size=9.5)).paragraph_format.space_before = Pt(10)
        together(para(below, f"_____________________ {{{{ {who}.signatory }}}}", before=16, size=9.5))
        para(below, "М. П.", size=8, color=QUIET)
    for index in (0, 1):
        row_height(table, index, 70)


def _annex(document: Document) -> None:
    section = document.add_section(WD_SECTION.NEW_PAGE)
    section.orientation, section.page_width, section.page_height = WD_ORIENT.LANDSCAPE, Mm(297), Mm(210)
    section.left_margin = section.right_margin = Mm(20)
    _frame(section, "Приложение № 1 к Договору № {{ number }} от {{ date|date }}", 257)
    para(document, "Приложение № 1", bold=True, size=14)
    para(document, "Календарный план работ", size=11, before=2, after=10)
    table = listing(document, COLUMNS, ACCENT, sizes=(9, 9.5), heights=(22, 24))
    airy(table.rows[1])
    rows_of(table, "stage in stages")
    total = "{{ stages|map(attribute='price')|list|sum_of|money('RUB') }}"
    for cell in last_row(table, "Всего", total, 24):
        finish_cell(cell)
    last = para(
        document, "Стоимость этапов включает НДС. Этап считается принятым после подписания акта.", before=10, size=9
    )
    last.paragraph_format.line_spacing = Pt(12)
