"""How numbers and dates are written in data: one rule for accepting them, for DOCX filters and for Typst templates.

Typst has the same rule in `presswork.typ`; a test compares the two over a table of odd texts.
"""

import datetime
import re
from decimal import Decimal

MINUS = "\u2212"
#: A JSON number from here on may lose its cents: Typst reads 123456789012345.67 as ...69. As text it keeps them.
LARGEST = 10**13

_BLANKS = " \t\u00a0\u202f\u2009"
_PLAIN = re.compile(r"-?[0-9]{1,15}(\.[0-9]{1,10})?")
_DECIMAL_COMMA = re.compile(r"-?[0-9]{1,15},([0-9]{1,2}|[0-9]{4,10})")
_ENGLISH = re.compile(r"-?[0-9]{1,3}(,[0-9]{3}){1,4}\.[0-9]{1,10}")
_CONTINENTAL = re.compile(r"-?[0-9]{1,3}(\.[0-9]{3}){1,4},[0-9]{1,10}")
#: Groups of three behind a space or an apostrophe, which mean nothing else.
_GROUPED = re.compile(r"-?[0-9]{1,3}([ \u00a0\u202f\u2009'\u2019][0-9]{3}){1,4}([.,][0-9]{1,10})?")
_GROUP_MARKS = re.compile(r"[ \u00a0\u202f\u2009'\u2019]")
_ISO_DATE = re.compile(r"([0-9]{4})-([0-9]{2})-([0-9]{2})(?:[T ].*)?", re.DOTALL)


def parse_number(value: object) -> Decimal | None:
    """Read a JSON number, or a number written as text, exactly; else None.

    Texts: "1234.5", "1 234,50", "1,234.50", "1.234,50", "1'234.50", "12,5", "20%". What has two meanings is none:
    "1,234" and "1.234.567"; "1.234" has a point and three decimals.
    """
    if type(value) is int or type(value) is float:
        return Decimal(repr(value)) if abs(value) < LARGEST else None
    if not isinstance(value, str):
        return None
    if _PLAIN.fullmatch(value):
        return Decimal(value)
    return _written_number(value)


def _written_number(value: str) -> Decimal | None:
    text = value.strip(_BLANKS).removesuffix("%").rstrip(_BLANKS).replace(MINUS, "-")
    if _ENGLISH.fullmatch(text):
        return Decimal(text.replace(",", ""))
    if _CONTINENTAL.fullmatch(text):
        return Decimal(text.replace(".", "").replace(",", "."))
    if _GROUPED.fullmatch(text):
        text = _GROUP_MARKS.sub("", text)
    if _DECIMAL_COMMA.fullmatch(text):
        return Decimal(text.replace(",", "."))
    return Decimal(text) if _PLAIN.fullmatch(text) else None


def iso_day(value: object) -> datetime.date | None:
    """Read the day of an ISO 8601 date or time ("2026-03-01", "2026-03-01T10:00Z"); None if there is no such day."""
    found = _ISO_DATE.fullmatch(value) if isinstance(value, str) else None
    if found is None:
        return None
    try:
        return datetime.date(*(int(part) for part in found.groups()))
    except ValueError:
        return None


def is_amount(text: str) -> bool:
    """Tell whether a text is an amount: a number that is not a percentage."""
    return "%" not in text and parse_number(text) is not None


def is_rate(text: str) -> bool:
    """Tell whether a text is a rate in percent, with or without the sign."""
    return parse_number(text) is not None


def is_date_or_text(text: str) -> bool:
    """Tell whether a text is a real day, or no date at all ("March 2026")."""
    return _ISO_DATE.fullmatch(text) is None or iso_day(text) is not None
