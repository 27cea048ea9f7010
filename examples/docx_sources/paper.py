"""What all of the examples' Word templates are built with, beside the vocabulary of the shipped templates."""

import io

import docx
from docx.blkcntnr import BlockItemContainer
from docx.document import Document
from docx.enum.text import WD_TAB_ALIGNMENT
from docx.oxml import parse_xml
from docx.oxml.ns import nsdecls, qn
from docx.section import Section
from docx.shared import Mm, Pt
from docx.text.paragraph import Paragraph
from docx.text.run import Run

from generator_service.templates.docx_sources.look import HAIRLINE, QUIET, field, style_text, write
from generator_service.templates.docx_sources.paper import ruled

#: Every reader has Arial or a font of its metrics.
INK = "1B2430"
KEPT = {
    *("Normal", "Default Paragraph Font", "Normal Table", "No List", "Header", "Footer", "Title", "Table Grid"),
    *("Heading 1", "Heading 2", "Heading 3", "Quote", "List Paragraph", "Caption"),
}


def paper(
    size: float = 10, accent: str = INK, margins: tuple[float, float, float, float] = (20, 20, 18, 20)
) -> Document:
    """Open an empty A4 document; margins left, right, top, bottom in millimetres."""
    document = docx.Document()
    document._body.clear_content()
    for style in list(document.styles):
        if style.name not in KEPT:
            style.element.getparent().remove(style.element)
    a4(document.sections[0], margins)
    style_text(document, "Normal", size, INK)
    for name, points, before, after in (
        ("Heading 1", size + 5, 16, 6),
        ("Heading 2", size + 2, 12, 4),
        ("Heading 3", size, 8, 3),
    ):
        style_text(document, name, points, accent, bold=True, before=before, after=after)
    for name, unwanted in (
        ("Header", "tabs"),
        ("Footer", "tabs"),
        ("List Paragraph", "ind"),
        ("List Paragraph", "contextualSpacing"),
    ):
        for element in document.styles[name].element.pPr.findall(qn(f"w:{unwanted}")):
            element.getparent().remove(element)
    _quiet_grid(document)
    return document


def _quiet_grid(document: Document) -> None:
    """Give tables of Markdown, and of inserted documents, grey lines and room around the text."""
    edges = "".join(
        f'<w:{side} w:val="single" w:sz="4" w:space="0" w:color="{HAIRLINE}"/>'
        for side in ("top", "left", "bottom", "right", "insideH", "insideV")
    )
    room = "".join(
        f'<w:{side} w:w="{width}" w:type="dxa"/>'
        for side, width in (("top", 50), ("left", 108), ("bottom", 50), ("right", 108))
    )
    properties = (
        f'<w:tblInd w:w="108" w:type="dxa"/><w:tblBorders>{edges}</w:tblBorders><w:tblCellMar>{room}</w:tblCellMar>'
    )
    style = document.styles["Table Grid"].element
    style.replace(style.find(qn("w:tblPr")), parse_xml(f'<w:tblPr {nsdecls("w")}>{properties}</w:tblPr>'))


def a4(section: Section, margins: tuple[float, float, float, float]) -> None:
    section.page_width, section.page_height = Mm(210), Mm(297)
    left, right, top, bottom = margins
    section.left_margin, section.right_margin = Mm(left), Mm(right)
    section.top_margin, section.bottom_margin = Mm(top), Mm(bottom)
    section.header_distance = section.footer_distance = Mm(10)


def para(
    holder: Document | BlockItemContainer, text: str = "", before: float = 0, after: float = 0, **look: object
) -> Paragraph:
    """Add a paragraph of one run; the space around it in points."""
    paragraph = write(holder.add_paragraph(), text, **look)  # type: ignore[arg-type]
    paragraph.paragraph_format.space_before, paragraph.paragraph_format.space_after = Pt(before), Pt(after)
    return paragraph


def placeholder(run: Run, picture: bytes, name: str, tag: str, height_mm: float) -> None:
    """Put a picture that stands for one of the data: its alternative text is the tag."""
    run.add_picture(io.BytesIO(picture), height=Mm(height_mm))
    inline = run._r.find(".//" + qn("wp:inline"))
    for side in "TBLR":  # LibreOffice keeps 3 mm clear where the file does not say
        inline.set(f"dist{side}", "0")
    properties = inline.find(qn("wp:docPr"))
    properties.set("name", name)
    properties.set("descr", tag)


def headline(section: Section, text: str) -> None:
    """Write a section's header, a quiet line over a hairline."""
    ruled(write(section.header.paragraphs[0], text, size=8, color=QUIET), "bottom", HAIRLINE, 4, 4)


def footline(paragraph: Paragraph, text: str, pages: tuple[str, str] = ("Page", "of"), width_mm: float = 170) -> None:
    """Write a footer: a quiet text, and "Page 1 of 2" at the right end of the line."""
    write(paragraph, text, size=7.5, color=QUIET)
    paragraph.paragraph_format.tab_stops.add_tab_stop(Mm(width_mm), WD_TAB_ALIGNMENT.RIGHT)
    write(paragraph, f"\t{pages[0]} ", size=7.5, color=QUIET)
    field(paragraph, "PAGE")
    write(paragraph, f" {pages[1]} ", size=7.5, color=QUIET)
    field(paragraph, "NUMPAGES")


def numbering(document: Document) -> None:
    """Define Word's numbers of two levels, 1. and 1.1., hanging by 10 mm."""
    levels = [
        f'<w:lvl w:ilvl="{level}"><w:start w:val="1"/><w:numFmt w:val="decimal"/><w:lvlText w:val="{text}"/>'
        '<w:lvlJc w:val="left"/><w:pPr><w:ind w:left="567" w:hanging="567"/></w:pPr></w:lvl>'
        for level, text in enumerate(("%1.", "%1.%2."))
    ]
    root = document.part.numbering_part.element
    for child in list(root):
        root.remove(child)
    kind = '<w:multiLevelType w:val="multilevel"/>'
    root.append(parse_xml(f'<w:abstractNum {nsdecls("w")} w:abstractNumId="0">{kind}{"".join(levels)}</w:abstractNum>'))
    root.append(parse_xml(f'<w:num {nsdecls("w")} w:numId="1"><w:abstractNumId w:val="0"/></w:num>'))


def numbered(paragraph: Paragraph, level: int) -> Paragraph:
    """Number a paragraph, as the button in Word does."""
    number = paragraph._p.get_or_add_pPr().get_or_add_numPr()
    number.get_or_add_ilvl().val, number.get_or_add_numId().val = level, 1
    return paragraph
