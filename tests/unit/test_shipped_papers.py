"""Letters, certificates and contracts: what data they take, how they number, compute and fill their pages."""

import io
from typing import Any

import docx
import pypdf
import pytest

from app.services.data_schema import DataSchemas
from contracts.errors import Invalid
from generator.core import Engines, Rendered
from tests.shipped_templates import SHIPPED, render

NAMES = ("letter", "certificate", "contract")


@pytest.fixture(scope="module")
def schemas() -> DataSchemas:
    return DataSchemas()


def pages_of(rendered: Rendered) -> list[str]:
    pages = pypdf.PdfReader(io.BytesIO(rendered.content)).pages
    return [page.extract_text().replace("\u00a0", " ") for page in pages]


def sample(name: str, **changes: object) -> dict[str, Any]:
    return {**SHIPPED[name].sample, **changes}


def section(**content: object) -> dict[str, Any]:
    return sample("contract", sections=[{"title": "T", **content}])


def flaws(schemas: DataSchemas, name: str, data: dict[str, object]) -> list[tuple[str, str, str]]:
    try:
        schemas.check(SHIPPED[name].data_schema, data)
    except Invalid as error:
        return [(flaw.pointer.removeprefix("/data"), flaw.code, flaw.detail) for flaw in error.flaws]
    return []


@pytest.mark.parametrize(
    ("name", "data"),
    [
        ("letter", {"sender": {"name": "A"}, "recipient": {"name": 7}, "paras": "Words."}),
        ("letter", {key: SHIPPED["letter"].sample.get(key) for key in ("sender", "recipient", "paras", "unknown")}),
        (
            "letter",
            sample("letter", date=None, footer=None, signatures=None, enclosures=["a", None], colour={"a": [1]}),
        ),
        ("certificate", {"recipient": "A"}),
        ("certificate", {"recipient": "A", "seal": False, "signatures": [], "date": "in spring", "valid_until": None}),
        ("contract", {"title": "T", "parties": [], "sections": []}),
        ("contract", section(clauses=["a", 1, {"text": "b", "clauses": ["c", {"text": "d", "clauses": ["e"]}]}])),
        ("contract", section(price=None, clauses=None, definitions=None, paras=None)),
        ("contract", section(price={"items": [{"name": "a", "amount": "1 234,50"}], "vat_rate": "20%", "vat": None})),
    ],
)
def test_data_in_full_and_in_part_is_accepted(schemas: DataSchemas, name: str, data: dict[str, object]) -> None:
    assert flaws(schemas, name, data) == []


@pytest.mark.parametrize(
    ("name", "data", "pointer", "says"),
    [
        ("letter", sample("letter", paras=None), "/paras", "The template needs `paras`."),
        ("letter", sample("letter", sender={}), "/sender/name", "The template needs `sender.name`."),
        ("letter", sample("letter", recipient="Acme"), "/recipient", "an object is needed"),
        ("letter", sample("letter", date="2026-02-30"), "/date", "there is no such day"),
        ("letter", sample("letter", subject=["a"]), "/subject", "`subject` is a list"),
        ("letter", sample("letter", footer="a" * 241), "/footer", "a footer is a text of at most 240 characters"),
        ("letter", sample("letter", signatures=["A"]), "/signatures/0", "an object is needed"),
        ("letter", sample("letter", enclosures={"a": 1}), "/enclosures", "a text, a number or a list is needed"),
        ("certificate", {}, "/recipient", "The template needs `recipient`."),
        ("certificate", sample("certificate", seal="no"), "/seal", "true or false is needed"),
        ("certificate", sample("certificate", signatures=[{}] * 5), "/signatures", "at most four sign a certificate"),
        ("certificate", sample("certificate", valid_until="2026-13-01"), "/valid_until", "there is no such day"),
        ("contract", sample("contract", parties=[{"role": "Client"}]), "/parties/0/name", "needs `parties[0].name`"),
        ("contract", sample("contract", initials=1), "/initials", "true or false is needed"),
        ("contract", sample("contract", currency=978), "/currency", "a currency is a short text"),
        ("contract", section(clauses=[["a"]]), "/sections/0/clauses/0", "a clause is a text, or an object"),
        ("contract", section(clauses=[{"title": "a"}]), "/sections/0/clauses/0/text", "sections[0].clauses[0].text"),
        (
            "contract",
            section(clauses=[{"text": "a", "clauses": [{"text": "b", "clauses": [{"text": "c"}]}]}]),
            "/sections/0/clauses/0/clauses/0/clauses/0",
            "there are four levels of numbers",
        ),
        ("contract", section(definitions=[{"term": "a"}]), "/sections/0/definitions/0/meaning", "needs"),
        ("contract", section(price={"items": [{"name": "a"}]}), "/sections/0/price/items/0/amount", "needs"),
        ("contract", section(price={"total": "free"}), "/sections/0/price/total", "an amount is a number"),
        (
            "contract",
            section(price={"vat_rate": "some"}),
            "/sections/0/price/vat_rate",
            "a rate is a number of percent",
        ),
    ],
)
def test_what_cannot_be_printed_truthfully_is_refused(
    schemas: DataSchemas, name: str, data: dict[str, object], pointer: str, says: str
) -> None:
    (found,) = flaws(schemas, name, data)
    assert found[0] == pointer
    assert says in found[2] and found[2].endswith((".", "?"))


@pytest.mark.parametrize("output_format", ["pdf", "docx"])
def test_a_certificate_lies_across(engines: Engines, output_format: str) -> None:
    content = render(engines, "certificate", SHIPPED["certificate"].sample, output_format).content
    if output_format == "pdf":
        (page,) = pypdf.PdfReader(io.BytesIO(content)).pages
        assert page.mediabox.width > page.mediabox.height
    else:
        paper = docx.Document(io.BytesIO(content)).sections[0]
        assert (paper.page_width or 0) > (paper.page_height or 0)


@pytest.mark.parametrize(("seal", "drawn"), [(True, 1), (None, 1), (False, 0)])
def test_a_seal_is_drawn_unless_it_is_not_wanted(engines: Engines, seal: bool | None, drawn: int) -> None:
    word = docx.Document(io.BytesIO(render(engines, "certificate", {"recipient": "A", "seal": seal}, "docx").content))
    assert len(list(word.element.body.iter("{*}inline"))) == drawn


def test_a_long_letter_says_on_later_pages_whose_it_is(engines: Engines) -> None:
    first, *later = pages_of(render(engines, "letter", sample("letter", paras=["A word in a row. " * 40] * 12)))
    assert later and "Page 1" not in first
    for number, page in enumerate(later, 2):
        assert f"Page {number} of {len(later) + 1}" in page
        assert "Blue Harbour Trading Ltd · Framework agreement" in " ".join(page.split())


@pytest.mark.parametrize("lines", range(8, 24))
def test_a_closing_never_parts_from_its_signatures(engines: Engines, lines: int) -> None:
    pages = pages_of(render(engines, "letter", sample("letter", paras=["line"] * lines)))
    (holding,) = [page for page in pages if "Yours faithfully" in page]
    assert "Head of Logistics" in holding


@pytest.mark.parametrize("clauses", range(1, 60, 4))
def test_signatures_of_a_contract_stay_on_one_page(engines: Engines, clauses: int) -> None:
    data = section(clauses=["A clause that says nothing."] * clauses)
    pages = pages_of(render(engines, "contract", data))
    signed = [page for page in pages if "Date: ___" in page]
    assert len(signed) == 1 and signed[0].count("Date: ___") == 2 and "General Manager" in signed[0]


@pytest.mark.parametrize("output_format", ["pdf", "docx"])
def test_clauses_are_numbered_to_four_levels(engines: Engines, output_format: str) -> None:
    clause = {"text": "b", "clauses": ["c", {"text": "d", "clauses": ["e", "f"]}]}
    content = render(engines, "contract", section(clauses=["a", clause]), output_format)
    if output_format == "pdf":
        text = " ".join(" ".join(pages_of(content)).split())
    else:
        text = " ".join(" ".join(one.text for one in docx.Document(io.BytesIO(content.content)).paragraphs).split())
    assert "1.1. a 1.2. b 1.2.1. c 1.2.2. d 1.2.2.1. e 1.2.2.2. f" in text


@pytest.mark.parametrize(
    ("locale", "expected"),
    [
        ("en", ["€0.30", "€1,234.50", "VAT (7.7%)", "€95.08", "€1,329.88"]),
        ("ru", ["0,30 €", "НДС (7,7%)", "1 329,88 €"]),
    ],
)
def test_a_price_is_added_up_exactly(engines: Engines, locale: str, expected: list[str]) -> None:
    items = [{"name": "a", "amount": 0.3}, {"name": "b", "amount": "1 234.50"}]
    text = " ".join(
        pages_of(render(engines, "contract", section(price={"items": items, "vat_rate": 7.7}), locale=locale))
    )
    assert [part for part in expected if part not in text] == []
