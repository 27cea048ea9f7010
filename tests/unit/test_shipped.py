"""The shipped templates: every format and language, computed amounts, long tables, odd data."""

import io
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import docx
import pypdf
import pytest

from contracts.errors import DocumentFailed
from contracts.templates import ENGINES
from generator.core import Engines, RenderRequest, generate
from generator.shipped import TEMPLATES
from tests.shipped_templates import SHIPPED, refused_at, render

INVOICE, REPORT = SHIPPED["invoice"], SHIPPED["report"]


def text_of(content: bytes, output_format: str) -> str:
    if output_format == "pdf":
        text = "\n".join(page.extract_text() for page in pypdf.PdfReader(io.BytesIO(content)).pages)
    else:
        body = docx.Document(io.BytesIO(content)).element.body
        text = "\n".join("".join(t.text or "" for t in one.iter("{*}t")) for one in body.iter("{*}p"))
    return text.replace("\u00a0", " ")


def invoice(**changes: object) -> dict[str, Any]:
    return {**INVOICE.sample, **changes}


def test_every_shipped_template_makes_all_formats() -> None:
    assert set(SHIPPED) == {"certificate", "contract", "invoice", "letter", "report"}
    for template in SHIPPED.values():
        assert set(template.bundle.manifest.formats) == {*ENGINES["typst"], *ENGINES["docx"]}
        assert template.title and template.description and template.sample


@pytest.mark.parametrize("name", SHIPPED)
@pytest.mark.parametrize("locale", ["en", "en-GB", "en-US", "ru", "ru-RU", "de"])
@pytest.mark.parametrize("output_format", ["pdf", "docx"])
def test_the_sample_renders_without_a_warning(engines: Engines, name: str, locale: str, output_format: str) -> None:
    template = SHIPPED[name]
    request = RenderRequest(
        template.bundle, json.dumps(template.sample).encode(), output_format, locale=locale, strict=True
    )
    assert generate(request, engines).warnings == ()


@pytest.mark.parametrize("output_format", ["pdf", "docx"])
@pytest.mark.parametrize(
    ("locale", "expected"),
    [
        (
            "en",
            [
                "Invoice",
                "1 March 2026",
                "Bill to",
                "1,446.00",
                "0.145",
                "€1,911.23",
                "VAT (23%)",
                "€439.58",
                "€2,350.81",
            ],
        ),
        ("ru", ["Счёт", "1 марта 2026 г.", "1 446,00", "0,145", "1 911,23 €", "НДС (23%)", "439,58 €", "2 350,81 €"]),
    ],
)
def test_amounts_are_computed_and_written_for_the_locale(
    engines: Engines, output_format: str, locale: str, expected: list[str]
) -> None:
    text = text_of(render(engines, "invoice", INVOICE.sample, output_format, locale).content, output_format)
    assert [part for part in expected if part.lower() not in text.lower()] == []


@pytest.mark.parametrize("output_format", ["pdf", "docx"])
def test_given_amounts_are_shown_as_given(engines: Engines, output_format: str) -> None:
    data = invoice(subtotal="1 000.00", vat="200.00", vat_rate="20%", total="1 200.00")
    text = text_of(render(engines, "invoice", data, output_format).content, output_format)
    assert "€1,000.00" in text and "€200.00" in text and "€1,200.00" in text and "VAT (20%)" in text


@pytest.mark.parametrize("output_format", ["pdf", "docx"])
def test_money_shows_no_float_noise(engines: Engines, output_format: str) -> None:
    items = [
        {"name": "a", "qty": 3, "price": 0.1},
        {"name": "b", "qty": 1, "price": "1.005"},
        {"name": "c", "price": 1e-7},
    ]
    text = text_of(render(engines, "invoice", invoice(items=items, vat_rate=0), output_format).content, output_format)
    assert "0.30" in text and "1.01" in text and "€1.31" in text
    assert "0.30000" not in text


@pytest.mark.parametrize("output_format", ["pdf", "docx"])
@pytest.mark.parametrize(
    "changes",
    [
        {"items": []},
        {"vat_rate": None},
        {"due": None, "note": None, "currency": None},
        {"items": [{"name": "Wörter " * 60, "description": "более " * 80, "qty": 1, "price": 2}]},
        {"seller": {"name": "A", "address": "Line 1\nLine 2"}, "buyer": {"name": "B & <C>"}},
        {"currency": "XYZ", "number": 42},
    ],
)
def test_odd_invoices_still_render(engines: Engines, output_format: str, changes: dict[str, object]) -> None:
    assert render(engines, "invoice", invoice(**changes), output_format).content


@pytest.mark.parametrize(
    ("changes", "path"),
    [
        ({"vat_rate": "abc"}, "vat_rate"),
        ({"vat": "much"}, "vat"),
        ({"subtotal": "€5"}, "subtotal"),
        ({"total": [1]}, "total"),
        ({"items": {"name": "A"}}, "items"),
        ({"items": [{"name": "A", "price": 1}, {"name": "Only a name"}]}, "items[1].price"),
        ({"items": [{"name": "A", "price": "on request"}]}, "items[0].price"),
        ({"items": [{"name": "A", "price": 1, "qty": "two"}]}, "items[0].qty"),
        ({"items": [{"name": "A", "total": "free"}]}, "items[0].total"),
    ],
)
def test_a_pdf_invoice_never_drops_what_it_cannot_add_up(
    engines: Engines, changes: dict[str, object], path: str
) -> None:
    assert refused_at(engines, "invoice", invoice(**changes)) == path


@pytest.mark.parametrize(
    ("changes", "path"),
    [
        ({"sections": {}}, "sections"),
        ({"chart": {"values": [1, "many"]}}, "chart.values[1]"),
        ({"chart": [{"label": "a"}]}, "chart[0].value"),
        ({"chart": None, "chart_values": [True]}, "chart_values[0]"),
        ({"sections": [{"title": "T", "chart": "pie"}]}, "sections[0].chart"),
    ],
)
def test_a_pdf_report_never_draws_what_is_no_number(engines: Engines, changes: dict[str, object], path: str) -> None:
    with pytest.raises(DocumentFailed) as refused:
        render(engines, "report", {**REPORT.sample, **changes}, "pdf")
    assert (refused.value.code, refused.value.error.data_path) == ("data_invalid", path)


@pytest.mark.parametrize(("locale", "words"), [("en", ("yes", "no")), ("ru", ("да", "нет"))])
def test_a_table_says_yes_and_no(engines: Engines, locale: str, words: tuple[str, str]) -> None:
    section = {"title": "T", "rows": [{"paid": True}, {"paid": False}]}
    text = text_of(render(engines, "report", {"title": "R", "sections": [section]}, "pdf", locale).content, "pdf")
    assert [line for line in text.splitlines() if line in words] == list(words)


def test_one_text_is_one_paragraph(engines: Engines) -> None:
    data = {"title": "R", "sections": [{"title": "T", "paras": "Several words in a row."}], "summary": "In short."}
    text = text_of(render(engines, "report", data, "pdf").content, "pdf")
    assert "Several words in a row." in text and "In short." in text


def test_a_long_invoice_repeats_its_header_on_every_page(engines: Engines) -> None:
    items = [{"name": f"Item {number}", "qty": number, "price": 1.5} for number in range(1, 201)]
    rendered = render(engines, "invoice", invoice(items=items), "pdf")
    pages = [page.extract_text() for page in pypdf.PdfReader(io.BytesIO(rendered.content)).pages]
    assert rendered.pages == len(pages) > 4
    assert all("Description" in page for page in pages if "Item " in page)
    assert [
        f"Page {number} of {len(pages)}" in page.replace("\u00a0", " ") for number, page in enumerate(pages, 1)
    ] == [True] * len(pages)
    assert "Item 200" in "".join(pages)


def test_a_long_invoice_repeats_its_header_in_word_too(engines: Engines) -> None:
    items = [{"name": f"Item {number}", "price": 1} for number in range(200)]
    table = docx.Document(io.BytesIO(render(engines, "invoice", invoice(items=items), "docx").content)).tables[3]
    assert len(table.rows) == 201
    assert table.rows[0]._tr.find(".//{*}tblHeader") is not None


@pytest.mark.parametrize("output_format", ["pdf", "docx"])
def test_a_report_shows_contents_tables_and_numbers(engines: Engines, output_format: str) -> None:
    text = text_of(render(engines, "report", REPORT.sample, output_format).content, output_format)
    parts = [
        "Contents",
        "Revenue by region",
        "612,480.50",
        "−6.3",
        "27 Mar 2026",
        "48,200.00",
        "Северный ветер",
        "561.2",
    ]
    assert [part for part in parts if part not in text] == []


@pytest.mark.parametrize("output_format", ["pdf", "docx"])
@pytest.mark.parametrize(
    "changes",
    [
        {"sections": []},
        {"chart": None, "chart_values": [3, 1, 2]},
        {"chart": [1.5, -2, 0]},
        {"chart": {"values": [0, 0]}},
        {"summary": ["One.", "Two."], "subtitle": None},
        {"sections": [{"title": "T", "rows": [{"id": 1, "name": "x"}, {"id": None}]}]},
        {"sections": [{"title": "T", "paras": [], "columns": ["gone"], "rows": [{"a": 1}]}]},
        {"sections": [{"title": "T", "rows": [{f"column {n}": "слово " * 9 for n in range(8)}] * 60}]},
    ],
)
def test_odd_reports_still_render(engines: Engines, output_format: str, changes: dict[str, object]) -> None:
    assert render(engines, "report", {**REPORT.sample, **changes}, output_format).content


def test_the_word_templates_are_what_their_sources_build(tmp_path: Path) -> None:
    built = {name: (TEMPLATES / name / f"{name}.docx").read_bytes() for name in SHIPPED}
    code = (
        f"import pathlib, sys; sys.path.insert(0, {str(TEMPLATES)!r}); sys.dont_write_bytecode = True\n"
        f"from docx_sources import look; look.TEMPLATES = pathlib.Path({str(tmp_path)!r})\n"
        "import docx_sources.__main__"
    )
    for name in built:
        (tmp_path / name).mkdir()
    subprocess.run([sys.executable, "-c", code], check=True)
    assert {name: (tmp_path / name / f"{name}.docx").read_bytes() for name in built} == built
