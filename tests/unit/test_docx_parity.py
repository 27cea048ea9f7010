"""The shipped Word templates say what the shipped PDFs say: the same words for the same data, in every language."""

import re
from collections import Counter
from collections.abc import Mapping

import pytest

from generator.core import Engines
from tests.shipped_templates import SHIPPED, refused_at, render
from tests.unit.word_parity import difference

INVOICE, REPORT = SHIPPED["invoice"].sample, SHIPPED["report"].sample
SELLER = {"name": "Blue Harbour", "address": "12 Quay Street", "vat": "IE1", "email": "a@b.ie", "phone": "+353 1 2"}
BARE_INVOICE = {"number": "7", "date": "2026-03-01", "seller": {"name": "A"}, "buyer": {"name": "B"}}
BARE_REPORT = {"title": "Costs", "sections": [{"title": "Rent"}]}


def items(*rows: Mapping[str, object], **more: object) -> dict[str, object]:
    return {**BARE_INVOICE, "currency": "EUR", "items": list(rows), **more}


def section(**content: object) -> dict[str, object]:
    return {"title": "Costs", "sections": [{"title": "Rent", **content}]}


INVOICES: dict[str, dict[str, object]] = {
    "the sample": INVOICE,
    "the least": items({"name": "x", "price": 3}),
    "nothing at all": {},
    "no items": items(),
    "every field": {
        **INVOICE,
        "seller": {**SELLER, "iban": "IE29AIBK93115212345678", "bank": "AIB, Dublin"},
        "buyer": {**SELLER, "name": "Acme"},
    },
    "nulls": items({"name": "x", "price": 1}, due=None, note=None, vat_rate=None, seller={"name": "A", "vat": None}),
    "empty texts": items({"name": "x", "unit": "", "sku": "", "price": 1}, due="", note=""),
    "no unit, no SKU": items({"name": "x", "qty": 2, "price": 3.5}, {"name": "y", "price": "1.005"}),
    "a unit and a total": items(
        {"name": "x", "unit": "h", "total": 12.5}, {"name": "y", "qty": 3, "total": "1 234.50"}
    ),
    "no quantity": items({"name": "x", "price": 2}, {"name": "y", "qty": None, "price": 2}, {"name": "z", "total": 4}),
    "own line numbers": items(*({"n": own, "name": "x", "price": 1} for own in ("A1", 7, None))),
    "whole floats": items({"name": "x", "qty": 2.0, "price": 7.0}, {"name": "y", "qty": 1500, "price": 1e-7}),
    "texts for numbers": items({"name": "x", "qty": "12,5", "price": "1,234.50"}, {"name": "y", "price": "1.234,50"}),
    "negative amounts": items({"name": "x", "qty": -2, "price": 3.5}, vat_rate=20, number=-42),
    "a rate with its sign": items({"name": "x", "price": 100}, vat_rate="20 %"),
    "a rate with a comma": items({"name": "x", "price": 100}, vat_rate="7,7"),
    "a rate of nothing": items({"name": "x", "price": 100}, vat_rate=0.0),
    "tax without a rate": items({"name": "x", "price": 100}, vat=10),
    "given sums": items({"name": "x", "price": 1}, subtotal="1 000.00", vat="200.00", total="1 200.00"),
    "an IBAN of the invoice": items({"name": "x", "price": 3}, iban="DE89370400440532013000"),
    "an IBAN that is none": items({"name": "x", "price": 3}, seller={"name": "A", "iban": "on request", "bank": "B"}),
    "lists": items(
        {"name": "x", "price": 3}, note=["One.", "Two."], seller={"name": "A", "address": ["Street", "Town"]}
    ),
    "booleans": items({"name": True, "unit": False, "price": 1}, note=True),
    "no currency": items({"name": "x", "price": 1}, currency=None),
    "an unknown currency": items({"name": "x", "price": 1}, currency="XYZ"),
    "a currency without cents": items({"name": "x", "price": 10.5}, currency="JPY"),
    "dates that are none": items({"name": "x", "price": 3}, date="soon", due="2026-02-30"),
}
REPORTS: dict[str, dict[str, object]] = {
    "the sample": REPORT,
    "the least": BARE_REPORT,
    "nothing at all": {},
    "a section without a title": {"title": "Costs", "sections": [{"paras": ["p"]}, {}]},
    "no sections": {"title": "Costs", "sections": []},
    "every field": {
        **BARE_REPORT,
        "subtitle": "2026",
        "author": "B",
        "date": "2026-03-31",
        "summary": "Less.",
        "chart": [1],
    },
    "nulls": {**BARE_REPORT, "subtitle": None, "author": None, "date": None, "summary": None, "chart": None},
    "a summary of two paragraphs": {**BARE_REPORT, "summary": ["One.", "Two."]},
    "a number for a title": {**BARE_REPORT, "title": 2026, "date": "March 2026"},
    "two sections": {"title": "Costs", "sections": [{"title": "Rent", "paras": ["a", "b"]}, {"title": "Heating"}]},
    "a chart as a list": {**BARE_REPORT, "chart": [1.5, -2, 0, "1 234.5"]},
    "a chart below zero": {**BARE_REPORT, "chart": {"title": "Loss", "values": [-1, -2.25]}},
    "a chart of zeros": {**BARE_REPORT, "chart": {"values": [0, 0]}},
    "a chart of nothing": {**BARE_REPORT, "chart": {"title": "None", "values": []}},
    "plain chart values": {**BARE_REPORT, "chart": None, "chart_values": [3, 1, 2]},
    "a chart before its values": {**BARE_REPORT, "chart": [4], "chart_values": [3, 1, 2]},
    "a chart of labels and texts": {
        **BARE_REPORT,
        "chart": {"values": [{"label": "a", "value": "12,5"}, {"label": 7, "value": -3.0}, {"value": "1,234.50"}]},
    },
    "a chart in a section": section(chart={"title": "In", "values": [{"label": "q", "value": 5}]}, paras=["p"]),
    "chart values in a section": section(chart_values=[1, -2, 3], rows=[{"a": 1}]),
    "columns by key": section(columns=["b", "a_c"], rows=[{"a_c": 1.25, "b": "x"}, {"a_c": 3, "b": None}]),
    "columns described": section(
        columns=[
            {"key": "a", "align": "left", "digits": 3},
            {"key": "b", "title": "Bee", "align": "right"},
            {"key": "c", "title": None, "digits": None},
            {"key": "d", "title": "", "digits": 0},
        ],
        rows=[{"a": 1, "b": "t", "c": 2.5, "d": 1.5}, {"a": "7", "b": "2026-03-01", "c": 1.125, "d": 12345}],
    ),
    "columns of the first row": section(
        rows=[{"id": 1, "sku": "x", "amount_due": 2.5}, {"id": 2, "amount_due": 10.25}]
    ),
    "a column that is not there": section(columns=["gone"], rows=[{"a": 1}]),
    "columns without rows": section(columns=["a"], rows=[]),
    "floats": section(rows=[{"a": 1.0, "b": 0.1 + 0.2, "c": 1e-7, "d": -1.5, "e": -3}, {"a": 2, "b": 3, "d": 5.0}]),
    "floats of many digits": section(
        rows=[
            {"a": 12345.678, "b": 0.1 + 0.2, "c": 1.5},
            {"a": 0.123456, "b": 7, "c": 2.25},
            {"a": 7, "b": 1e-7, "c": 1000},
        ]
    ),
    "a chart of noise": {**BARE_REPORT, "chart": [0.1 + 0.2, 1234.5678901, "0.12345678"]},
    "dates and numbers as text": section(rows=[{"a": "2026-03-01", "b": "1 234.50", "c": "-5", "d": "1" * 45 + ".5"}]),
    "booleans": section(
        rows=[{"a": True, "b": False, "c": [True, None]}], paras=[False], chart={"title": True, "values": [1]}
    ),
    "one text for paragraphs": section(paras="Several words in a row."),
    "lists and objects": section(rows=[{"a": [1, -2], "b": {"x": 1.0, "y": "z"}, "c": None}]),
    "twelve columns": section(rows=[{f"c{column}": column for column in range(12)}]),
}
REFUSED: list[tuple[str, dict[str, object], str]] = [
    ("invoice", {"vat_rate": "abc"}, "vat_rate"),
    ("invoice", {"vat": "much"}, "vat"),
    ("invoice", {"subtotal": "€5"}, "subtotal"),
    ("invoice", {"total": [1]}, "total"),
    ("invoice", {"items": {"name": "A"}}, "items"),
    ("invoice", {"items": [{"name": "A", "price": 1}, {"name": "Only a name"}]}, "items[1].price"),
    ("invoice", {"items": [{"name": "A", "price": "on request"}]}, "items[0].price"),
    ("invoice", {"items": [{"name": "A", "price": 1, "qty": "two"}]}, "items[0].qty"),
    ("invoice", {"items": [{"name": "A", "total": "free"}]}, "items[0].total"),
    ("report", {"sections": "none"}, "sections"),
    ("report", {"chart": {"values": [1, "many"]}}, "chart.values[1]"),
    ("report", {"chart": [{"label": "a"}]}, "chart[0].value"),
    ("report", {"chart": None, "chart_values": [True]}, "chart_values[0]"),
    ("report", {"sections": [{"title": "T"}, {"title": "T", "chart": "pie"}]}, "sections[1].chart"),
]
CASES = [("invoice", name) for name in INVOICES] + [("report", name) for name in REPORTS]
#: In the contents of a PDF: dots and the page's number.
LEADER = re.compile(r"(?: ?\.){4,}\s*\d*")
#: What the sample report, the only one of two pages, says again on its second: a table's header.
REPEATED = Counter("date client product amount, eur".split())


@pytest.mark.parametrize("locale", ["en", "en-US", "ru"])
@pytest.mark.parametrize(("name", "case"), CASES)
def test_word_says_what_the_pdf_says(engines: Engines, name: str, case: str, locale: str) -> None:
    data = {"invoice": INVOICES, "report": REPORTS}[name][case]
    pdf, word = (render(engines, name, data, output_format, locale) for output_format in ("pdf", "docx"))
    only_word, only_pdf = difference(pdf, word, LEADER)
    assert only_word == Counter()
    assert only_pdf <= (REPEATED if pdf.pages == 2 else Counter())
    assert word.warnings == pdf.warnings


@pytest.mark.parametrize("output_format", ["pdf", "docx"])
@pytest.mark.parametrize(("name", "changes", "path"), REFUSED)
def test_word_refuses_what_the_pdf_refuses(
    engines: Engines, name: str, changes: dict[str, object], path: str, output_format: str
) -> None:
    assert refused_at(engines, name, {**SHIPPED[name].sample, **changes}, output_format) == path
