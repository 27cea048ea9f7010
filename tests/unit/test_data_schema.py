"""Data that a template cannot print truthfully is refused: every flaw with its place and what is allowed."""

from typing import Any

import jsonschema_rs
import pytest

from app.services.data_schema import LISTED, SEARCHED, DataSchemas
from contracts.errors import Invalid
from generator.shipped import load_shipped

SHIPPED = {template.name: template for template in load_shipped()}


@pytest.fixture(scope="module")
def schemas() -> DataSchemas:
    return DataSchemas()


def flaws(schemas: DataSchemas, template: str, data: dict[str, object]) -> list[tuple[str, str, str]]:
    try:
        schemas.check(SHIPPED[template].data_schema, data)
    except Invalid as error:
        return [(flaw.pointer.removeprefix("/data"), flaw.code, flaw.detail) for flaw in error.flaws]
    return []


def invoice(**changes: object) -> dict[str, Any]:
    return {**SHIPPED["invoice"].sample, **changes}


def report(**changes: object) -> dict[str, Any]:
    return {**SHIPPED["report"].sample, **changes}


def line(**changes: object) -> dict[str, Any]:
    return invoice(items=[{"name": "A", "qty": 1, "price": 2, **changes}])


def section(**changes: object) -> dict[str, Any]:
    return report(sections=[{"title": "T", **changes}])


@pytest.mark.parametrize("name", SHIPPED)
def test_a_shipped_schema_is_a_schema_and_takes_its_sample(schemas: DataSchemas, name: str) -> None:
    jsonschema_rs.meta.validate(SHIPPED[name].data_schema)
    assert flaws(schemas, name, SHIPPED[name].sample) == []


@pytest.mark.parametrize(
    "data",
    [
        invoice(items=[]),
        invoice(due=None, note=None, currency=None, vat_rate=None, iban=None),
        invoice(buyer={"name": "B", "address": ["12 Quay Street", "Dublin"]}),
        invoice(number=42, date="March 2026", due="2028-02-29", note=["One.", "Two."]),
        invoice(subtotal="108 215.32", vat_rate="20%", vat="21 643.06", total="129 858.38", qr_svg="<svg/>", qr=[{}]),
        line(n=1, sku="SKU-56920", qty=25, unit="h", price="155.24", total="3 881.00"),
        line(price="1.234,56", qty="12,5"),
        line(price=None, total=5),
        line(price=1, qty=None, total=None),
        line(colour={"any": True}),
    ],
)
def test_an_invoice_is_accepted(schemas: DataSchemas, data: dict[str, object]) -> None:
    assert flaws(schemas, "invoice", data) == []


@pytest.mark.parametrize(
    "data",
    [
        report(sections=[]),
        report(chart=None, chart_values=[3, -1.5, "2,5"]),
        report(chart=[1, {"label": "b", "value": "1 234.50"}], summary=["One.", None], chart_svg="<svg/>"),
        section(paras="One paragraph.", chart={"title": "C", "values": [1]}),
        section(paras=None, rows=None, columns=None, chart=None, chart_values=None),
        section(rows=[{"id": 1, "date": "2026-07-09", "amount": "1 000.00", "paid": True, "note": None}]),
        section(
            columns=["id", {"key": "x", "title": "X", "align": "right", "digits": 2}, {"key": "y", "digits": None}]
        ),
    ],
)
def test_a_report_is_accepted(schemas: DataSchemas, data: dict[str, object]) -> None:
    assert flaws(schemas, "report", data) == []


@pytest.mark.parametrize(
    ("data", "pointer", "code", "says"),
    [
        (invoice(number=None), "/number", "data_missing", "The template needs `number`."),
        (invoice(number=True), "/number", "data_invalid", "`number` is true: a text or a number is needed."),
        (invoice(date={"y": 2026}), "/date", "data_invalid", "`date` is an object: a text or a number is needed."),
        (invoice(due="2026-02-31"), "/due", "data_invalid", '`due` is "2026-02-31": there is no such day'),
        (invoice(currency=978), "/currency", "data_invalid", "a currency is a code of three letters"),
        (invoice(currency="EURO"), "/currency", "data_invalid", "a currency is a code of three letters"),
        (invoice(currency="1"), "/currency", "data_invalid", "a currency is a code of three letters"),
        (invoice(currency="\u2212"), "/currency", "data_invalid", "a currency is a code of three letters"),
        (invoice(number=" "), "/number", "data_invalid", "a text that is needed may not be blank"),
        (invoice(date=""), "/date", "data_invalid", "a date that is needed may not be blank"),
        (invoice(vat_rate="abc"), "/vat_rate", "data_invalid", '`vat_rate` is "abc": a rate is a number of percent'),
        (invoice(vat_rate=True), "/vat_rate", "data_invalid", "`vat_rate` is true"),
        (invoice(vat="5%"), "/vat", "data_invalid", "an amount is a number"),
        (invoice(total="€5"), "/total", "data_invalid", "an amount is a number, or a number written as text"),
        (invoice(subtotal=1e13), "/subtotal", "data_invalid", "written as text, so that no digit is lost"),
        (invoice(seller="A Ltd"), "/seller", "data_invalid", '`seller` is "A Ltd": an object is needed.'),
        (invoice(buyer={"nmae": "B"}), "/buyer/name", "data_missing", "The data has `buyer.nmae`: is that meant?"),
        (invoice(buyer={"name": "B", "email": ["1"]}), "/buyer/email", "data_invalid", "is a list"),
        (invoice(items={"name": "A"}), "/items", "data_invalid", "`items` is an object: a list is needed."),
        (invoice(items=[None]), "/items/0", "data_invalid", "`items[0]` is null: an object is needed."),
        (invoice(note={"a": 1}), "/note", "data_invalid", "a text, a number or a list is needed"),
        (line(name=True), "/items/0/name", "data_invalid", "`items[0].name` is true"),
        (line(price="on request"), "/items/0/price", "data_invalid", '`items[0].price` is "on request": an amount is'),
        (line(price="€12.50"), "/items/0/price", "data_invalid", "an amount is a number"),
        (line(price="1,234"), "/items/0/price", "data_invalid", "an amount is a number"),
        (line(price=False), "/items/0/price", "data_invalid", "`items[0].price` is false: an amount is a number"),
        (line(qty="two"), "/items/0/qty", "data_invalid", "an amount is a number"),
        (line(price=None), "/items/0/price", "data_missing", "needs `items[0].price` or `items[0].total`."),
        (invoice(items=[{"name": "A", "prise": 1}]), "/items/0/price", "data_missing", "The data has `items[0].prise`"),
        (report(title=None), "/title", "data_missing", "The template needs `title`."),
        (report(sections={}), "/sections", "data_invalid", "`sections` is an object: a list is needed."),
        (report(summary=True), "/summary", "data_invalid", "a text, a number or a list is needed"),
        (report(chart={"title": "C"}), "/chart/values", "data_missing", "The template needs `chart.values`."),
        (report(chart="pie"), "/chart", "data_invalid", "a chart is a list of bars"),
        (report(chart_values=["many"]), "/chart_values/0", "data_invalid", '`chart_values[0]` is "many": a bar is a'),
        (report(chart=[{"label": "a"}]), "/chart/0/value", "data_missing", "The template needs `chart[0].value`."),
        (report(chart=[{"value": True}]), "/chart/0/value", "data_invalid", "a bar's value is a number"),
        (section(title=None), "/sections/0/title", "data_missing", "`sections[0].title`"),
        (section(paras={"a": "b"}), "/sections/0/paras", "data_invalid", "is an object"),
        (section(paras=[["a"]]), "/sections/0/paras/0", "data_invalid", "is a list"),
        (section(rows=["a"]), "/sections/0/rows/0", "data_invalid", "an object is needed"),
        (section(rows=[{"a/b": [1]}]), "/sections/0/rows/0/a~1b", "data_invalid", "a table's cell is a text"),
        (section(columns="id"), "/sections/0/columns", "data_invalid", "a list is needed"),
        (section(columns=[{"title": "X"}]), "/sections/0/columns/0/key", "data_missing", "columns[0].key`"),
        (section(columns=[{"key": "x", "align": "up"}]), "/sections/0/columns/0/align", "data_invalid", '"left"'),
        (
            section(columns=[{"key": "x", "digits": 1.5}]),
            "/sections/0/columns/0/digits",
            "data_invalid",
            "whole number",
        ),
    ],
)
def test_what_cannot_be_printed_truthfully_is_refused(
    schemas: DataSchemas, data: dict[str, object], pointer: str, code: str, says: str
) -> None:
    (found,) = flaws(schemas, "report" if "sections" in data else "invoice", data)
    assert found[:2] == (pointer, code)
    assert says in found[2] and found[2].endswith((".", "?"))


def test_no_data_at_all_names_everything_that_is_needed(schemas: DataSchemas) -> None:
    with pytest.raises(Invalid) as refused:
        schemas.check(SHIPPED["invoice"].data_schema, {})
    assert [flaw.pointer for flaw in refused.value.flaws] == [
        f"/data/{name}" for name in ("number", "date", "seller", "buyer", "items")
    ]
    assert refused.value.message.endswith("The template needs `seller`. (and 2 more)")


def test_the_first_flaws_are_listed_and_the_rest_is_counted(schemas: DataSchemas) -> None:
    with pytest.raises(Invalid) as refused:
        schemas.check(SHIPPED["invoice"].data_schema, invoice(items=[{"name": "A", "price": "?"}] * 30))
    assert len(refused.value.flaws) == LISTED
    assert refused.value.message.endswith("(and 27 more)")


def test_of_very_large_data_only_the_first_flaw_is_named(schemas: DataSchemas) -> None:
    rows = [{"a": 1}] * 3 + [{"a": []}] * SEARCHED
    assert [flaw[0] for flaw in flaws(schemas, "report", section(rows=rows))] == ["/sections/0/rows/3/a"]


def test_a_message_quotes_the_beginning_of_a_long_value(schemas: DataSchemas) -> None:
    ((_, _, detail),) = flaws(schemas, "invoice", invoice(vat_rate="x" * 100_000))
    assert "xxx…" in detail and len(detail) < 200


def test_a_schema_without_words_of_its_own_still_says_what_is_wrong(schemas: DataSchemas) -> None:
    with pytest.raises(Invalid) as refused:
        schemas.check({"properties": {"code": {"pattern": "^[A-Z]{3}$"}}}, {"code": "e" * 1000})
    (flaw,) = refused.value.flaws
    assert flaw.detail == f'`code` is "{"e" * 39}…": it does not match "^[A-Z]{{3}}$".'


@pytest.mark.parametrize(
    "schema",
    [
        {"type": "text"},
        {"properties": {"a": {"$ref": "https://example.com/schema.json"}}},
        {"properties": {"a": {"$ref": "file:///etc/passwd"}}},
        {"format": "no such format"},
        {"pattern": "("},
    ],
)
def test_what_is_no_schema_or_leads_elsewhere_is_an_error(schemas: DataSchemas, schema: dict[str, object]) -> None:
    with pytest.raises(ValueError, match="."):
        schemas.check(schema, {})
