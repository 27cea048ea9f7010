"""What DOCX templates get in one call: tables whose words fit, bars as tall as their values, an invoice's lines."""

from typing import Any

import pytest

from contracts.errors import DocumentFailed
from generator.renderers.docx.charts import bars
from generator.renderers.docx.filters import paragraphs
from generator.renderers.docx.lines import lines
from generator.renderers.docx.tables import table
from generator.renderers.formatting import locale_for

ENGLISH, RUSSIAN = locale_for("en"), locale_for("ru")
PAGE_TWIPS = 174 / 25.4 * 1440


def laid_out(rows: object, given: object = None) -> dict[str, Any]:
    return table(ENGLISH, rows, given)


def chart(*values: object, **more: object) -> dict[str, Any]:
    return bars(ENGLISH, {"values": list(values), **more})


def test_columns_come_from_the_first_row() -> None:
    made = laid_out([{"id": 1, "amount_due": 2.5, "who": "x"}, {"id": 2, "amount_due": 10.25, "more": 1}])
    assert made["titles"] == ["ID", "Amount due", "Who"]
    assert made["rows"] == [["1", "2.50", "x"], ["2", "10.25", ""]]
    assert [style.endswith("R") for style in made["styles"]] == [True, True, False]


def test_columns_are_as_given() -> None:
    given = [{"key": "id", "title": "No.", "align": "left", "digits": 1}, {"key": "b", "title": ""}, "not_there"]
    made = laid_out([{"id": 1, "b": "7", "c": 3}], given)
    assert (made["titles"], made["rows"]) == (["No.", "", "Not there"], [["1.0", "7", ""]])
    assert made["styles"][0] == "Cell95"


@pytest.mark.parametrize("rows", [None, [], "rows", [{}], {"a": 1}])
def test_nothing_to_show_is_no_table(rows: object) -> None:
    assert laid_out(rows)["rows"] == laid_out(rows, [])["rows"] == []


def test_a_null_for_decimals_is_a_guess() -> None:
    assert laid_out([{"a": 1.25}], [{"key": "a", "digits": None}])["rows"] == [["1.25"]]


def test_booleans_are_words_of_the_language() -> None:
    assert table(RUSSIAN, [{"a": True, "b": False}])["rows"] == [["да", "нет"]]


def test_columns_share_the_whole_width() -> None:
    widths = laid_out([{"a": "x", "b": "a text of some length", "c": 1}])["widths"]
    assert abs(sum(widths) - 5000) <= len(widths)
    assert widths[1] > widths[0]


@pytest.mark.parametrize("amount", [999_999_999_999.99, -12_345_678_901.5])
def test_a_long_amount_keeps_its_line_beside_long_words(amount: float) -> None:
    made = laid_out([{"word": "Donaudampfschiffahrt" * 8, "amount": amount, "note": "and more words " * 20}])
    points, margin = int(made["styles"][1][4:-1]) / 10, made["margin"] / 20
    width = made["widths"][1] / 5000 * 174 / 0.3528
    assert width >= len(made["rows"][0][1]) * 0.556 * points + 2 * margin - 0.1


@pytest.mark.parametrize(
    ("count", "value", "style"), [(4, 123456.75, "Cell95R"), (12, 10, "Cell95R"), (12, 123456.75, "Cell60R")]
)
def test_the_font_is_smaller_only_where_words_need_it(count: int, value: float, style: str) -> None:
    assert set(laid_out([{f"c{number}": value for number in range(count)}])["styles"]) == {style}


def test_a_table_of_twenty_columns_fits_the_page() -> None:
    made = laid_out([{f"c{number}": 12345 for number in range(20)}])
    points = int(made["styles"][0][4:-1]) / 10
    need = (5 * 0.556 * points + 2 * made["margin"] / 20) * 0.3528
    assert min(made["widths"]) / 5000 * 174 >= need - 0.1


def test_more_columns_than_word_has_are_refused_and_not_a_broken_file() -> None:
    with pytest.raises(DocumentFailed) as caught:
        laid_out([{f"c{number}": 1 for number in range(64)}])
    assert "63 columns" in caught.value.error.message
    assert laid_out([{f"c{number}": 1 for number in range(63)}])["rows"]


def test_bars_are_as_tall_as_their_values() -> None:
    drawn = chart({"label": "a", "value": 10}, {"label": "b", "value": "-5,0"}, "2.5")
    (strip,) = drawn["strips"]
    assert [(bar["label"], bar["text"]) for bar in strip] == [("a", "10"), ("b", "\u22125.0"), ("3", "2.5")]
    assert strip[0]["up"] == drawn["above"] and strip[1]["down"] == drawn["below"]
    assert strip[0]["up"] == pytest.approx(2 * strip[1]["down"], abs=2) == pytest.approx(4 * strip[2]["up"], abs=4)
    assert (strip[0]["down"], strip[1]["up"]) == (0, 0)


@pytest.mark.parametrize(
    ("given", "path"),
    [
        ([1, "soon"], "sections[2].chart[1]"),
        ({"values": [{"label": "a"}]}, "sections[2].chart.values[0].value"),
        ({"values": 5}, "sections[2].chart.values"),
        ("chart", "sections[2].chart"),
    ],
)
def test_what_is_no_number_is_refused_with_its_path(given: object, path: str) -> None:
    with pytest.raises(DocumentFailed) as caught:
        bars(ENGLISH, given, None, "sections[2].")
    assert (caught.value.error.code, caught.value.error.data_path) == ("data_invalid", path)


@pytest.mark.parametrize("nothing", [None, [], {}, {"title": "t", "values": None}])
def test_nothing_to_draw_is_no_chart(nothing: object) -> None:
    assert bars(ENGLISH, nothing)["strips"] == []


def test_a_chart_goes_before_plain_values() -> None:
    assert len(bars(ENGLISH, [1], [1, 2, 3])["strips"][0]) == 1
    assert len(bars(ENGLISH, None, [1, 2, 3])["strips"][0]) == 3


def test_many_bars_go_to_several_strips_of_the_same_scale() -> None:
    drawn = chart(*range(0, 1_000_000, 10_001))
    shown = [bar for strip in drawn["strips"] for bar in strip if bar["text"]]
    assert len(shown) == 100 and len({len(strip) for strip in drawn["strips"]}) == 1
    assert len(drawn["strips"]) > 1 and len(drawn["strips"][0]) <= 60
    assert max(bar["up"] for bar in shown) == drawn["above"]


def test_the_lines_of_an_invoice_are_texts() -> None:
    made: dict[str, Any] = lines(
        RUSSIAN, [{"name": "a", "qty": 2, "price": 1.5}, {"n": "B", "name": True, "total": 3}], "EUR"
    )
    assert made["totals"] == ["3.00", 3]
    first, second = made["rows"]
    assert (first["n"], first["qty"], first["price"], first["amount"]) == ("1", "2", "1,50", "3,00")
    assert (second["n"], second["name"], second["qty"], second["amount"]) == ("B", "да", "", "3,00")


@pytest.mark.parametrize(("more", "sku", "unit"), [({}, 0, 0), ({"unit": "h"}, 0, 1), ({"sku": "1", "unit": ""}, 1, 0)])
def test_columns_that_no_line_fills_take_no_width(more: dict[str, object], sku: bool, unit: bool) -> None:
    made: dict[str, Any] = lines(ENGLISH, [{"name": "a", "price": 1}, {"name": "b", "price": 1, **more}])
    assert (made["sku"], made["unit"]) == (sku, unit)
    assert (made["widths"]["sku"] > 0, made["widths"]["unit"] > 0) == (sku, unit)
    assert sum(made["widths"].values()) == pytest.approx(PAGE_TWIPS, abs=5)


def test_long_amounts_take_width_from_the_name() -> None:
    short: dict[str, Any] = lines(ENGLISH, [{"name": "a", "price": 1}])["widths"]
    long: dict[str, Any] = lines(ENGLISH, [{"name": "a", "price": 999_999_999_999.99}])["widths"]
    assert long["price"] > short["price"] and long["name"] < short["name"]
    assert sum(long.values()) == pytest.approx(PAGE_TWIPS, abs=5)


def test_a_text_is_one_paragraph_and_a_list_is_several() -> None:
    assert paragraphs(ENGLISH, "One.") == ["One."]
    assert paragraphs(ENGLISH, ["One.", 2]) == ["One.", "2"]
    assert paragraphs(ENGLISH, None) == paragraphs(ENGLISH, "") == []
