"""Raster: one page of a finished PDF as a PNG, for previews. The panel asks for it; no template may name this engine.

PDFium is loaded with the first page, inside the sandbox: a PDF may carry what a hostile template put there.
"""

import json
import struct
import zlib
from typing import Any

from contracts.templates import TemplateBundle, TemplateManifest, TemplateSource
from generator.renderers.port import Rendered, RenderRequest, failed

ENGINE = "raster"
FILE = "page.pdf"
#: A page may be a metre long and a millimetre wide: no picture is larger than this, in pixels.
MAX_WIDTH, MAX_HEIGHT = 2400, 4000
#: PNG with the quickest useful compression: a page of text of 1000 x 1414 pixels takes 20 ms and has 90 kB.
_LEVEL = 3
_RGB = 2


class RasterRenderer:
    """Draws the page that the data names: `{"page": 1, "width": 1000}`; `width` in pixels."""

    def warm_up(self) -> None:
        """Do nothing: most processes never draw a page."""

    def cool(self) -> None:
        """Do nothing: no page is kept."""

    def render(self, source: TemplateSource, request: RenderRequest) -> Rendered:
        """Draw one page. Raises DocumentFailed for a PDF that does not open and for a page it does not have."""
        import pypdfium2

        wanted = json.loads(request.data)
        page, width = int(wanted["page"]), int(wanted["width"])
        try:
            pdf = pypdfium2.PdfDocument(request.bundle.files[source.file])
        except pypdfium2.PdfiumError as error:
            raise failed("invalid_output", f"The PDF does not open: {error}") from error
        try:
            if not 1 <= page <= len(pdf):
                raise failed("invalid_output", f"The PDF has {len(pdf)} pages; there is no page {page}.")
            return Rendered(_picture(pdf, page, width))
        finally:
            pdf.close()


def preview_request(bundle: TemplateBundle, page: int, width: int) -> RenderRequest:
    """Ask for page `page` (from 1) of a bundle that `bundle_of` made, `width` pixels wide."""
    return RenderRequest(bundle=bundle, data=json.dumps({"page": page, "width": width}).encode(), format="png")


def bundle_of(pdf: bytes) -> TemplateBundle:
    """Wrap a finished PDF, so that it travels to a render process like a template."""
    source = TemplateSource(engine=ENGINE, file=FILE, formats=("png",))
    return TemplateBundle(TemplateManifest(sources=(source,)), {FILE: pdf})


def _picture(pdf: Any, page: int, width: int) -> bytes:
    drawn = pdf[page - 1]
    across, down = drawn.get_size()
    scale = min(min(width, MAX_WIDTH) / max(across, 1e-3), MAX_HEIGHT / max(down, 1e-3))
    bitmap = drawn.render(scale=scale, rev_byteorder=True)
    try:
        return png(bitmap.width, bitmap.height, memoryview(bitmap.buffer).cast("B"), bitmap.stride)
    finally:
        bitmap.close()
        drawn.close()


def png(width: int, height: int, pixels: memoryview, stride: int) -> bytes:
    """Write rows of RGB pixels, `stride` bytes apart, as PNG (RFC 2083: header, one block of data, end)."""
    row = width * 3
    rows = b"".join(b"\0" + bytes(pixels[at : at + row]) for at in range(0, stride * height, stride))
    header = struct.pack(">IIBBBBB", width, height, 8, _RGB, 0, 0, 0)
    parts = [(b"IHDR", header), (b"IDAT", zlib.compress(rows, _LEVEL)), (b"IEND", b"")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(_chunk(kind, content) for kind, content in parts)


def _chunk(kind: bytes, content: bytes) -> bytes:
    checked = kind + content
    return struct.pack(">I", len(content)) + checked + struct.pack(">I", zlib.crc32(checked))
