"""What is called completed opens: every output is read back before it leaves the render process.

archive = the container as it is delivered, xml = well-formedness, docx = the whole package.
"""

import io
from collections.abc import Mapping
from types import MappingProxyType

import pikepdf

from generator.renderers.check.docx import DocxCheck
from generator.renderers.check.xml import invalid, well_formed
from generator.renderers.port import Shape


class OutputCheck:
    """Call it with a format and the bytes: returns the page count where there is one. Raises invalid_output."""

    def __init__(self) -> None:
        self._docx = DocxCheck()

    def __call__(
        self, output_format: str, content: bytes, shapes: Mapping[str, Shape] = MappingProxyType({})
    ) -> int | None:
        """Check one finished document. Raises DocumentFailed invalid_output."""
        if output_format == "pdf":
            return _check_pdf(content)
        if output_format == "docx":
            self._docx(content, shapes)
        elif output_format == "svg":
            well_formed(content, "the SVG")
        elif output_format == "png" and not content.startswith(b"\x89PNG\r\n\x1a\n"):
            raise invalid("The PNG has no PNG signature.")
        return None


def _check_pdf(content: bytes) -> int:
    try:
        with pikepdf.open(io.BytesIO(content)) as pdf:
            pages, warnings = len(pdf.pages), pdf.get_warnings()
    except (pikepdf.PdfError, ValueError) as error:
        raise invalid(f"The PDF does not open: {error}") from error
    if warnings or not pages:
        raise invalid(f"The PDF is damaged: {warnings[0] if warnings else 'it has no pages'}.")
    return pages
