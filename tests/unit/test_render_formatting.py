"""Numbers, money and dates: exact, by locale, and the same in DOCX filters and in Typst."""

import json
from decimal import Decimal

import pytest

from contracts.notation import is_amount, is_date_or_text, is_rate, parse_number
from contracts.templates import TemplateBundle
from generator.core import RenderRequest, generate
from generator.renderers.formatting import (
    cents,
    locale_for,
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
    ("en", "2026-02-31", "2026-02-31"),
    ("en", "2026-02-29", "2026-02-29"),
    ("en", "2028-02-29", "29 February 2028"),
    ("en", "2100-02-29", "2100-02-29"),
    ("en", "2026-11-31", "2026-11-31"),
    ("en", "0000-01-01", "0000-01-01"),
]

#: What people write for a number, and what it is: None where it is none or could mean two things.
NUMERALS: list[tuple[object, str | None]] = [
    ("1234.5", "1234.5"),
    ("1 234.50", "1234.50"),
    (f"1{N}234,50", "1234.50"),
    ("1\u202f234\u202f567", "1234567"),
    ("3 881.00", "3881.00"),
    ("1,234.50", "1234.50"),
    ("1,234,567.8", "1234567.8"),
    ("1.234,56", "1234.56"),
    ("1.234.567,89", "1234567.89"),
    ("-1.234,5", "-1234.5"),
    ("1'234.50", "1234.50"),
    ("1\u20191'234.50", None),
    ("1\u2019234\u2019567.5", "1234567.5"),
    ("12,5", "12.5"),
    ("0,1250", "0.1250"),
    ("20%", "20"),
    ("7,5 %", "7.5"),
    ("  5 ", "5"),
    ("\u22125", "-5"),
    ("007", "7"),
    ("1.234", "1.234"),
    ("1,234", None),
    ("1.234.567", None),
    ("1,234,567", None),
    ("1 234,567", None),
    ("1 2 3", None),
    ("12 34", None),
    ("1%2", None),
    ("5%%", None),
    ("- 5", None),
    ("+5", None),
    ("5.", None),
    (".5", None),
    ("1e5", None),
    ("\u0661\u0662", None),
    ("5\n", None),
    ("€12.50", None),
    ("on request", None),
    ("", None),
    ("%", None),
    ("9" * 15, "9" * 15),
    ("9" * 16, None),
    ("0." + "1" * 10, "0." + "1" * 10),
    ("0." + "1" * 11, None),
    (12, "12"),
    (-0.5, "-0.5"),
    (1e-7, "0.0000001"),
    (0.1 + 0.2, "0.30000000000000004"),
    (9999999999999.99, "9999999999999.99"),
    (10**13, None),
    (1e300, None),
    (True, None),
    (None, None),
    ([5], None),
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
    assert _rendered(lines, {}, locale) == 1


def _rendered(lines: list[str], data: object, locale: str = "en") -> int | None:
    bundle = TemplateBundle.of_file("typst", "\n".join(lines).encode())
    shared = {"presswork.typ": (TEMPLATES / "shared" / "presswork.typ").read_bytes()}
    both = TemplateBundle(bundle.manifest, {**bundle.files, **shared})
    return generate(RenderRequest(both, json.dumps(data).encode(), "pdf", locale=locale)).pages


def _typ(value: object) -> str:
    return json.dumps(value, ensure_ascii=False)


@pytest.mark.parametrize(("written", "expected"), NUMERALS)
def test_a_number_is_read_as_people_write_it(written: object, expected: str | None) -> None:
    assert parse_number(written) == (None if expected is None else Decimal(expected))


def test_typst_reads_the_same_numbers() -> None:
    lines = ['#import "presswork.typ": *', '#let read = json("data.json").map(parse-number)', "Equal."]
    for index, (_, expected) in enumerate(NUMERALS):
        lines.append(f"#assert.eq(read.at({index}), {'none' if expected is None else f'decimal({_typ(expected)})'})")
    assert _rendered(lines, [written for written, _ in NUMERALS]) == 1


@pytest.mark.parametrize(
    ("text", "amount", "rate"), [("12,5", True, True), ("20%", False, True), ("free", False, False), ("", False, False)]
)
def test_a_rate_may_carry_a_percent_sign_and_an_amount_may_not(text: str, amount: bool, rate: bool) -> None:
    assert (is_amount(text), is_rate(text)) == (amount, rate)


@pytest.mark.parametrize(
    ("text", "accepted"),
    [
        ("2026-03-01", True),
        ("2026-03-01T25:00", True),
        ("March 2026", True),
        ("31.02.2026", True),
        ("2026-02-31", False),
        ("2026-13-01", False),
        ("2026-02-31T10:00:00Z", False),
    ],
)
def test_what_looks_like_a_date_must_be_a_day(text: str, accepted: bool) -> None:
    assert is_date_or_text(text) == accepted


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


@pytest.mark.parametrize(
    ("locale", "value", "expected"),
    [
        ("en", True, "yes"),
        ("en", False, "no"),
        ("ru", True, "да"),
        ("ru", False, "нет"),
        ("en", None, ""),
        ("en", -5, "\u22125"),
        ("en", 7.0, "7"),
        ("en", 1e-7, "0.0000001"),
        ("en", 1e16, "10000000000000000"),
        ("en", ["One.", 2, None], "One.\n2\n"),
        ("en", {"a": 1, "b": "x"}, "1, x"),
    ],
)
def test_any_value_is_written_for_a_reader(locale: str, value: object, expected: str) -> None:
    assert locale_for(locale).text(value) == expected
    assert locale_for(locale).date(value) == expected


def test_a_whole_float_has_no_decimals() -> None:
    """Typst writes 7.0 as 7; a text keeps what it has."""
    assert (locale_for("en").number(7.0), locale_for("en").number("7.0")) == ("7", "7.0")


def test_an_iban_is_grouped_and_other_text_is_not() -> None:
    assert spaced_iban("IE29AIBK93115212345678") == f"IE29{N}AIBK{N}9311{N}5212{N}3456{N}78"
    assert spaced_iban("on request") == "on request"
