"""LibreOffice opens what the Word engine makes, with all it can insert, and shows what is meant to be seen."""

import hashlib
import io
import shutil
import subprocess
from pathlib import Path

import docx
import pypdf
import pytest
from docx.document import Document
from docx.enum.section import WD_SECTION
from docx.oxml.ns import qn
from docx.shared import Mm

from generator.core import Engines
from tests import shipped_templates as shipped
from tests.docxtpl_corpus.test_corpus import CASES, rendered
from tests.shipped_templates import SHIPPED
from tests.unit.docx_files import render, template
from tests.unit.pictures import data_uri, picture

OFFICE = shutil.which("soffice") or shutil.which("libreoffice")
pytestmark = [pytest.mark.skipif(OFFICE is None, reason="LibreOffice is not installed"), pytest.mark.slow]
MARKDOWN = """# Scope

With **bold**, `code` and [a link](https://example.org).

1. one
2. two
   - deep

> quoted

| A | B |
|---|--:|
| x | 9 |
"""
#: Beyond these no font of a bare machine has glyphs, and a PDF without them has no text to read back.
LAST_LETTER = "\u04ff"


def opened(folder: Path, **files: bytes) -> dict[str, str]:
    """Convert documents to PDF with LibreOffice, and return their texts by name."""
    for name, content in files.items():
        (folder / f"{name}.docx").write_bytes(content)
    command = [str(OFFICE), "--headless", f"-env:UserInstallation=file://{folder}/profile", "--convert-to", "pdf"]
    names = [str(folder / f"{name}.docx") for name in files]
    subprocess.run([*command, "--outdir", str(folder), *names], check=True, capture_output=True, timeout=100)
    read = {name: pypdf.PdfReader(folder / f"{name}.pdf") for name in files}
    assert [name for name, pdf in read.items() if not pdf.pages] == []
    return {name: "\n".join(page.extract_text() for page in pdf.pages) for name, pdf in read.items()}


def everything(document: Document) -> None:
    first = document.sections[0]
    first.header.paragraphs[0].text = "{{ logo|image(height='8mm') }} {{ title }}"
    first.footer.paragraphs[0].text = "{{ rich }} {{ 'site'|link('https://example.org') }}"
    for text in ("{{ title }}", "{{r rich }}", "{{ photo }} {{ url|qr }}", "{{p text|markdown }}", "{{p sub }}"):
        document.add_paragraph(text)
    table = document.add_table(rows=0, cols=3, style="Table Grid")
    for texts in (
        ("{%tc for c in columns %}", "{{ c }}", "{%tc endfor %}"),
        ("{%tr for row in rows %}",),
        ("{% vm %}{{ rows[0].group }}", "{% cellbg row.colour %}{{ row.name }}", "{{ logo|image(width='6mm') }}"),
        ("{%tr endfor %}",),
    ):
        for cell, text in zip(table.add_row().cells, texts, strict=False):
            cell.text = text
    second = document.add_section(WD_SECTION.NEW_PAGE)
    second.header.is_linked_to_previous = False
    second.header.paragraphs[0].text = "Second: {{ title }}"
    document.add_paragraph("last {{ lines }}")


def sub(document: Document) -> None:
    document.add_heading("Annex", 2)
    document.add_paragraph("numbered", "List Number")
    document.add_picture(io.BytesIO(picture(colour="green")), width=Mm(12))


def test_libreoffice_shows_all_that_can_be_inserted(engines: Engines, tmp_path: Path) -> None:
    photo = picture("JPEG", (300, 200), "red", dpi=(200, 200))
    digest, annex = hashlib.sha256(photo).hexdigest(), template(sub)
    data = {
        "title": "Über-Ёж",
        "logo": {"$image": data_uri(picture(colour="navy")), "alt": "Logo"},
        "photo": {"$asset": f"sha256:{digest}", "width": "30mm"},
        "url": "https://example.org/7",
        "rich": {"$rich": ["thin ", {"text": "BOLD", "bold": True, "color": "#C00000", "size": 15}]},
        "text": MARKDOWN,
        "sub": {"$docx": data_uri(annex)},
        "columns": ["C1", "C2", "C3"],
        "rows": [{"group": "G", "name": "r1", "colour": "FFEEAA"}, {"name": "r2", "colour": "AAEEFF"}],
        "lines": "one\ntwo\athree\ffour",
    }
    content = render(engines, template(everything), data, assets={digest: photo}).content
    docx.Document(io.BytesIO(content))
    shown = opened(tmp_path, all=content)["all"]
    for words in (
        "Über-Ёж",
        "thin BOLD",
        "site",
        "Scope",
        "1. one",
        "quoted",
        "Annex",
        "numbered",
        "C3",
        "r2",
        "Second: Über",
    ):
        assert words in shown, words
    assert len(pypdf.PdfReader(tmp_path / "all.pdf").pages) == 3
    pictures = sum(len(page.images) for page in pypdf.PdfReader(tmp_path / "all.pdf").pages)
    assert pictures >= 6


def test_libreoffice_opens_every_document_of_the_corpus(engines: Engines, tmp_path: Path) -> None:
    cases = [case for case in CASES if not case.error]
    shown = opened(tmp_path, **{case.script: rendered(engines, case) for case in cases})
    for case in cases:
        for text in case.texts:
            for word in (one for one in text.split() if max(one) <= LAST_LETTER):
                assert word[:8] in shown[case.script].replace("\u00a0", " "), (case.script, word)


def test_libreoffice_opens_every_shipped_template(engines: Engines, tmp_path: Path) -> None:
    made = {
        f"{name}-{locale}": shipped.render(engines, name, SHIPPED[name].sample, "docx", locale).content
        for name in SHIPPED
        for locale in ("en", "ru")
    }
    shown = opened(tmp_path, **made)
    for name, content in made.items():
        document = docx.Document(io.BytesIO(content))
        words = {word for one in document.element.body.iter(qn("w:t")) for word in (one.text or "").split()}
        assert len(words) > 20
        assert sorted(word for word in words if word[:8].upper() not in shown[name].upper()) == [], name
