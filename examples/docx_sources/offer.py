"""An offer: rich text, Markdown, pictures in a loop, and the terms as a Word document of their own that is inserted."""

from docx.document import Document
from docx.enum.text import WD_BREAK
from docx.shared import Mm, Pt, RGBColor

from examples.docx_sources.items import last_row, listing, rows_of
from examples.docx_sources.paper import footline, headline, numbered, numbering, paper, para
from generator_service.templates.docx_sources.look import (
    BAND,
    QUIET,
    border,
    cell_text,
    finish_cell,
    flush,
    gap,
    grid,
    label,
    row_height,
    shade,
    tag_row,
    together,
)

ACCENT = "1D5C8A"
COLUMNS = (
    (76, "Position", "{{ item.name }}", "left"),
    (24, "Quantity", "{{ item.qty|number }} {{ item.unit }}", "right"),
    (32, "Price", "{{ item.price|price(currency) }}", "right"),
    (38, "Amount", "{{ item.amount|money(currency) }}", "right"),
)


def build_offer() -> Document:
    document = paper(10, ACCENT, (20, 20, 22, 22))
    quote = document.styles["Quote"]
    quote.font.italic, quote.font.color.rgb = True, RGBColor.from_string(QUIET)
    quote.paragraph_format.space_before = Pt(8)
    document.styles["Normal"].paragraph_format.space_after = Pt(4)
    section = document.sections[0]
    section.different_first_page_header_footer = True
    headline(section, "{{ seller.name }} · Offer {{ number }}")
    for footer in (section.footer.paragraphs[0], section.first_page_footer.paragraphs[0]):
        footline(footer, "{{ seller.name }} · {{ seller.web|link('https://' ~ seller.web) }}")
    _opening(document)
    _chapters(document)
    _prices(document)
    _terms(document)
    return document


def _opening(document: Document) -> None:
    document.add_paragraph("{{ cover|image(width='170mm') }}").paragraph_format.space_after = Pt(10)
    para(document, "{{ title }}", size=26, bold=True, color=ACCENT)
    para(document, "Offer {{ number }} of {{ date|date }}, valid until {{ until|date }}", color=QUIET, after=10)
    left, right = flush(grid(document, (85, 85))).rows[0].cells
    for cell, who, title in ((left, "buyer", "For"), (right, "seller", "From")):
        label(cell, title)
        para(cell, f"{{{{ {who}.name }}}}", bold=True)
        para(cell, f"{{{{ {who}.address }}}}", size=9)
    gap(document, 12)
    para(document, "{{ summary }}", after=8)  # rich text: bold, colours and links come with the data


def _chapters(document: Document) -> None:
    document.add_paragraph("{{ scope|markdown }}")
    heading = document.add_paragraph("How it will look", "Heading 1")
    heading.paragraph_format.keep_with_next = True
    # Pictures two by two: a row of pictures, and a row of what they show.
    table = flush(grid(document, (82, 6, 82), rows=4))
    tag_row(table, 0, "for pair in pictures|batch(2)")
    tag_row(table, 3, "endfor")
    for cell, place in ((0, 0), (2, 1)):
        there, end = (f"{{% if pair|length > {place} %}}", "{% endif %}") if place else ("", "")
        picture, shows = (row.cells[cell] for row in (table.rows[1], table.rows[2]))
        together(cell_text(picture, f"{there}{{{{ pair[{place}].file|image(width='82mm') }}}}{end}"))
        cell_text(shows, f"{there}{{{{ pair[{place}].shows }}}}{end}", size=8.5, color=QUIET)
        shows.paragraphs[0].paragraph_format.space_after = Pt(8)
    for index in (1, 2):
        row_height(table, index, 12)


def _prices(document: Document) -> None:
    document.add_paragraph("What it costs", "Heading 1").paragraph_format.keep_with_next = True
    table = listing(document, COLUMNS, ACCENT, sizes=(9, 9.5), heights=(20, 21), filled=True)
    for cell in (*table.rows[0].cells, *table.rows[1].cells):
        together(cell.paragraphs[0]).paragraph_format.space_after = Pt(0)
    rows_of(table, "item in items")
    total = "{{ items|map(attribute='amount')|list|sum_of|money(currency) }}"
    for cell in last_row(table, "Total without VAT", total, 23):
        cell.paragraphs[0].paragraph_format.space_after = Pt(0)
        border(cell, "top", ACCENT, 8)
        shade(cell, BAND)
        finish_cell(cell)


def _terms(document: Document) -> None:
    document.add_paragraph().add_run().add_break(WD_BREAK.PAGE)
    document.add_paragraph("{{ terms }}")  # a Word document of its own: see terms.docx
    gap(document, 16)
    cells = flush(grid(document, (80, 10, 80))).rows[0].cells
    for cell, title, name in (
        (cells[0], "For {{ seller.name }}", "{{ seller.contact }}"),
        (cells[2], "Accepted for {{ buyer.name }}", "Place, date, name"),
    ):
        together(cell_text(cell, title, bold=True))
        together(para(cell, "_" * 34, before=30))
        para(cell, name, size=8.5, color=QUIET)


def build_terms() -> Document:
    """The terms: an ordinary document that a lawyer keeps, with numbering of its own."""
    document = paper(9.5, ACCENT)
    numbering(document)
    document.add_paragraph("Terms", "Heading 1")
    for title, clauses in TERMS:
        numbered(document.add_paragraph(title, "Heading 2"), 0)
        for clause in clauses:
            numbered(document.add_paragraph(clause, "List Paragraph"), 1).paragraph_format.space_after = Pt(3)
    table = document.add_table(rows=0, cols=2, style="Table Grid")
    for row in (
        ("Milestone", "Share of the price"),
        ("Order", "30 %"),
        ("Delivery of the modules", "50 %"),
        ("Acceptance", "20 %"),
    ):
        cells = table.add_row().cells
        for cell, text in zip(cells, row, strict=True):
            cell_text(cell, text, bold=row[0] == "Milestone", size=9)
            cell.width = Mm(60)
    return document


TERMS = (
    (
        "Delivery",
        (
            "We deliver and mount within the time that the offer names, counted from the order in writing.",
            "Scaffolding, skips and a crane are included. Power for tools is provided by the customer.",
        ),
    ),
    (
        "Acceptance and warranty",
        (
            "The plant is accepted jointly after a trial run of seven days.",
            "We answer for our work for five years; the makers of modules and inverters for twenty-five and ten.",
        ),
    ),
    (
        "Payment",
        (
            "Invoices are due within fourteen days of their date.",
            "The price is paid in three parts:",
        ),
    ),
)
