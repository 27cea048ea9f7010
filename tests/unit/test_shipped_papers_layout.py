"""What the shipped letters, certificates and contracts print stays readable, whatever the data."""

from typing import Any

import pytest

from generator.core import Engines
from tests.shipped_templates import SHIPPED, flaws, printed

LONG = "Donaudampfschifffahrtselektrizitätenhauptbetriebswerkbauunterbeamtengesellschaftswesen"
WIDE, CYRILLIC, SHORT_WIDE = "W" * 90, "Щ" * 90, "W" * 36
SENTENCE = "An agreement on the storage and handling of goods in transit."
RUSSIAN = "Договор на складскую обработку и перевозку грузов."


def signatures(*names: str) -> list[dict[str, object]]:
    return [{"name": name, "role": name} for name in names]


def letter(word: str) -> dict[str, object]:
    contact = {"name": word, "address": [word, word], "phone": word, "email": word, "web": word}
    texts = dict.fromkeys(("place", "reference", "your_reference", "subject", "salutation", "closing"), word)
    return {
        "sender": contact,
        "recipient": {"name": word, "address": [word] * 3},
        "paras": [word] * 3,
        "signatures": signatures(word, word, word),
        "enclosures": word,
        "copies": [word],
        "footer": word[:240],
        "date": word,
        **texts,
    }


def certificate(word: str, signed: int = 4) -> dict[str, object]:
    keys = ("issuer", "title", "subtitle", "intro", "recipient", "text", "award", "details", "number", "date", "place")
    return {**dict.fromkeys(keys, word), "valid_until": word, "signatures": signatures(*[word] * signed)}


def party(word: str) -> dict[str, object]:
    keys = "name role represented_by registration vat kpp bank account correspondent bic iban email phone".split()
    return {**dict.fromkeys(keys, word), "address": [word, word], "signatory": word, "signatory_role": word}


def contract(word: str) -> dict[str, object]:
    nested = {"title": word, "text": word, "clauses": [word, {"title": word, "text": word, "clauses": [word]}]}
    price = {"items": [{"name": word, "amount": 1234.5}], "vat_rate": 20}
    section = {
        "title": word,
        "paras": word,
        "definitions": [{"term": word, "meaning": word}],
        "clauses": [nested, word],
    }
    texts = dict.fromkeys(("title", "number", "date", "place", "preamble", "annexes"), word)
    parties = [party(word)] * 3
    return {**texts, "parties": parties, "sections": [{**section, "price": price}] * 2, "initials": True}


CLAUSE = {"text": SENTENCE, "clauses": [SENTENCE, {"text": " ".join([RUSSIAN] * 3), "clauses": [SENTENCE] * 3}]}
HUGE = {"items": [{"name": "All", "amount": "123456789012345.67"}] * 2, "vat_rate": 20}
CASES: dict[str, tuple[str, dict[str, Any]]] = {
    **{
        f"a {name} of {title}": (name, data(word))  # type: ignore[operator]
        for name, data in (("letter", letter), ("certificate", certificate), ("contract", contract))
        for title, word in {
            "long words": LONG,
            "wide letters": WIDE,
            "wide Cyrillic": CYRILLIC,
            "words almost too wide": SHORT_WIDE,
            "sentences": " ".join([SENTENCE] * 3),
            "Russian sentences": " ".join([RUSSIAN] * 3),
            "lines": "one\ntwo\nthree",
            "nothing": "",
        }.items()
    },
    "a letter of pages": ("letter", {**letter("word"), "paras": [" ".join([SENTENCE] * 9)] * 20}),
    "a letter whose closing fills pages": ("letter", {**letter("word"), "closing": " ".join([SENTENCE] * 200)}),
    "a letter with an address of twenty lines": (
        "letter",
        {**letter("word"), "recipient": {"name": "Acme", "address": ["line"] * 20}},
    ),
    "a certificate for one": ("certificate", certificate("Harbour Logistics Team", 1)),
    "a certificate for a long story": ("certificate", {**certificate("word"), "text": " ".join([SENTENCE] * 60)}),
    "a certificate signed with a story": ("certificate", certificate(" ".join([SENTENCE] * 40))),
    "a contract of forty clauses": (
        "contract",
        {**contract("word"), "sections": [{"title": SENTENCE, "clauses": [CLAUSE] * 10}] * 4},
    ),
    "a contract of 120 sections": (
        "contract",
        {**contract("word"), "sections": [{"title": "T", "clauses": [CLAUSE] * 2}] * 120},
    ),
    "a contract of 120 clauses in each": (
        "contract",
        {**contract("word"), "sections": [{"title": "T", "clauses": [{"text": "a", "clauses": ["b"] * 120}] * 12}]},
    ),
    "a contract that is dear": (
        "contract",
        {**contract("word"), "currency": "RUB", "sections": [{"title": "T", "price": HUGE}]},
    ),
    "a contract whose details fill pages": (
        "contract",
        {**contract("word"), "parties": [party(" ".join([SENTENCE] * 20))] * 3},
    ),
}


@pytest.mark.parametrize("locale", ["en", "ru"])
@pytest.mark.parametrize("case", CASES)
def test_nothing_overlaps_or_leaves_its_page(engines: Engines, case: str, locale: str) -> None:
    name, data = CASES[case]
    assert flaws(printed(engines, name, data, locale))[:6] == []


@pytest.mark.parametrize("name", ["letter", "certificate", "contract"])
def test_the_sample_stays_on_its_pages(engines: Engines, name: str) -> None:
    layout = printed(engines, name, SHIPPED[name].sample, "en")
    assert flaws(layout) == [] and len(layout.pages) == (2 if name == "contract" else 1)
