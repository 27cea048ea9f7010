"""Memory over many documents: `python -m benchmarks.engines_memory [--mixed N] [--typst N]`, about fifteen minutes.

Every shipped template and those of the comparison, in both formats and in turn, through one render process that is
never replaced; then tiny Typst documents in one process, more than Typst has file names.
"""

import argparse
import asyncio
import json
import logging
import subprocess
import sys
import time
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from statistics import mean, median
from typing import Any

import structlog

from benchmarks.engines.bundles import bundle_of
from benchmarks.engines.contestants import KINDS
from benchmarks.engines.records import MAKE
from benchmarks.engines.report import FORMATS
from benchmarks.engines.turn import MIB
from benchmarks.page import conditions, rounded, write_section
from contracts.templates import TemplateBundle
from generator.renderers.port import RenderRequest
from generator.sandbox import RenderPool, SandboxLimits
from generator.shipped import load_shipped

RESULTS = Path(__file__).parent / "results" / "engines_memory.json"
LIMITS = SandboxLimits(workers=1, spare=0, renders=10**9)
STRETCHES = 10
#: Records are made beforehand; no cache of layouts outlives so many documents.
VARIANTS = 25
#: Growth, from the second tenth to the last, that is still called flat.
FLAT = 0.10

TITLE = "Memory over many documents"
EXPLAINED = """\
{mixed:,} documents through one confined render process that is never replaced: the shipped templates and those of
the comparison with peers, in both formats and in turn. Beyond {cool:.0f} MiB a process drops its caches; in
production it is also replaced after {renders:,} documents. Resident MiB, looked at after each document:
"""
MANY = """\
{typst:,} Typst documents in one process that is neither cooled nor replaced, with data of their own and a new template
for each thousand. Typst interns file names for the life of a process and has 65,535 of them.
"""
Report = Mapping[str, Any]
Rows = Sequence[Sequence[float]]


@dataclass(frozen=True)
class Case:
    """A template in one format, and data for it."""

    name: str
    bundle: TemplateBundle
    format: str
    records: Sequence[bytes]
    trusted: bool

    def request(self, number: int) -> RenderRequest:
        record = self.records[number % len(self.records)]
        return RenderRequest(self.bundle, record, self.format, number, "en", trusted=self.trusted)


def cases() -> list[Case]:
    """Return what is rendered in turn."""
    shipped = (
        Case(f"{template.name} (shipped)", template.bundle, made, _varied(template.sample), trusted=True)
        for template in load_shipped()
        for made in FORMATS
        if made in template.bundle.manifest.formats
    )
    compared = (
        Case(
            f"{kind} (compared)", bundle_of(kind, made), made, _encoded(map(MAKE[kind], range(VARIANTS))), trusted=False
        )
        for kind, made in product(KINDS, FORMATS)
    )
    return [*shipped, *compared]


def _varied(sample: Mapping[str, object]) -> list[bytes]:
    """Make the sample of other numbers."""
    numbers = (f"N-{number:05}" for number in range(VARIANTS))
    return _encoded({**sample, "number": number, "reference": number} for number in numbers)


def _encoded(records: Any) -> list[bytes]:
    return [json.dumps(record, ensure_ascii=False).encode() for record in records]


async def measure_mixed(documents: int) -> dict[str, Any]:
    """Render in turn; answers the process's memory by stretches, and milliseconds by case."""
    pool = RenderPool(LIMITS)
    await pool.start()
    try:
        return await _rendered(pool, documents)
    finally:
        await pool.close()


async def _rendered(pool: RenderPool, documents: int) -> dict[str, Any]:
    sizes: list[float] = []
    times: dict[str, list[float]] = defaultdict(list)
    pids: set[int] = set()
    listed = cases()
    for number in range(documents):
        case = listed[number % len(listed)]
        began = time.perf_counter()
        await pool.render(case.request(number), timeout_s=120)
        times[f"{case.name}, {case.format}"].append(1000 * (time.perf_counter() - began))
        sizes.extend(child.rss_bytes / MIB for child in pool.children)
        pids.update(child.pid for child in pool.children)
    assert len(pids) == 1, "the process was replaced"
    return {"stretches": stretches(sizes, STRETCHES), "p50_ms": {name: median(took) for name, took in times.items()}}


def stretches(sizes: Sequence[float], count: int) -> list[list[float]]:
    """Cut sizes into stretches of equal length: where each ends, its mean and its highest."""
    ends = [len(sizes) * (at + 1) // count for at in range(count)]
    cut = [sizes[begin:end] for begin, end in zip([0, *ends], ends, strict=False)]
    return [[end, mean(part), max(part)] for end, part in zip(ends, cut, strict=True)]


def growth(values: Sequence[float]) -> float:
    """Return how much more the last value is than the second: the first still fills caches."""
    return values[-1] / values[1] - 1


def measure_many(documents: int) -> list[list[float]]:
    command = [sys.executable, "-m", "benchmarks.engines.many", str(documents)]
    done = subprocess.run(command, stdout=subprocess.PIPE, check=True, text=True)
    return [json.loads(line) for line in done.stdout.splitlines()]


def section(report: Report) -> Iterator[str]:
    """Write the page's section from a report."""
    explained = EXPLAINED.format(
        mixed=report["mixed"], cool=LIMITS.cool_rss_bytes / MIB, renders=SandboxLimits().renders
    )
    yield from (f"{report['conditions']}.", "", *explained.splitlines(), "")
    yield from _across(report["stretches"], ("until document", "mean", "highest"))
    yield from ("", _said("the mean", [row[1] for row in report["stretches"]]), "")
    yield from (*MANY.format(typst=report["typst"]).splitlines(), "")
    yield from _across(report["many"], ("after document", "resident MiB"))
    yield from ("", _said("memory", [row[1] for row in report["many"]]), "")
    yield from (
        "What a document of each kind took on the way, in ms (median):",
        "",
        "| | PDF | DOCX |",
        "|---|---|---|",
    )
    yield from _took(report["p50_ms"])


def _across(rows: Rows, names: Sequence[str]) -> Iterator[str]:
    yield f"| {' | '.join(names)} |"
    yield "|---" * len(names) + "|"
    for row in rows:
        yield f"| {' | '.join(f'{value:,.0f}' for value in row)} |"


def _said(what: str, values: Sequence[float]) -> str:
    grown = growth(values)
    judged = "flat" if grown <= FLAT else "not flat"
    return f"From the second line to the last {what} changed by {grown:+.1%}: **{judged}** (at most {FLAT:.0%})."


def _took(p50_ms: Mapping[str, float]) -> Iterator[str]:
    for name in dict.fromkeys(case.rpartition(", ")[0] for case in p50_ms):
        yield f"| {name} | {' | '.join(f'{p50_ms[f'{name}, {made}']:.1f}' for made in ('pdf', 'docx'))} |"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--mixed", type=int, default=10_000)
    parser.add_argument("--typst", type=int, default=70_000)
    options = parser.parse_args()
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.WARNING))
    many = measure_many(options.typst)
    print(f"Typst: {many}", flush=True)
    mixed = asyncio.run(measure_mixed(options.mixed))
    report = {"conditions": conditions(), "mixed": options.mixed, "typst": options.typst, **mixed, "many": many}
    report = json.loads(json.dumps(report), parse_float=rounded)
    RESULTS.write_text(json.dumps(report, indent=2) + "\n")
    write_section("engines_memory", TITLE, section(report))
    print(json.dumps(report, indent=2))


if __name__ == "__main__":
    main()
