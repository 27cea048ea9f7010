"""What a reader finds in the examples' documents: words, pictures, codes read from the drawn page, tables of Word."""

import io
import re
import zipfile
from collections.abc import Iterator
from pathlib import Path

import docx
import pypdfium2
import typst
import zxingcpp
from docx.document import Document
from docx.oxml.ns import qn
from lxml import etree
from PIL import Image

#: The order of properties in the schema (ECMA-376), as far as documents of ours have them: Word insists on it.
ORDER = {
    "pPr": "pStyle keepNext keepLines pageBreakBefore widowControl numPr pBdr shd tabs spacing ind contextualSpacing "
    "jc outlineLvl rPr sectPr",
    "rPr": "rStyle rFonts b bCs i iCs caps smallCaps strike color spacing w kern position sz szCs highlight u shd "
    "vertAlign rtl lang",
    "tcPr": "tcW gridSpan hMerge vMerge tcBorders shd noWrap tcMar vAlign",
    "tblPr": "tblStyle tblW jc tblInd tblBorders shd tblLayout tblCellMar tblLook",
    "sectPr": "headerReference footerReference type pgSz pgMar cols titlePg docGrid",
}
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


def out_of_order(path: Path) -> list[str]:
    """Name properties that stand where Word does not expect them, and cells without a paragraph at their end."""
    found = []
    with zipfile.ZipFile(path) as archive:
        for name in archive.namelist():
            if name.startswith("word/") and name.endswith(".xml"):
                found += [f"{name}: {flaw}" for flaw in _flaws(etree.fromstring(archive.read(name)))]
    return found


def _flaws(root: etree._Element) -> Iterator[str]:
    for kind, order in ORDER.items():
        places = {name: place for place, name in enumerate(order.split())}
        for properties in root.iter(qn(f"w:{kind}")):
            names = [etree.QName(child).localname for child in properties]
            if sorted(names, key=lambda name: places.get(name, -1)) != names:
                yield f"{kind} has {', '.join(names)}"
    yield from ("a cell ends without a paragraph" for cell in root.iter(qn("w:tc")) if cell[-1].tag != qn("w:p"))
