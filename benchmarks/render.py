"""Documents per second of the shipped templates: in one process through the core, and through the render processes.

`python benchmarks/render.py [seconds per figure] [--json]`. Every document is checked as in production.
"""

import argparse
import asyncio
import json
import statistics
import time
from collections.abc import Awaitable, Callable
from dataclasses import asdict, dataclass
from decimal import Decimal

from generator.core import Engines, RenderRequest, generate
from generator.sandbox import RenderPool, SandboxLimits
from generator.shipped import ShippedTemplate, load_shipped

NAMES = ("invoice", "report", "letter", "certificate", "contract")
CASES = tuple((name, output_format) for name in NAMES for output_format in ("pdf", "docx"))
VARIANTS = 40


@dataclass(frozen=True)
class Figure:
    """One measurement. `per_second` is per core for `core`; for `pool`, of all workers together."""

    what: str
    template: str
    format: str
    per_second: float
    p50_ms: float
    p99_ms: float
    bytes: int


def invoice(number: int) -> dict[str, object]:
    """Make an invoice of 12 lines, another for each number."""
    names = (
        "Consulting, hour",
        "Steel bolt M8",
        "Болт М8 оцинкованный",
        "Router AX3000",
        "Paper A4, box",
        "Toner, black",
    )
    items = [
        {
            "name": f"{names[(number + line) % len(names)]} #{(number * 31 + line * 7) % 997}",
            "sku": f"SKU-{number % 97:02}{line:03}",
            "qty": (number + line) % 40 + 1,
            "unit": ("h", "pc", "box")[line % 3],
            "price": float(Decimal((number * 7919 + line * 104729) % 90000) / 100),
        }
        for line in range(12)
    ]
    party = {"address": "12 Quay Street, Dublin, Ireland", "vat": "IE1234567T", "iban": "IE29AIBK93115212345678"}
    return {
        "number": f"INV-2026-{number:05}",
        "date": "2026-03-01",
        "due": "2026-04-01",
        "currency": "EUR",
        "seller": {"name": "Blue Harbour Trading Ltd", **party},
        "buyer": {"name": f"Acme GmbH {number}", **party},
        "items": items,
        "vat_rate": 20,
        "note": "Payment within 30 days.",
    }


def report(number: int) -> dict[str, object]:
    """Make a report of ten sections with a table of 50 rows each, another for each number."""
    words = (
        "revenue costs region quarter customers delivery grew improved audited northern ledgers the of in and".split()
    )
    text = " ".join(words[(number * 17 + at * at) % len(words)] for at in range(90)).capitalize() + "."
    row = {"date": "2026-07-09", "client": "Société Générale d'Été", "product": "SSD 2 TB <NVMe>"}
    sections = [
        {
            "title": f"Section {section}",
            "paras": [text, text[::-1]],
            "rows": [
                {
                    "id": line,
                    **row,
                    "qty": (number + line) % 400,
                    "amount": (number * 7919 + line * 104729) % 9_000_000 / 100,
                }
                for line in range(50)
            ],
        }
        for section in range(1, 11)
    ]
    chart = [(number * 37 + month * 91) % 900 + 50 for month in range(12)]
    return {
        "title": f"Sales report {number}",
        "author": "Blue Harbour",
        "date": "2026-03-31",
        "chart": chart,
        "sections": sections,
    }


def varied(template: ShippedTemplate, number: int) -> dict[str, object]:
    """Make the sample of another number."""
    return {**template.sample, "number": f"N-{number:05}", "reference": f"N-{number:05}"}


def requests_for(template: ShippedTemplate, output_format: str) -> list[RenderRequest]:
    """Make different documents, so that no cache answers for the engine."""
    make = {"invoice": invoice, "report": report}.get(template.name)
    made = (make(number) if make else varied(template, number) for number in range(VARIANTS))
    data = [json.dumps(one, ensure_ascii=False).encode() for one in made]
    return [
        RenderRequest(template.bundle, one, output_format, 1_772_323_200_000 + number, "en", trusted=True)
        for number, one in enumerate(data)
    ]


def measure_core(template: ShippedTemplate, output_format: str, seconds: float) -> Figure:
    """Render in this process, one after the other."""
    engines, requests = Engines(), requests_for(template, output_format)
    size = len(generate(requests[0], engines).content)
    took: list[float] = []
    began = time.perf_counter()
    while time.perf_counter() - began < seconds:
        start = time.perf_counter()
        generate(requests[len(took) % VARIANTS], engines)
        took.append(time.perf_counter() - start)
    return _figure("core", template, output_format, took, time.perf_counter() - began, size)


async def measure_pool(pool: RenderPool, template: ShippedTemplate, output_format: str, seconds: float) -> Figure:
    """Render in the pool, as many at once as it has workers."""
    requests = requests_for(template, output_format)
    size = len((await pool.render(requests[0])).content)
    took: list[float] = []
    began = time.perf_counter()

    async def worker() -> None:
        while time.perf_counter() - began < seconds:
            start = time.perf_counter()
            await pool.render(requests[len(took) % VARIANTS])
            took.append(time.perf_counter() - start)

    await asyncio.gather(*(worker() for _ in range(pool.size)))
    return _figure(f"pool of {pool.size}", template, output_format, took, time.perf_counter() - began, size)


def _figure(
    what: str, template: ShippedTemplate, output_format: str, took: list[float], elapsed: float, size: int
) -> Figure:
    ordered = sorted(took)
    p50, p99 = statistics.median(ordered), ordered[min(int(len(ordered) * 0.99), len(ordered) - 1)]
    return Figure(
        what,
        template.name,
        output_format,
        round(len(took) / elapsed, 1),
        round(p50 * 1e3, 2),
        round(p99 * 1e3, 2),
        size,
    )


async def _in_pool(measure: Callable[[RenderPool], Awaitable[list[Figure]]], workers: int) -> list[Figure]:
    pool = RenderPool(SandboxLimits(workers=workers, spare=0))
    await pool.start()
    try:
        return await measure(pool)
    finally:
        await pool.close()


def run(seconds: float, workers: int) -> list[Figure]:
    """Measure every case both ways."""
    shipped = {template.name: template for template in load_shipped()}
    figures = [measure_core(shipped[name], output_format, seconds) for name, output_format in CASES]

    async def pooled(pool: RenderPool) -> list[Figure]:
        return [await measure_pool(pool, shipped[name], output_format, seconds) for name, output_format in CASES]

    return figures + asyncio.run(_in_pool(pooled, workers))


def main() -> None:
    """Print a table, or JSON lines with --json."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("seconds", nargs="?", type=float, default=3)
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    for figure in run(options.seconds, options.workers):
        if options.json:
            print(json.dumps(asdict(figure)))
        else:
            print(
                f"{figure.what:10} {figure.template:11} {figure.format:5} {figure.per_second:8.1f}/s"
                f"  p50 {figure.p50_ms:7.2f} ms  p99 {figure.p99_ms:7.2f} ms  {figure.bytes:7} bytes"
            )


if __name__ == "__main__":
    main()
