"""What a contract costs, as texts, in one call; the shipped Typst template computes alike (shared/price.typ)."""

from decimal import Decimal

from contracts.notation import parse_number
from generator.renderers.docx.demands import amount_at, given, list_at
from generator.renderers.formatting import Locale, cents, percent_of, plus


def price(locale: Locale, price: object, currency: object, place: str) -> dict[str, object]:
    """Write a price: `rows` of name and amount, and `subtotal`, `vat`, `rate`, `total`, "" where there is none.

    `place` is where it is in the data. Raises DocumentFailed data_invalid for what is no amount.
    """
    known = price if isinstance(price, dict) else {}
    items = [item if isinstance(item, dict) else {} for item in list_at(known.get("items"), f"{place}.items")]
    amounts = [amount_at(item.get("amount"), f"{place}.items[{index}].amount") for index, item in enumerate(items)]
    sums = _sums(known, amounts, currency, place)
    return {
        "rows": [
            {"name": locale.text(item.get("name")), "amount": locale.money(item["amount"], currency)} for item in items
        ],
        "rate": _rate(locale, known.get("vat_rate")),
        **{key: "" if value == "" else locale.money(value, currency) for key, value in sums.items()},
    }


def _sums(price: dict[str, object], amounts: list[Decimal], currency: object, place: str) -> dict[str, object]:
    """Return the sums as given, or computed from the amounts and the rate."""
    subtotal = given(price.get("subtotal"), f"{place}.subtotal", f"{sum(amounts):f}" if amounts else "")
    rate = given(price.get("vat_rate"), f"{place}.vat_rate", "")
    vat = given(price.get("vat"), f"{place}.vat", cents(percent_of(rate, subtotal), currency))
    total = given(price.get("total"), f"{place}.total", subtotal if vat == "" else plus(subtotal, vat))
    return {"subtotal": subtotal, "vat": vat, "total": total}


def _rate(locale: Locale, rate: object) -> str:
    if rate is None or parse_number(rate) is None:
        return ""
    return rate if isinstance(rate, str) and "%" in rate else f"{locale.number(rate)}%"
