"""Paper and paragraphs of the shipped letters, certificates and contracts, beside the vocabulary of look.py."""

from docx.blkcntnr import BlockItemContainer
from docx.document import Document
from docx.enum.section import WD_ORIENT
from docx.oxml import OxmlElement
from docx.oxml.ns import qn
from docx.shared import Mm, Pt
from docx.table import _Cell
from docx.text.paragraph import Paragraph

from .look import PAGE_WORDS, QUIET, RUSSIAN, field, line, logic, write


def margins(document: Document, left: float, right: float, top: float, bottom: float) -> None:
    """Set the margins of the page, in millimetres."""
    section = document.sections[0]
    section.left_margin, section.right_margin = Mm(left), Mm(right)
    section.top_margin, section.bottom_margin = Mm(top), Mm(bottom)


def across(document: Document) -> None:
    """Turn the page."""
    section = document.sections[0]
    section.orientation = WD_ORIENT.LANDSCAPE
    section.page_width, section.page_height = Mm(297), Mm(210)


def spaced(paragraph: Paragraph, before: float = 0, after: float = 0) -> Paragraph:
    """Set the space around a paragraph, in points."""
    paragraph.paragraph_format.space_before, paragraph.paragraph_format.space_after = Pt(before), Pt(after)
    return paragraph


def spacer(cell: _Cell, points: float) -> None:
    """Make a cell's first paragraph empty space."""
    cell.paragraphs[0].paragraph_format.line_spacing = Pt(points)


def caption(holder: Document | BlockItemContainer, text: str) -> Paragraph:
    """Add a small quiet caption."""
    return line(holder, text, size=7, color=QUIET, bold=True, caps=True)


def repeated(holder: Document | BlockItemContainer, values: str, **look: object) -> Paragraph:
    """Add a paragraph for each of the values."""
    logic(holder, f"for row in {values}")
    paragraph = line(holder, "{{ row }}", **look)
    logic(holder, "endfor")
    return paragraph


def signer(cell: _Cell, who: str, size: float) -> list[Paragraph]:
    """Write a name and what its bearer is; either may be missing."""
    return [
        repeated(cell, f"{who}.name|default(none)|rows", size=size, bold=True),
        repeated(cell, f"{who}.role|default(none)|rows", size=size - 1, color=QUIET),
    ]


def ruled(paragraph: Paragraph, side: str, color: str, eighths: int, space: int = 0) -> Paragraph:
    """Draw a line above ("top") or below ("bottom") a paragraph; thickness in eighths of a point."""
    borders, edge = OxmlElement("w:pBdr"), OxmlElement(f"w:{side}")
    for key, value in (("val", "single"), ("sz", str(eighths)), ("space", str(space)), ("color", color)):
        edge.set(qn(f"w:{key}"), value)
    borders.append(edge)
    properties = paragraph._p.get_or_add_pPr()
    following = [
        child for name in ("shd", "tabs", "spacing", "ind", "jc") for child in properties.findall(qn(f"w:{name}"))
    ]
    if following:
        following[0].addprevious(borders)
    else:
        properties.append(borders)
    return paragraph


def tracked(paragraph: Paragraph, points: float) -> Paragraph:
    """Space out the letters of a paragraph's runs."""
    for run in paragraph.runs:
        spacing = OxmlElement("w:spacing")
        spacing.set(qn("w:val"), str(round(points * 20)))
        properties = run._r.get_or_add_rPr()
        size = properties.find(qn("w:sz"))
        if size is None:
            properties.append(spacing)
        else:
            size.addprevious(spacing)
    return paragraph


def hanging(paragraph: Paragraph, left: str, by: str) -> Paragraph:
    """Let a paragraph hang behind its number; both in twentieths of a point, tags allowed."""
    paragraph.paragraph_format.left_indent, paragraph.paragraph_format.first_line_indent = Mm(1), Mm(-1)
    indent = paragraph._p.pPr.find(qn("w:ind"))
    indent.set(qn("w:left"), left)
    indent.set(qn("w:hanging"), by)
    return paragraph


def page_numbers(paragraph: Paragraph) -> None:
    """Write "Page 1 of 2"."""
    page, last_page = (f'{{{{ "{russian}" if {RUSSIAN} else "{english}" }}}}\u00a0' for russian, english in PAGE_WORDS)
    write(paragraph, page, size=7.5, color=QUIET)
    field(paragraph, "PAGE")
    write(paragraph, " " + last_page, size=7.5, color=QUIET)
    field(paragraph, "NUMPAGES")
