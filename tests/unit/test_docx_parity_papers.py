"""The shipped Word letters, certificates and contracts say what the PDFs say, for the same data, in every language."""

import re
from collections import Counter

import pytest

from generator.core import Engines
from tests.shipped_templates import SHIPPED, refused_at, render
from tests.unit.word_parity import difference

LETTER = {"sender": {"name": "Blue Harbour"}, "recipient": {"name": "Acme GmbH"}, "paras": "Words."}
CERTIFICATE = {"recipient": "Harbour Logistics Team"}
CONTRACT = {"title": "Lease", "parties": [{"name": "Blue Harbour"}], "sections": [{"title": "Rent"}]}
PARTIES = [{"name": name, "role": f"The {name}"} for name in ("First", "Second", "Third")]


def letter(**changes: object) -> dict[str, object]:
    return {**LETTER, **changes}


def certificate(**changes: object) -> dict[str, object]:
    return {**CERTIFICATE, **changes}


def contract(**changes: object) -> dict[str, object]:
    return {**CONTRACT, **changes}


def section(**content: object) -> dict[str, object]:
    return contract(currency="EUR", sections=[{"title": "Rent", **content}])


CASES: dict[str, dict[str, dict[str, object]]] = {
    "letter": {
        "the sample": SHIPPED["letter"].sample,
        "the least": LETTER,
        "nothing at all": {},
        "nulls": letter(**dict.fromkeys(SHIPPED["letter"].sample.keys() - LETTER.keys())),
        "empty texts": letter(**dict.fromkeys(SHIPPED["letter"].sample.keys() - LETTER.keys() - {"signatures"}, "")),
        "empty lists": letter(paras=[], signatures=[], enclosures=[], copies=[]),
        "numbers": letter(reference=7, your_reference=1.5, subject=2026, place=-3, paras=[1, None, "x"]),
        "lines": letter(
            sender={"name": "A\nB", "address": "Street\nTown"},
            recipient={"name": "C\n\nD", "address": ["E\nF", "G"]},
            paras="first\nsecond",
            closing="one\ntwo",
            footer="a\nb",
        ),
        "a place, a date that is none": letter(place="Dublin", date="soon"),
        "a date only": letter(date="2026-03-01"),
        "one signature": letter(signatures=[{"name": "Office"}]),
        "three signatures": letter(
            signatures=[{"name": "A"}, {"role": "B"}, {"name": "C", "role": None}], closing="Bye"
        ),
        "Cyrillic": letter(subject="О поставке", salutation="Коллеги!", paras=["Первый.", "Второй."], closing="Пока"),
    },
    "certificate": {
        "the sample": SHIPPED["certificate"].sample,
        "the least": CERTIFICATE,
        "nothing at all": {},
        "nulls": certificate(**dict.fromkeys(SHIPPED["certificate"].sample.keys() - {"recipient"})),
        "empty texts": certificate(
            **dict.fromkeys(SHIPPED["certificate"].sample.keys() - {"recipient", "signatures"}, "")
        ),
        "no seal": certificate(seal=False, signatures=[]),
        "a seal": certificate(seal=True),
        "own words": certificate(title="Diploma", intro="We thank", text=["One.", "Two."], award="Care", details=7),
        "numbers": certificate(recipient=42, number=7, date=2026, place=1),
        "one fact": certificate(valid_until="2026-12-31"),
        **{
            f"{many} signatures": certificate(signatures=[{"name": f"N{at}", "role": f"R{at}"} for at in range(many)])
            for many in (1, 2, 3, 4)
        },
        "signatures in part": certificate(signatures=[{"name": None}, {"role": "Head"}, {}]),
        "Cyrillic": certificate(issuer="Академия", recipient="Отдел логистики", text="прошёл курс", award="Склад"),
    },
    "contract": {
        "the sample": SHIPPED["contract"].sample,
        "the least": CONTRACT,
        "nothing at all": {},
        "nulls": contract(**dict.fromkeys(SHIPPED["contract"].sample.keys() - CONTRACT.keys())),
        "empty texts": contract(**dict.fromkeys(("number", "date", "place", "preamble", "currency", "annexes"), "")),
        "a party of nulls": contract(
            parties=[{**dict.fromkeys(SHIPPED["contract"].sample["parties"][0]), "name": "A"}]  # type: ignore[index]
        ),
        "nobody": contract(parties=[], initials=True),
        "three parties": contract(parties=PARTIES, initials=True),
        "lines": contract(parties=[{"name": "A\nB", "address": ["C", "D\nE"], "bank": "F\nG"}], annexes="one\ntwo"),
        "sections of nulls": section(paras=None, definitions=None, clauses=None, price=None),
        "clauses": section(
            paras=["p", "q"],
            clauses=["a", 7, {"text": "b", "title": "B.", "clauses": ["c", {"text": "d", "clauses": ["e", 8]}]}],
        ),
        "definitions": section(definitions=[{"term": "Rent", "meaning": "what is paid"}, {"term": 1, "meaning": 2}]),
        "no price": section(price={}),
        "items": section(price={"items": [{"name": "a", "amount": 0.1}, {"name": "b", "amount": "1 234.205"}]}),
        "items and a rate": section(price={"items": [{"name": "a", "amount": 100.05}], "vat_rate": "7,7"}),
        "a rate with its sign": section(price={"subtotal": 100, "vat_rate": "20 %"}),
        "sums as given": section(price={"subtotal": "1 000.00", "vat": 200, "total": "1 200.00"}),
        "a total only": section(price={"total": 5}),
        "a tax of nothing known": section(price={"vat": 5}),
        "a price without a currency": contract(sections=[{"title": "T", "price": {"total": -1234.5}}]),
        "Cyrillic": contract(
            title="Договор",
            number="7-К",
            parties=[{"name": "ООО «Гавань»", "role": "Исполнитель", "vat": "7700000000"}],
        ),
    },
}
REFUSED: list[tuple[str, dict[str, object], str]] = [
    ("letter", letter(signatures={"name": "A"}), "signatures"),
    ("certificate", certificate(signatures="A"), "signatures"),
    ("contract", contract(parties={"name": "A"}), "parties"),
    ("contract", contract(sections="all"), "sections"),
    ("contract", section(clauses="a"), "sections[0].clauses"),
    ("contract", section(definitions="a"), "sections[0].definitions"),
    ("contract", section(clauses=["a", {"text": "b", "clauses": "c"}]), "sections[0].clauses[1].clauses"),
    ("contract", section(price={"items": {}}), "sections[0].price.items"),
    ("contract", section(price={"items": [{"name": "a", "amount": "much"}]}), "sections[0].price.items[0].amount"),
    ("contract", section(price={"items": [{"name": "a"}]}), "sections[0].price.items[0].amount"),
    ("contract", section(price={"total": "free"}), "sections[0].price.total"),
    ("contract", section(price={"vat_rate": "some"}), "sections[0].price.vat_rate"),
]
#: Lines to write on, in Word.
BLANK = re.compile("_{2,}")


@pytest.mark.parametrize("locale", ["en", "en-US", "ru"])
@pytest.mark.parametrize(("name", "case"), [(name, case) for name in CASES for case in CASES[name]])
def test_word_says_what_the_pdf_says(engines: Engines, name: str, case: str, locale: str) -> None:
    pdf, word = (render(engines, name, CASES[name][case], output_format, locale) for output_format in ("pdf", "docx"))
    assert difference(pdf, word, BLANK) == (Counter(), Counter())
    assert word.warnings == pdf.warnings


@pytest.mark.parametrize("output_format", ["pdf", "docx"])
@pytest.mark.parametrize(("name", "data", "path"), REFUSED)
def test_word_refuses_what_the_pdf_refuses(
    engines: Engines, name: str, data: dict[str, object], path: str, output_format: str
) -> None:
    assert refused_at(engines, name, data, output_format) == path
