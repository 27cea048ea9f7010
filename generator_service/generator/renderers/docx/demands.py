"""The last line of defence behind the data schema: a total that lacks a line is worse than no document.

The shipped Typst templates refuse the same values in the same words (`refuse` in presswork.typ).
"""

import json
from decimal import Decimal
from typing import NoReturn

from contracts.notation import parse_number
from generator.renderers.port import failed

_LONGEST_EXCERPT = 60


def amount_at(value: object, place: str) -> Decimal:
    """Return the number that a value is. Raises DocumentFailed data_invalid with the path `place`."""
    number = parse_number(value)
    return _refuse(value, place, "an amount") if number is None else number


def list_at(value: object, place: str) -> list[object]:
    """Return the list that a value is, empty for nothing. Raises DocumentFailed data_invalid with the path `place`."""
    if value is None:
        return []
    return value if isinstance(value, list) else _refuse(value, place, "a list")


def given(value: object, place: str, otherwise: object) -> object:
    """Return an amount of the data as it is, or `otherwise` if there is none. Raises DocumentFailed data_invalid."""
    if value is None:
        return otherwise
    amount_at(value, place)
    return value


def _refuse(value: object, place: str, needed: str) -> NoReturn:
    shown = "missing" if value is None else json.dumps(value, ensure_ascii=False)[:_LONGEST_EXCERPT]
    says = f"`{place}` is {shown}: {needed} is needed."
    raise failed("data_invalid", says, data_path=place, hint="Mend this value of the data.")
