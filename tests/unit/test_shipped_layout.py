"""What the shipped PDFs print stays readable: ugly data neither overlaps nor leaves the page."""

import json
from typing import Any

import pytest

from generator.core import Engines, RenderRequest, generate
from generator.shipped import load_shipped
from tests.pdf_layout import Layout, layout_of

SHIPPED = {template.name: template for template in load_shipped()}
MARGIN_PT = 18 / 25.4 * 72
BOTTOM_PT = 20
LONG = "Donaudampfschifffahrtselektrizitätenhauptbetriebswerkbauunterbeamtengesellschaftswesen"
WIDE = "W" * 90
HUGE = 123456789012.34
SAMPLE = SHIPPED["invoice"].sample
PARTY = {"name": WIDE, "address": LONG, "vat": LONG, "email": LONG + "@example.org", "phone": "+" + "1" * 85}


def line(**changes: object) -> dict[str, object]:
    return {"name": "Bolt", "qty": 2, "price": 1.5, **changes}


INVOICES: dict[str, dict[str, Any]] = {
    "the sample": {},
    "twelve digits": {"items": [line(price=987654321987.65), line(qty=1)] * 2},
    "twelve digits in all columns": {
        "currency": "RUB",
        "items": [line(qty=123456.789, price=HUGE, sku="SKU-1234567890", unit="упаковка")] * 3,
    },
    "millions of millions": {"items": [line(qty=1e12, price=1e12, sku="A-1", unit="pcs")]},
    "numbers and marks that cannot stand in one line": {
        "items": [line(n="1" * 40, qty=123456789.123, price="99999999999.99", sku="6" * 90, unit="5" * 90)],
        "vat_rate": "1234567.891",
        "total": "999999999999.9999999999",
    },
    "long words": {
        "seller": {**PARTY, "iban": LONG, "bank": LONG},
        "buyer": PARTY,
        "number": "INV-" + "2026" * 30,
        "note": LONG,
        "items": [line(name=LONG, description=LONG, sku=LONG, unit=LONG)] * 3,
    },
    "wide letters": {
        "seller": {**SAMPLE["seller"], "name": WIDE, "address": WIDE},  # type: ignore[dict-item]
        "items": [line(name="W" * 36, sku="W" * 10, unit="WWWWWWWW"), line(name="щ" * 30), line(name="日" * 40)],
        "number": "W" * 40,
        "note": WIDE,
    },
    "long sentences": {
        "seller": {"name": "Blue Harbour Trading and Shipping Company " * 4, "address": "12 Quay Street, " * 12},
        "items": [line(name="A galvanised bolt " * 9, description="as ordered by telephone " * 40), line()] * 30,
        "number": "2026 / 03 / 01 " * 9,
        "date": "on the first of March in the year of two thousand and twenty-six",
        "due": "at the end of the month after next, but not before the delivery",
        "note": "Payment within 30 days. " * 60,
    },
    "a thousand lines": {"items": [line(name=f"Item {number}") for number in range(1000)]},
    "a line longer than a page": {"items": [line(name="word " * 3000), line()]},
    "lines of text": {"items": [line(name="one\ntwo"), line(sku="a\nb"), line(unit="c\nd")]},
}


@pytest.fixture(scope="module")
def engines() -> Engines:
    return Engines()


def printed(engines: Engines, name: str, data: dict[str, Any], locale: str) -> Layout:
    request = RenderRequest(SHIPPED[name].bundle, json.dumps(data).encode(), "pdf", 1_772_323_200_000, locale)
    return layout_of(generate(request, engines).content)


def flaws(layout: Layout) -> list[str]:
    """Name what is printed over something else, or in the margins (the footer stands in the one at the bottom)."""
    over = [f"page {one.page + 1}: {one.text!r} over {other.text!r}" for one, other in layout.overlapping()]
    out = [f"page {run.page + 1}: {run.text!r} in the margin" for run in layout.outside(BOTTOM_PT)]
    width = [
        run for run in layout.runs if run.left < MARGIN_PT - 1 or run.right > layout.pages[run.page][0] - MARGIN_PT + 1
    ]
    return over + out + [f"page {run.page + 1}: {run.text!r} beside the text" for run in width]


@pytest.mark.parametrize("locale", ["en", "ru"])
def test_nothing_in_an_ugly_invoice_overlaps_or_leaves_its_page(engines: Engines, locale: str) -> None:
    found = {
        case: flaws(printed(engines, "invoice", {**SAMPLE, **changes}, locale))[:4]
        for case, changes in INVOICES.items()
    }
    assert {case: flawed for case, flawed in found.items() if flawed} == {}
