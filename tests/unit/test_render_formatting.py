"""Numbers, money and dates: exact, by locale, and the same in DOCX filters and in Typst."""

import json

import pytest

from contracts.templates import TemplateBundle
from generator.core import RenderRequest, generate
from generator.renderers.formatting import (
    cents,
    columns,
    locale_for,
    parse_number,
    percent_of,
    plus,
    spaced_iban,
    times,
)
from generator.shipped import TEMPLATES

N = "\u00a0"

MONEY = [
    ("en", 1234.5, "EUR", "€1,234.50"),
    ("en", "3 881.00", "EUR", "€3,881.00"),
    ("en", -0.004, "EUR", "€0.00"),
    ("en", -1234567.895, "USD", "−$1,234,567.90"),
    ("en", 1.005, "GBP", "£1.01"),
    ("en", 1234.5, "JPY", "¥1,235"),
    ("en", 5, "CHF", f"CHF{N}5.00"),
    ("ru", 1234.5, "RUB", f"1{N}234,50{N}₽"),
    ("ru-RU", 0.1 + 0.2, "EUR", f"0,30{N}€"),
    ("ru", 1234567.891, "KWD", f"1{N}234{N}567,891{N}KWD"),
    ("en", "on request", "EUR", "on request"),
    ("en", "12,5", "EUR", "€12.50"),
    ("en", "1,234.56", "EUR", "€1,234.56"),
    ("en", 999999999999.99, "EUR", "€999,999,999,999.99"),
]
DATES = [
    ("en", "2026-03-01", "1 March 2026"),
    ("en-GB", "2026-12-31T10:00:00Z", "31 December 2026"),
    ("en-US", "2026-03-01", "March 1, 2026"),
    ("ru", "2026-03-01", f"1{N}марта 2026{N}г."),
    ("ru", "скоро", "скоро"),
    ("en", "2026-13-01", "2026-13-01"),
]


@pytest.mark.parametrize(("locale", "value", "currency", "expected"), MONEY)
def test_money_is_written_for_the_locale(locale: str, value: object, currency: str, expected: str) -> None:
    assert locale_for(locale).money(value, currency) == expected


@pytest.mark.parametrize(("locale", "value", "expected"), DATES)
def test_dates_are_written_for_the_locale(locale: str, value: str, expected: str) -> None:
    assert locale_for(locale).date(value) == expected


@pytest.mark.parametrize("locale", ["en", "en-US", "ru"])
def test_typst_and_docx_write_the_same(locale: str) -> None:
    """The Typst source asserts what Python wrote: one difference fails the render."""
    python = locale_for(locale)
    lines = ['#import "presswork.typ": *', "Equal."]
    for _, value, currency, _ in MONEY:
        given, digits = _typ(value), f"currency-digits({_typ(currency)})"
        lines += [
            f"#assert.eq(money({given}, {_typ(currency)}, symbol: true), {_typ(python.money(value, currency))})",
            f"#assert.eq(amount({given}, {digits}), {_typ(python.amount(value, currency))})",
            f"#assert.eq(unit-price({given}, {digits}), {_typ(python.price(value, currency))})",
            f"#assert.eq(number({given}), {_typ(python.number(value))})",
        ]
    for _, value, _ in DATES:
        # Where a line may not break is each format's own affair.
        for options, expected in (("", python.date(value)), (", short: true", python.short_date(value))):
            lines.append(
                f'#assert.eq(date({_typ(value)}{options}).replace("{N}", " "), {_typ(expected.replace(N, " "))})'
            )
    bundle = TemplateBundle.of_file("typst", "\n".join(lines).encode())
    shared = {"presswork.typ": (TEMPLATES / "shared" / "presswork.typ").read_bytes()}
    both = TemplateBundle(bundle.manifest, {**bundle.files, **shared})
    assert generate(RenderRequest(both, b"{}", "pdf", locale=locale)).pages == 1


def _typ(value: object) -> str:
    return json.dumps(value, ensure_ascii=False)


def test_arithmetic_is_exact() -> None:
    assert plus(0.1, 0.2) == "0.3"
    assert times(250, 0.145) == "36.250"
    assert cents(times(1, 1.005)) == "1.01"
    assert cents(percent_of("23%", "1911.23"), "EUR") == "439.58"
    assert cents(2.5, "JPY") == "3"


@pytest.mark.parametrize(
    "nothing", [None, True, "", "abc", "1,234", "1e5", "--1", float("nan"), float("inf"), "9" * 50]
)
def test_what_is_no_number_is_not_computed_with(nothing: object) -> None:
    assert parse_number(nothing) is None
    assert times(nothing, 2) == plus(2, nothing) == cents(nothing) == ""


def test_columns_come_from_the_first_row_or_as_given() -> None:
    rows = [{"id": 1, "amount_due": 2.5}, {"id": 2, "amount_due": 10.25}]
    found = columns(rows)
    assert [(one["title"], one["align"], one["digits"]) for one in found] == [
        ("ID", "right", 0),
        ("Amount due", "right", 2),
    ]
    given = columns(rows, [{"key": "id", "title": "No.", "align": "left"}, "missing"])
    assert [(one["title"], one["align"]) for one in given] == [("No.", "left"), ("Missing", "left")]
    assert columns([], None) == columns("rows") == []


def test_an_iban_is_grouped_and_other_text_is_not() -> None:
    assert spaced_iban("IE29AIBK93115212345678") == f"IE29{N}AIBK{N}9311{N}5212{N}3456{N}78"
    assert spaced_iban("on request") == "on request"
