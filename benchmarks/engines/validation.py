"""Is it the document of that record? PDF: pages and text. DOCX: every part well-formed, text complete."""

import io
import re
import zipfile
from pathlib import Path

import pypdfium2
from lxml import etree

from benchmarks.engines.records import MAKE, texts_of

#: An invoice fits on one page; a report has a page for each section at least.
_FEWEST_PAGES = {"invoice": 1, "report": 11}
_MOST_PAGES = {"invoice": 1, "report": 40}
_BLANKS = re.compile(r"\s+")


def check_samples(kind: str, folder: Path) -> int:
    """Check every file of a folder, named by its record's number; return their count. Raises AssertionError."""
    samples = sorted(folder.iterdir())
    assert samples, f"no {kind} was kept"
    for sample in samples:
        check(kind, int(sample.stem), sample.suffix.removeprefix("."), sample.read_bytes())
    return len(samples)


def check(kind: str, number: int, output_format: str, content: bytes) -> None:
    """Raise AssertionError if this is not that record's document."""
    if output_format == "pdf":
        pages, text = _pdf(content)
        assert _FEWEST_PAGES[kind] <= pages <= _MOST_PAGES[kind], f"{kind} {number} has {pages} pages"
    else:
        text = _docx(content)
    shown = _dense(text)
    missing = [wanted for wanted in texts_of(kind, MAKE[kind](number)) if _dense(wanted) not in shown]
    assert not missing, f"{kind} {number} as {output_format} lacks {missing[:3]}"


def _pdf(content: bytes) -> tuple[int, str]:
    document = pypdfium2.PdfDocument(content)
    try:
        return len(document), "".join(page.get_textpage().get_text_range() for page in document)
    finally:
        document.close()


def _docx(content: bytes) -> str:
    parser = etree.XMLParser(resolve_entities=False, huge_tree=True)
    text = ""
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        assert archive.testzip() is None, "a part is damaged"
        for name in archive.namelist():
            if name.endswith((".xml", ".rels")):
                root = etree.fromstring(archive.read(name), parser)
                text += "".join(root.itertext()) if name.startswith("word/") else ""
    return text


def _dense(text: str) -> str:
    """Leave out white space: engines break lines, and extract them, each in their own way."""
    return _BLANKS.sub("", text)
