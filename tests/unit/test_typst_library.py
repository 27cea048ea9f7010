"""The library that every Typst template may import, and the template of docs/typst.md that is made with it."""

import json
import re
from pathlib import Path

import pypdfium2
import pytest
import segno

from contracts.errors import DocumentFailed
from contracts.templates import TemplateBundle
from generator.core import Engines, Rendered, RenderRequest, generate
from tests.pdf_layout import layout_of

DOCS = Path(__file__).resolve().parents[2] / "docs" / "typst.md"
IMPORT = '#import "/presswork.typ": *\n#let d = json("data.json")\n'


def render(engines: Engines, source: str, data: object = None, locale: str = "en") -> Rendered:
    bundle = TemplateBundle.of_file("typst", source.encode())
    return generate(RenderRequest(bundle, json.dumps(data or {}).encode(), "pdf", locale=locale), engines)


def text_of(rendered: Rendered) -> str:
    pages = pypdfium2.PdfDocument(rendered.content)
    return "\n".join(page.get_textpage().get_text_bounded() for page in pages)


def documented(kind: str) -> str:
    """Return the first block of this kind in docs/typst.md."""
    found = re.search(rf"^```{kind}\n(.*?)^```", DOCS.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)
    assert found
    return found[1]


def test_the_template_of_the_docs_is_short_and_looks_as_told(engines: Engines) -> None:
    source, data = documented("typst"), json.loads(documented("json"))
    assert len(source.strip().splitlines()) <= 20
    rendered = render(engines, source, data)
    assert (rendered.pages, rendered.warnings) == (1, ())
    shown = text_of(rendered).replace("\xa0", " ")
    for words in ("Offer 2026-118", "1 March 2026", "Page 1 of 1", "1,450.00", "€5,210.86", "0.145", "VALID UNTIL"):
        assert words in shown


def test_it_is_in_the_documents_language(engines: Engines) -> None:
    shown = text_of(render(engines, documented("typst"), json.loads(documented("json")), locale="ru"))
    assert "Стр." in shown and "5\xa0210,86\xa0€" in shown and "1\xa0марта 2026" in shown


@pytest.mark.parametrize("name", ["a" * 400, "W" * 60, "Слово " * 40, "日本"])
def test_texts_of_any_length_stay_on_the_page(engines: Engines, name: str) -> None:
    data = json.loads(documented("json"))
    data["items"][0]["name"] = data["seller"]["name"] = data["buyer"]["address"] = name
    layout = layout_of(render(engines, documented("typst"), data).content)
    assert [(run.text, run.page) for run in layout.beside(20 / 25.4 * 72)] == []


def test_a_table_goes_over_pages_with_its_head(engines: Engines) -> None:
    rows = [{"name": f"Line {at}", "qty": at} for at in range(120)]
    rendered = render(engines, f'{IMPORT}#show: letterhead.with(name: "A")\n#data-table(d.rows)', {"rows": rows})
    assert rendered.pages and rendered.pages >= 3
    assert text_of(rendered).count("qty") == rendered.pages


def test_tables_take_formats_and_functions(engines: Engines) -> None:
    columns = (
        '((key: "a", format: "price"), (key: "b", format: "date"), (key: "c", format: v => "<" + str(v) + ">"), "gone")'
    )
    source = f"{IMPORT}#data-table(d.rows, columns: {columns})"
    shown = text_of(render(engines, source, {"rows": [{"a": 0.145, "b": "2026-03-01", "c": 7}]})).replace("\xa0", " ")
    assert "0.145" in shown and "1 Mar 2026" in shown and "<7>" in shown


@pytest.mark.parametrize("length", [14, 26, 62, 122, 180, 213, 331, 362, 666])
def test_qr_codes_are_those_of_another_encoder(engines: Engines, length: int) -> None:
    """Texts that fill a version to its end, because fillers may differ."""
    text = "".join(chr(33 + at * 7 % 90) for at in range(length))
    theirs = segno.make(text.encode(), mask=0, error="m", mode="byte", boost_error=False, micro=False)
    source = f'#import "/presswork/qr.typ": qr-modules\n{IMPORT}#assert.eq(qr-modules(d.text), d.modules)'
    assert render(
        engines, source, {"text": text, "modules": [[int(one) for one in row] for row in theirs.matrix]}
    ).pages


def test_fillers_of_qr_codes_are_those_of_the_standard(engines: Engines) -> None:
    source = (
        '#import "/presswork/qr.typ": codewords\n'
        '#assert.eq(codewords(array(bytes("hello")), 1).map(x => str(x, base: 16))'
        '.join(" "), "40 56 86 56 c6 c6 f0 ec 11 ec 11 ec 11 ec 11 ec")'
    )
    assert render(engines, source).pages == 1


def test_a_text_too_long_for_a_qr_code_says_so(engines: Engines) -> None:
    with pytest.raises(DocumentFailed, match="a QR code holds 666 bytes at most: this text has 700"):
        render(engines, f'{IMPORT}#qr("x" * 700)')


def test_a_templates_own_file_goes_before_the_librarys(engines: Engines) -> None:
    bundle = TemplateBundle.of_file("typst", b'#import "presswork.typ": mine\n#mine')
    own = TemplateBundle(bundle.manifest, {**bundle.files, "presswork.typ": b"#let mine = 1"})
    assert generate(RenderRequest(own, b"{}", "pdf"), engines).pages == 1


def test_it_is_there_for_templates_with_files_of_their_own(engines: Engines) -> None:
    bundle = TemplateBundle.of_file("typst", IMPORT.encode() + b'#money(5, "EUR")')
    own = TemplateBundle(bundle.manifest, {**bundle.files, "table.bin": b"\xff"})
    assert generate(RenderRequest(own, b"{}", "pdf"), engines).pages == 1


@pytest.mark.parametrize("fill", ['"#1b1037"', 'rgb("#1b1037")', "black", "cmyk(80%, 70%, 0%, 60%)"])
def test_qr_codes_take_colours(engines: Engines, fill: str) -> None:
    assert render(engines, f'{IMPORT}#qr("https://example.org", fill: {fill})').pages == 1
