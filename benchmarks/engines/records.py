"""What is rendered: invoices of 12 lines with a QR code, reports with a chart and 500 rows.

Equal numbers make equal records; no two numbers share one.
"""

import json
from collections.abc import Callable, Iterator
from functools import cache
from random import Random
from typing import Any

import segno

Record = dict[str, object]

_CLIENTS = ("Acme GmbH", "Tom & Jerry Ltd", "O'Neil <Partners>", "Zażółć Sp. z o.o.", "ООО «Ромашка»", "Ιωάννης ΑΕ")
_GOODS = (
    "Consulting, hour",
    "Steel bolt M8",
    "Болт М8 оцинкованный",
    "Router AX3000",
    "Paper A4, box",
    'Toner "black"',
    "SSD 2 TB <NVMe>",
    "Cable CAT6 30 m",
)
_WORDS = (
    """the of in and for to while across revenue costs region quarter period customers ledgers logistics delivery time
most according grew improved stayed flat audited reviewed northern quarterly""".split()
)
_SELLER = {
    "name": "Blue Harbour Trading Ltd",
    "address": "12 Quay Street, Dublin, Ireland",
    "vat": "IE1234567T",
    "iban": "IE29AIBK93115212345678",
}
_NOTE = "Payment within 30 days. Late payment is charged at 8% p.a. above the base rate."
SECTIONS, ROWS = 10, 50
DRAWN = ("qr_svg", "chart_svg")
#: Drawing a code takes longer than an invoice: more of them than any cache of layouts keeps are enough.
_CODES = 24


def invoice(number: int) -> Record:
    """Make the invoice of this number."""
    random = Random(number)
    lines = [_line(random, at) for at in range(1, 13)]
    cents = sum(int(line["cents"]) for line in lines)
    vat = cents // 5
    return {
        "number": f"INV-2026-{number:05}",
        "date": "2026-03-01",
        "due": "2026-04-01",
        "currency": "EUR",
        "seller": _SELLER,
        "buyer": {
            "name": f"{random.choice(_CLIENTS)} {number}",
            "address": f"{random.randint(1, 200)} Main Street, 1010 Vienna",
            "vat": f"ATU{random.randint(10_000_000, 99_999_999)}",
        },
        "items": [line["shown"] for line in lines],
        "subtotal": money(cents),
        "vat_rate": "20%",
        "vat": money(vat),
        "total": money(cents + vat),
        "note": _NOTE,
        "qr_svg": _code(number % _CODES),
    }


def _line(random: Random, at: int) -> dict[str, Any]:
    quantity, price = random.randint(1, 40), random.randint(500, 90_000)
    shown = {
        "n": at,
        "name": f"{random.choice(_GOODS)} #{random.randint(1, 999)}",
        "sku": f"SKU-{random.randint(10_000, 99_999)}",
        "qty": quantity,
        "unit": random.choice(("h", "pcs", "box")),
        "price": money(price),
        "total": money(quantity * price),
    }
    return {"cents": quantity * price, "shown": shown}


def report(number: int) -> Record:
    """Make the report of this number."""
    random = Random(number)
    return {
        "title": f"Annual sales report no. {number}",
        "author": "Blue Harbour Trading Ltd",
        "date": "2026-03-31",
        "sections": [_section(random, at) for at in range(1, SECTIONS + 1)],
        "chart_svg": chart([random.randint(100, 999) for _ in range(12)]),
    }


def _section(random: Random, at: int) -> Record:
    return {
        "title": f"Section {at}: {' '.join(random.choices(_WORDS, k=4))}",
        "paras": [f"{' '.join(random.choices(_WORDS, k=90)).capitalize()}." for _ in range(2)],
        "rows": [_row(random, (at - 1) * ROWS + line) for line in range(1, ROWS + 1)],
    }


def _row(random: Random, at: int) -> Record:
    return {
        "id": at,
        "date": f"2026-{random.randint(1, 12):02}-{random.randint(1, 28):02}",
        "client": random.choice(_CLIENTS),
        "product": random.choice(_GOODS),
        "qty": random.randint(1, 500),
        "amount": money(random.randint(10_000, 9_999_999)),
    }


def money(cents: int) -> str:
    """Write an amount: `34 853.49`."""
    return f"{cents // 100:,}.{cents % 100:02}".replace(",", " ")


@cache
def _code(number: int) -> str:
    code = segno.make(f"https://pay.example/invoice?iban={_SELLER['iban']}&reference=2026-{number:05}", error="m")
    return str(code.svg_inline())


def chart(values: list[int]) -> str:
    """Draw bars of a chart as SVG."""
    top = max(values)
    parts = ['<rect width="600" height="260" fill="#fff"/>']
    for step in range(6):
        y = 20 + step * 40
        parts.append(
            f'<line x1="40" y1="{y}" x2="590" y2="{y}" stroke="#ddd"/>{_label(4, y + 4, top * (5 - step) // 5)}'
        )
    for at, value in enumerate(values):
        x, height = 50 + 45 * at, 200 * value / top
        bar = f'<rect x="{x}" y="{220 - height:.1f}" width="30" height="{height:.1f}" fill="#2b6cb0"/>'
        parts.append(bar + _label(x, 238, f"M{at + 1}"))
    head = '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 600 260" width="600" height="260">'
    return f"{head}{''.join(parts)}</svg>"


def _label(x: int, y: int, text: object) -> str:
    return f'<text x="{x}" y="{y}" font-family="Liberation Sans" font-size="10">{text}</text>'


MAKE: dict[str, Callable[[int], Record]] = {"invoice": invoice, "report": report}


def json_lines(kind: str, output_format: str, first: int, count: int) -> Iterator[str]:
    """Make records as JSON, one a line; Word templates have no use for what is drawn."""
    for number in range(first, first + count):
        record = MAKE[kind](number)
        left_out = DRAWN if output_format == "docx" else ()
        yield json.dumps({name: value for name, value in record.items() if name not in left_out}, ensure_ascii=False)


def texts_of(kind: str, record: dict[str, Any]) -> list[str]:
    """Return what a document of this record must show."""
    if kind == "invoice":
        shown = [item[field] for item in record["items"] for field in ("name", "sku", "total")]
        return [record["number"], record["buyer"]["name"], record["buyer"]["vat"], record["total"], *shown]
    titles = [section["title"] for section in record["sections"]]
    ends = [section["rows"][at] for section in record["sections"] for at in (0, ROWS - 1)]
    return [
        record["title"],
        *titles,
        *(str(row[field]) for row in ends for field in ("id", "date", "client", "amount")),
    ]
