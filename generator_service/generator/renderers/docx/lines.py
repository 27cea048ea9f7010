"""The lines of an invoice as texts, all in one call: a filter call per cell would cost more than the rest."""

from generator.renderers.docx.demands import amount_at, list_at
from generator.renderers.formatting import Locale, currency_digits, rounded

#: Millimetres, as in invoice.typ; prices and amounts grow with their longest number, the name takes the rest.
_PAGE, _NUMBER, _SKU, _QUANTITY, _UNIT, _PRICE, _AMOUNT = 174, 9, 25, 16, 14, 25, 29
_MARGINS = 3.4
#: A digit of 9 pt Arial.
_DIGIT = 1.766
_TWIPS = 1440 / 25.4


def lines(locale: Locale, items: object, currency: object = None) -> dict[str, object]:
    """Write an invoice's items: `rows` of texts, their `totals` (to add up), whether one has a `sku` or a `unit`.

    `widths` are those of the columns in twentieths of a point, with what is left for the name. Raises DocumentFailed
    data_invalid for a line without an amount.
    """
    known = [item if isinstance(item, dict) else {} for item in list_at(items, "items")]
    totals = [_total(item, f"items[{index}].", currency) for index, item in enumerate(known)]
    rows = [
        _row(locale, number, item, total, currency)
        for number, (item, total) in enumerate(zip(known, totals, strict=True), 1)
    ]
    sku, unit = any(row["sku"] for row in rows), any(row["unit"] for row in rows)
    return {"rows": rows, "totals": totals, "sku": sku, "unit": unit, "widths": _widths(rows, sku, unit)}


def _total(item: dict[str, object], place: str, currency: object) -> object:
    """Return a line's `total` as given, or `qty` (1 if missing) times `price`, rounded."""
    given, quantity = item.get("total"), item.get("qty")
    if given is not None:
        amount_at(given, place + "total")
        return given
    amount = amount_at(1 if quantity is None else quantity, place + "qty") * amount_at(
        item.get("price"), place + "price"
    )
    return f"{rounded(amount, currency_digits(currency)):f}"


def _row(locale: Locale, number: int, item: dict[str, object], total: object, currency: object) -> dict[str, str]:
    get = item.get
    name, more, sku, unit = (
        value if type(value) is str else locale.text(value)
        for value in (get("name"), get("description"), get("sku"), get("unit"))
    )
    return {
        "n": locale.text(item["n"]) if "n" in item else str(number),
        "name": name,
        "more": more,
        "sku": sku,
        "qty": locale.number(get("qty", None if "total" in item else 1)),
        "unit": unit,
        "price": locale.price(get("price"), currency),
        "amount": locale.amount(total, currency),
    }


def _widths(rows: list[dict[str, str]], sku: bool, unit: bool) -> dict[str, int]:
    widths = {
        "n": _width(rows, "n", _NUMBER),
        "sku": _SKU * sku,
        "qty": _width(rows, "qty", _QUANTITY),
        "unit": _width(rows, "unit", _UNIT, most=10) if unit else 0,
        "price": _width(rows, "price", _PRICE),
        "amount": _width(rows, "amount", _AMOUNT),
    }
    name = max(_PAGE - sum(widths.values()), _SKU)
    return {key: round(width * _TWIPS) for key, width in {**widths, "name": name}.items()}


def _width(rows: list[dict[str, str]], key: str, least: float, *, most: int = 24) -> float:
    """Return a width at which the longest text stays on one line, up to `most` characters: no number has 24."""
    longest = max((len(row[key]) for row in rows), default=0)
    return max(least, min(longest, most) * _DIGIT + _MARGINS)
