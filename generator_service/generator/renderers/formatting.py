"""Numbers, money and dates as a reader of the locale expects them: the filters of DOCX templates.

The shipped Typst templates carry the same rules in Typst (`presswork.typ`); a test compares the two.
"""

import datetime
import re
from collections.abc import Callable
from dataclasses import dataclass
from decimal import ROUND_HALF_UP, Decimal

from contracts.notation import MINUS, iso_day, parse_number

NBSP = "\u00a0"

SYMBOLS = {"EUR": "€", "USD": "$", "GBP": "£", "RUB": "₽", "JPY": "¥", "CNY": "CN¥", "UAH": "₴", "KZT": "₸", "INR": "₹"}
DIGITS = {"JPY": 0, "KRW": 0, "VND": 0, "CLP": 0, "ISK": 0, "HUF": 2, "KWD": 3, "BHD": 3, "TND": 3}

_UNITS = tuple(Decimal(1).scaleb(-digits) for digits in range(8))
_RUSSIAN_MARKS = str.maketrans({",": NBSP, ".": ","})

_IBAN = re.compile(r"[A-Z]{2}\d{2}[A-Z0-9]{8,30}")
_NUMERAL_STARTS = frozenset("-0123456789")
_NUMERAL = re.compile(r"-?\d[\d\s]*[.,]\d+")
#: Beyond these a float shows nothing but the noise of binary fractions.
CELL_DECIMALS = 6
#: A longer text that begins like a number or a date is neither (bytes of UTF-8, as Typst counts).
_LONGEST_CELL = 40

_EN_MONTHS = "January February March April May June July August September October November December".split()
_YES_NO = (("yes", "no"), ("да", "нет"))
_RU_MONTHS = "января февраля марта апреля мая июня июля августа сентября октября ноября декабря".split()


def rounded(number: Decimal, digits: int) -> Decimal:
    """Round half away from zero, as invoices do."""
    return number.quantize(_UNITS[digits] if digits < len(_UNITS) else Decimal(1).scaleb(-digits), ROUND_HALF_UP)


def currency_digits(currency: object) -> int:
    """Return how many decimals amounts of this ISO 4217 currency have (2 if unknown)."""
    return DIGITS.get(str(currency or "").upper(), 2)


def _bare(number: float) -> str:
    """Write a number with all its digits and without separators: 7, 0.0000001, never 1e-07 or 7.0."""
    text = str(abs(number)) if isinstance(number, int) else f"{Decimal(repr(abs(number))):f}".removesuffix(".0")
    return MINUS + text if number < 0 else text


@dataclass(frozen=True)
class Locale:
    """The conventions of one language and region. `day_first` orders English dates."""

    language: str
    symbol_first: bool
    day_first: bool = True

    def text(self, value: object) -> str:
        """Write any JSON value for a reader: yes and no, a line per list entry, nothing for null."""
        if isinstance(value, str):
            return value
        if value is None:
            return ""
        if isinstance(value, bool):
            return _YES_NO[self.language == "ru"][not value]
        if isinstance(value, int | float):
            return _bare(value)
        if isinstance(value, list):
            return "\n".join(self.text(item) for item in value)
        return ", ".join(self.text(item) for item in value.values()) if isinstance(value, dict) else str(value)

    def number(self, value: object, digits: int | None = None) -> str:
        """Write a number with the locale's separators; `digits` None keeps those it has. Other text is unchanged."""
        number = parse_number(value)
        if number is None:
            return self.text(value)
        if digits is not None:
            return self._written(rounded(number, digits))
        return self._written(Decimal(int(value)) if isinstance(value, float) and value.is_integer() else number)

    def money(self, value: object, currency: object = None) -> str:
        """Write an amount with the currency's digits and symbol; without a currency, the bare amount."""
        number = parse_number(value)
        if number is None:
            return self.text(value)
        code = str(currency or "").upper()
        amount = self.amount(value, currency)
        return self._with_symbol(amount, code) if code else amount

    def amount(self, value: object, currency: object = None) -> str:
        """Write an amount with the currency's digits, without its symbol."""
        number = parse_number(value)
        if number is None:
            return self.text(value)
        return self._written(rounded(number, currency_digits(currency)))

    def price(self, value: object, currency: object = None) -> str:
        """Write a price per unit: at least the currency's digits, more if it has more (0.145 must not become 0.15)."""
        number = parse_number(value)
        if number is None:
            return self.text(value)
        own = len(f"{number:f}".partition(".")[2].rstrip("0"))
        return self._written(rounded(number, max(own, currency_digits(currency))))

    def date(self, value: object) -> str:
        """Write an ISO 8601 date (2026-03-01) in words; other text is unchanged."""
        day = iso_day(value)
        if day is None:
            return self.text(value)
        return self._day(day)

    def short_date(self, value: object) -> str:
        """Write an ISO 8601 date as table cells need it; other text is unchanged."""
        day = iso_day(value)
        if day is None:
            return self.text(value)
        if self.language == "ru":
            return f"{day:%d.%m.%Y}"
        month = _EN_MONTHS[day.month - 1][:3]
        return f"{day.day}{NBSP}{month} {day.year}" if self.day_first else f"{month}{NBSP}{day.day}, {day.year}"

    def cell(self, value: object, digits: int | None = 0) -> str:
        """Write a table cell: decimals get separators, dates are short, whole numbers (ids, years) stay.

        `digits` None: each number its own, without the noise of binary fractions.
        """
        if isinstance(value, float) or (digits != 0 and type(value) is int):
            return self.number(round(value, CELL_DECIMALS) if digits is None else value, digits)
        if not isinstance(value, str):
            return self.text(value)
        if value[:1] not in _NUMERAL_STARTS or len(value.encode()) > _LONGEST_CELL:
            return value
        return self.number(value) if _NUMERAL.fullmatch(value) else self.short_date(value)

    def _written(self, number: Decimal) -> str:
        text = f"{abs(number):,f}"
        if self.language == "ru":
            text = text.translate(_RUSSIAN_MARKS)
        return MINUS + text if number < 0 else text

    def _with_symbol(self, amount: str, code: str) -> str:
        symbol = SYMBOLS.get(code, code)
        if not self.symbol_first:
            return f"{amount}{NBSP}{symbol}"
        sign, bare = (MINUS, amount[1:]) if amount.startswith(MINUS) else ("", amount)
        return f"{sign}{symbol}{NBSP if symbol == code else ''}{bare}"

    def _day(self, day: datetime.date) -> str:
        if self.language == "ru":
            return f"{day.day}{NBSP}{_RU_MONTHS[day.month - 1]} {day.year}{NBSP}г."
        month = _EN_MONTHS[day.month - 1]
        return f"{day.day} {month} {day.year}" if self.day_first else f"{month} {day.day}, {day.year}"


def locale_for(tag: str | None) -> Locale:
    """Return the conventions for a BCP 47 tag: Russian, American or (the default) international English."""
    language, _, region = (tag or "en").replace("_", "-").lower().partition("-")
    if language == "ru":
        return Locale("ru", symbol_first=False)
    return Locale("en", symbol_first=True, day_first=region != "us")


def filters(locale: Locale) -> dict[str, Callable[..., object]]:
    """Return the filters that DOCX templates have beyond Jinja's own. Arithmetic is exact: text in, text out."""
    return {
        "money": locale.money,
        "amount": locale.amount,
        "price": locale.price,
        "number": locale.number,
        "date": locale.date,
        "text": locale.text,
        "cell": locale.cell,
        "times": times,
        "plus": plus,
        "percent_of": percent_of,
        "cents": cents,
        "sum_of": sum_of,
        "iban": spaced_iban,
    }


def times(left: object, right: object) -> str:
    """Multiply exactly; "" if either is not a number."""
    a, b = parse_number(left), parse_number(right)
    return "" if a is None or b is None else f"{a * b:f}"


def plus(left: object, right: object) -> str:
    """Add exactly; "" if either is not a number."""
    a, b = parse_number(left), parse_number(right)
    return "" if a is None or b is None else f"{a + b:f}"


def percent_of(rate: object, amount: object) -> str:
    """Take `rate` percent of an amount, exactly; "" if either is not a number."""
    product = times(rate, amount)
    return f"{Decimal(product) / 100:f}" if product else ""


def cents(value: object, currency: object = None) -> str:
    """Round to the currency's smallest unit, so that printed lines add up to the printed sum."""
    number = parse_number(value)
    return "" if number is None else f"{rounded(number, currency_digits(currency)):f}"


def sum_of(values: object) -> str:
    """Add up exactly; "" if one of them is not a number."""
    numbers = [parse_number(value) for value in values] if isinstance(values, list) else []
    known = [number for number in numbers if number is not None]
    return f"{sum(known, Decimal(0)):f}" if len(known) == len(numbers) else ""


def spaced_iban(value: object) -> str:
    """Write an IBAN in groups of four; other text is unchanged."""
    text = "" if value is None else str(value)
    if not _IBAN.fullmatch(text):
        return text
    return NBSP.join(text[at : at + 4] for at in range(0, len(text), 4))
