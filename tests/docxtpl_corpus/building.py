"""How the cases are written: small templates built in Python, their data, and what both engines make of them."""

import io
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from docx.document import Document
from docx.oxml import parse_xml
from docx.oxml.ns import nsdecls

from tests.unit.docx_files import paragraphs as lines
from tests.unit.docx_files import template as built
from tests.unit.pictures import data_uri, picture

__all__ = ["built", "lines"]

WORD = "application/vnd.openxmlformats-officedocument.wordprocessingml.document"
RELATIONSHIPS = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
#: Context for docxtpl, made with its own classes: (docxtpl's module, template) -> context.
Context = Callable[[Any, Any], dict[str, object]]


@dataclass(frozen=True)
class Case:
    """One script of docxtpl's tests: its template rebuilt, its context as JSON, and the texts that must come out.

    `texts`: of all paragraphs with text, in the order of the body, then headers and footers. `theirs`: the context for
    docxtpl where it is not the JSON itself; `compared` False: docxtpl cannot make it as installed, or makes it wrong.
    `holds`: what the result's XML (of all parts) contains. `note`: what docs/docx.md says, if not that it is the same.
    """

    script: str
    template: bytes
    texts: tuple[str, ...]
    data: dict[str, object] = field(default_factory=dict)
    theirs: Context | None = None
    compared: bool = True
    holds: tuple[str, ...] = ()
    lacks: tuple[str, ...] = ()
    error: tuple[str, str] | None = None
    note: str = "the same"


def grid(*rows: tuple[str, ...]) -> bytes:
    """Make a template of one table; shorter rows leave their last cells empty."""
    return built(lambda document: add_grid(document, *rows))


def add_grid(document: Document, *rows: tuple[str, ...]) -> None:
    """Add a table to a template."""
    table = document.add_table(rows=0, cols=max(map(len, rows)))
    for texts in rows:
        cells = table.add_row().cells
        for cell, text in zip(cells, texts, strict=False):
            cell.text = text


def framed(header: str, *texts: str, footer: str = "") -> bytes:
    """Make a template with a header and a footer."""

    def build(document: Document) -> None:
        for text in texts:
            document.add_paragraph(text)
        document.sections[0].header.paragraphs[0].text = header
        document.sections[0].footer.paragraphs[0].text = footer

    return built(build)


def inserted(build: Callable[[Document], object]) -> dict[str, object]:
    """Make a document as data that a template inserts."""
    return {"$docx": data_uri(built(build), WORD)}


def image(colour: str = "navy", size: tuple[int, int] = (60, 40), **look: object) -> dict[str, object]:
    """Make a picture as data."""
    return {"$image": data_uri(picture(size=size, colour=colour)), **look}


def stream(colour: str = "navy", size: tuple[int, int] = (60, 40)) -> io.BytesIO:
    """Make the same picture for docxtpl."""
    return io.BytesIO(picture(size=size, colour=colour))


def with_notes(*notes: str) -> bytes:
    """Make a template whose footnotes hold these texts."""
    from docx.opc.constants import CONTENT_TYPE, RELATIONSHIP_TYPE
    from docx.opc.packuri import PackURI
    from docx.opc.part import Part

    def build(document: Document) -> None:
        texts = "".join(
            f'<w:footnote w:id="{number}"><w:p><w:r><w:t>{text}</w:t></w:r></w:p></w:footnote>'
            for number, text in enumerate(notes, 1)
        )
        content = f"<w:footnotes {nsdecls('w')}>{texts}</w:footnotes>".encode()
        package = document.part.package
        part = Part(PackURI("/word/footnotes.xml"), CONTENT_TYPE.WML_FOOTNOTES, content, package)
        document.part.relate_to(part, RELATIONSHIP_TYPE.FOOTNOTES)
        run = document.add_paragraph("Text with a note").add_run()
        for number in range(1, len(notes) + 1):
            run._r.append(parse_xml(f'<w:footnoteReference {nsdecls("w")} w:id="{number}"/>'))

    return built(build)


def linked(address: str, text: str) -> bytes:
    """Make a template with a link."""

    def build(document: Document) -> None:
        relation = document.part.relate_to(address, f"{RELATIONSHIPS}/hyperlink", is_external=True)
        link = (
            f'<w:p {nsdecls("w", "r")}><w:hyperlink r:id="{relation}"><w:r><w:t>{text}</w:t></w:r></w:hyperlink></w:p>'
        )
        document.element.body.insert(0, parse_xml(link))

    return built(build)
