"""Numbers, money and dates as a reader of the locale expects them: the filters of DOCX templates.

The shipped Typst templates carry the same rules in Typst (`presswork.typ`); a test compares the two.
"""

import datetime
import re
from collections.abc import Callable
from dataclasses import dataclass
from decimal import ROUND_HALF_UP, Decimal, InvalidOperation

NBSP, NARROW = "\u00a0", "\u202f"

SYMBOLS = {"EUR": "€", "USD": "$", "GBP": "£", "RUB": "₽", "JPY": "¥", "CNY": "CN¥", "UAH": "₴", "KZT": "₸", "INR": "₹"}
DIGITS = {"JPY": 0, "KRW": 0, "VND": 0, "CLP": 0, "ISK": 0, "HUF": 2, "KWD": 3, "BHD": 3, "TND": 3}

_THOUSANDS = re.compile(r"-?\d{1,3}(,\d{3})+\.\d+")
_DECIMAL_COMMA = re.compile(r"-?\d+,(\d{1,2}|\d{4,})")
_PLAIN = re.compile(r"-?\d+(\.\d+)?")
_ISO_DATE = re.compile(r"(\d{4})-(\d{2})-(\d{2})(?:[T ].*)?")

_EN_MONTHS = "January February March April May June July August September October November December".split()
_RU_MONTHS = "января февраля марта апреля мая июня июля августа сентября октября ноября декабря".split()


def parse_number(value: object) -> Decimal | None:
    """Read a JSON number, or a number written as text ("1 234.50", "1,234.50", "12,5", "20%"), exactly; else None."""
    if isinstance(value, bool) or value is None:
        return None
    if isinstance(value, int | float):
        return _finite(repr(value))
    text = re.sub(r"[\s%]", "", str(value)).replace("\u2212", "-")
    if _THOUSANDS.fullmatch(text):
        return Decimal(text.replace(",", ""))
    if _DECIMAL_COMMA.fullmatch(text):
        return Decimal(text.replace(",", "."))
    return Decimal(text) if len(text) <= 40 and _PLAIN.fullmatch(text) else None


def _finite(text: str) -> Decimal | None:
    try:
        number = Decimal(text)
    except InvalidOperation:
        return None
    return number if number.is_finite() and abs(number.adjusted()) < 30 else None


def rounded(number: Decimal, digits: int) -> Decimal:
    """Round half away from zero, as invoices do."""
    return number.quantize(Decimal(1).scaleb(-digits), ROUND_HALF_UP)


def currency_digits(currency: object) -> int:
    """Return how many decimals amounts of this ISO 4217 currency have (2 if unknown)."""
    return DIGITS.get(str(currency or "").upper(), 2)


@dataclass(frozen=True)
class Locale:
    """The conventions of one language and region. `day_first` orders English dates."""

    language: str
    group: str
    point: str
    symbol_first: bool
    day_first: bool = True

    def number(self, value: object, digits: int | None = None) -> str:
        """Write a number with the locale's separators; `digits` None keeps those it has. Other text is unchanged."""
        number = parse_number(value)
        if number is None:
            return "" if value is None else str(value)
        return self._written(number if digits is None else rounded(number, digits))

    def money(self, value: object, currency: object = None) -> str:
        """Write an amount with the currency's digits and symbol; without a currency, the bare amount."""
        number = parse_number(value)
        if number is None:
            return "" if value is None else str(value)
        amount = self._written(rounded(number, currency_digits(currency)))
        code = str(currency or "").upper()
        return self._with_symbol(amount, code) if code else amount

    def date(self, value: object) -> str:
        """Write an ISO 8601 date (2026-03-01) in words; other text is unchanged."""
        found = _ISO_DATE.fullmatch(str(value or ""))
        if not found:
            return "" if value is None else str(value)
        try:
            day = datetime.date(*(int(part) for part in found.groups()))
        except ValueError:
            return str(value)
        return self._day(day)

    def _written(self, number: Decimal) -> str:
        whole, _, fraction = f"{abs(number):f}".partition(".")
        if len(whole) > (4 if self.language == "ru" else 3):
            whole = f"{int(whole):,}".replace(",", self.group)
        sign = "\u2212" if number < 0 and (set(whole + fraction) - {"0", self.group}) else ""
        return f"{sign}{whole}{self.point}{fraction}" if fraction else f"{sign}{whole}"

    def _with_symbol(self, amount: str, code: str) -> str:
        symbol = SYMBOLS.get(code, code)
        if not self.symbol_first:
            return f"{amount}{NBSP}{symbol}"
        sign, bare = ("\u2212", amount[1:]) if amount.startswith("\u2212") else ("", amount)
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
        return Locale("ru", NBSP, ",", symbol_first=False)
    return Locale("en", ",", ".", symbol_first=True, day_first=region != "us")


def filters(locale: Locale) -> dict[str, Callable[..., str]]:
    """Return the filters that DOCX templates have beyond Jinja's own. Arithmetic is exact: text in, text out."""
    return {
        "money": locale.money,
        "number": locale.number,
        "date": locale.date,
        "times": times,
        "plus": plus,
        "percent_of": percent_of,
        "cents": cents,
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
