"""What a reader finds in the examples' documents: words, pictures, codes read from the drawn page, tables of Word."""

import io
import re
import zipfile
from pathlib import Path

import docx
import pypdfium2
import typst
import zxingcpp
from docx.document import Document
from docx.oxml.ns import qn
from PIL import Image

#: Pixels to a point: enough for the smallest code to be read.
SCALE = 3.0


def words_of(pdf: Path) -> list[str]:
    """Return the text of each page, with plain spaces and without hyphens at the ends of lines."""
    with pypdfium2.PdfDocument(pdf) as opened:
        texts = [page.get_textpage().get_text_range() for page in opened]
    return [re.sub(r"\s+", " ", re.sub(r"[\ufffe\u00ad-]\r?\n", "", text.replace("\u00a0", " "))) for text in texts]


def drawn(pdf: Path) -> list[Image.Image]:
    """Draw the pages as a printer would."""
    with pypdfium2.PdfDocument(pdf) as opened:
        return [page.render(scale=SCALE).to_pil().convert("RGB") for page in opened]


def drawn_svg(svg: Path) -> Image.Image:
    """Draw an SVG by itself on a page of its size."""
    source = b'#set page(width: auto, height: auto, margin: 0pt)\n#image("it.svg")'
    files = {"main.typ": source, "it.svg": svg.read_bytes()}
    return Image.open(io.BytesIO(typst.compile(files, format="png"))).convert("RGB")


def codes_in(picture: Image.Image) -> set[tuple[str, str]]:
    """Read what bar and QR codes say: (kind, text)."""
    return {(found.format.name, found.text) for found in zxingcpp.read_barcodes(picture)}


def blank(picture: Image.Image) -> bool:
    return picture.convert("L").getextrema()[0] > 200


def word(path: Path) -> Document:
    return docx.Document(str(path))


def text_of(document: Document) -> str:
    """Return the words of the body, tables included, with plain spaces."""
    pieces = (node.text or "" for node in document.element.body.iter(qn("w:t")))
    return re.sub(r"\s+", " ", " ".join(pieces).replace("\u00a0", " "))


def media(path: Path) -> dict[str, bytes]:
    with zipfile.ZipFile(path) as archive:
        return {name: archive.read(name) for name in archive.namelist() if name.startswith("word/media/")}
