"""The words of a PDF and of a Word file, counted."""

import io
import re
from collections import Counter
from collections.abc import Iterable

import docx
import pypdf
from docx.oxml.xmlchemy import BaseOxmlElement

from generator.core import Rendered

_PAGE_NUMBER = re.compile(r"(?:Page|Стр\.)\s*\d+\s*(?:of|из)\s*\d+")


def difference(pdf: Rendered, word: Rendered, ornament: re.Pattern[str]) -> tuple[Counter[str], Counter[str]]:
    """Return the words that only the Word file has, and those that only the PDF has. `ornament`: what is no word."""
    said = _words(_of_pdf(pdf.content), ornament)
    written = _words(_of_word(word.content, pdf.pages or 1), ornament)
    return written - said, said - written


def _words(paragraphs: Iterable[str], ornament: re.Pattern[str]) -> Counter[str]:
    """Count words: case aside, since a PDF holds small capitals as capitals."""
    return Counter(ornament.sub(" ", _PAGE_NUMBER.sub(" ", "\n".join(paragraphs))).casefold().split())


def _of_pdf(content: bytes) -> list[str]:
    return [page.extract_text() for page in pypdf.PdfReader(io.BytesIO(content)).pages]


def _of_word(content: bytes, pages: int) -> list[str]:
    """Read what so many pages show: the head and the foot of each, too."""
    document = docx.Document(io.BytesIO(content))
    section = document.sections[0]
    later = [section.header, section.footer]
    first = [section.first_page_header, section.first_page_footer]
    edges = (first if section.different_first_page_header_footer else later) + later * (pages - 1)
    roots = (document.element.body, *(edge._element for edge in edges))
    paragraphs = [paragraph for root in roots for paragraph in root.iter("{*}p")]
    return ["".join(map(_shown, one.iter("{*}t", "{*}br", "{*}tab"))) for one in paragraphs]


def _shown(element: BaseOxmlElement) -> str:
    return element.text or "" if element.tag.endswith("}t") else "\n"
