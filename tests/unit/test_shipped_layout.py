"""What the shipped PDFs print stays readable: ugly data neither overlaps nor leaves the page."""

from typing import Any

import pytest

from generator.core import Engines
from tests.pdf_layout import Layout
from tests.shipped_templates import SHIPPED, flaws, printed

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
        "seller": {"name": WIDE, "address": WIDE, "iban": "IE29AIBK93115212345678"},
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


def section(**content: object) -> dict[str, object]:
    return {"sections": [{"title": "Costs", "paras": ["Some words."], **content}]}


def table(columns: int, value: object, rows: int = 3, title: str = "column") -> dict[str, object]:
    return section(rows=[{f"{title} {number}": value for number in range(columns)}] * rows)


REPORTS: dict[str, dict[str, Any]] = {
    "the sample": {},
    "twelve columns of amounts": table(12, 123456.78),
    "twenty columns of amounts": table(20, 123456.78, rows=60),
    "twenty columns of long words": table(20, LONG, title=LONG),
    "forty columns": table(40, "text"),
    "long words": {
        "title": LONG,
        "subtitle": WIDE,
        "author": LONG * 2,
        "summary": [WIDE, LONG],
        **section(title=LONG, paras=[WIDE, LONG * 3], rows=[{"id": 1, LONG: LONG, "b": WIDE}] * 3),
    },
    "wide letters": section(rows=[{"a": "W" * 34, "b": "ЩЖЮ " * 9, "c": "日" * 30, "d": "AAAA MMMM " * 3}] * 5),
    "a number among long texts": section(rows=[{**{f"t{n}": "word " * 7 for n in range(5)}, "n": HUGE}] * 3),
    "a longer number after many rows": section(rows=[{"a": "text " * 6, "n": 1}] * 300 + [{"a": "b", "n": HUGE}]),
    "numbers of fifteen digits": table(6, 987654321987.65),
    "rows of many lines": section(rows=[{"a": "some words " * 40, "b": "more\nlines"}] * 30),
    "a row longer than a page": section(rows=[{"a": "some words " * 900, "b": 1}, {"a": "x", "b": 2}]),
    "sixty bars": {"chart": list(range(60))},
    "sixty labelled bars": section(chart=[{"label": f"Region {n}", "value": n * 1234.5 - 9000} for n in range(60)]),
    "long labels": {"chart": {"title": LONG, "values": [{"label": LONG, "value": HUGE}, {"label": WIDE, "value": -5}]}},
    "labels of words": {
        "chart": [{"label": "a label of several words " * 5, "value": 5}, {"label": "b", "value": 0.1 + 0.2}]
    },
    "labels of two lines": {"chart": [{"label": "one\ntwo", "value": 5}]},
    "four hundred bars": {"chart": [n * 0.37 for n in range(400)]},
    "empty sections": {"sections": [{"title": "Costs"}, {"title": "Rent", "rows": []}, {"title": ""}]},
    "long titles": {
        "title": "Sales in the first quarter " * 9,
        "subtitle": "in all regions " * 20,
        **section(title="Costs " * 40),
    },
    "landscape in between": {
        "sections": [
            {"title": "A", "paras": ["p"]},
            {"title": "B", "rows": [{f"c{number}": 123456.78 for number in range(20)}]},
            {"title": "C"},
        ]
    },
}


@pytest.mark.parametrize("locale", ["en", "ru"])
def test_nothing_in_an_ugly_invoice_overlaps_or_leaves_its_page(engines: Engines, locale: str) -> None:
    found = {
        case: flaws(printed(engines, "invoice", {**SAMPLE, **changes}, locale))[:4]
        for case, changes in INVOICES.items()
    }
    assert {case: flawed for case, flawed in found.items() if flawed} == {}


@pytest.mark.parametrize("locale", ["en", "ru"])
def test_nothing_in_an_ugly_report_overlaps_or_leaves_its_page(engines: Engines, locale: str) -> None:
    sample = SHIPPED["report"].sample
    found = {
        case: flaws(printed(engines, "report", {**sample, **changes}, locale))[:4] for case, changes in REPORTS.items()
    }
    assert {case: flawed for case, flawed in found.items() if flawed} == {}


def words(layout: Layout) -> str:
    return " ".join(run.text for run in layout.runs).replace("\u00a0", " ")


def test_a_column_of_floats_shows_no_digits_that_nobody_wrote(engines: Engines) -> None:
    rows = [{"mixed": 12345.678, "noise": 0.1 + 0.2}, {"mixed": 0.123456, "noise": 2}, {"mixed": 7, "noise": 1.25}]
    chart = [0.1 + 0.2]
    shown = words(printed(engines, "report", {"title": "T", **section(rows=rows, chart=chart)}, "en"))
    assert [one for one in ("12,345.678", "0.123456", "0.30", "2.00", "1.25", "0.3") if one not in shown.split()] == []
    assert "678000" not in shown and "0.300000" not in shown


@pytest.mark.parametrize(
    ("content", "lead"), [({"rows": [{"first": "cell", "b": 1}] * 5}, "cell"), ({"chart": [3, 1, 2.5]}, "2.5")]
)
def test_a_heading_stays_with_its_words_and_what_they_lead_to(
    engines: Engines, content: dict[str, object], lead: str
) -> None:
    pages = set()
    for rows in range(14, 36):
        before = {"title": "Before", "rows": [{"a": f"row {number}"} for number in range(rows)]}
        data = {"title": "T", "sections": [before, {"title": "Costs", "paras": ["Some words."], **content}]}
        runs = [(run.text.strip(), run.page) for run in printed(engines, "report", data, "en").runs]
        heading = max(page for text, page in runs if text == "Costs")
        assert ("Some words.", heading) in runs
        assert min(page for text, page in runs if text == lead) == heading
        pages.add(heading)
    assert pages == {0, 1}


def test_rows_of_a_table_break_between_pages_under_a_repeated_header(engines: Engines) -> None:
    rows = [{"text": f"begin{number} " + "some words " * 70 + f"end{number}"} for number in range(30)]
    layout = printed(engines, "report", {"title": "T", **section(rows=rows)}, "en")
    pages = [" ".join(run.text for run in layout.runs if run.page == page) for page in range(len(layout.pages))]
    assert len(pages) > 3 and all("Text" in page.split() for page in pages)
    for number in range(30):
        assert any(f"begin{number} " in page and f"end{number} " in page + " " for page in pages), number


def test_wide_tables_get_a_page_on_its_side_and_others_do_not(engines: Engines) -> None:
    def sides(columns: int) -> list[bool]:
        layout = printed(engines, "report", {"title": "T", **table(columns, 123456.78)}, "en")
        return [width > height for width, height in layout.pages]

    assert (sides(6), sides(20)) == ([False], [False, True])


def test_title_and_subtitle_keep_their_distance(engines: Engines) -> None:
    layout = printed(engines, "report", {"title": "Цена щуки", "subtitle": "За год", "sections": []}, "ru")
    title, subtitle = (next(run for run in layout.runs if run.text.startswith(word)) for word in ("Цена", "За"))
    assert title.bottom - subtitle.bottom > 20
