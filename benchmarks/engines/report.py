"""The JSON file, the section of docs/benchmarks.md and the charts."""

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from benchmarks.chart import Bar, Panel, drawn, short
from benchmarks.engines.contestants import ALL, KINDS
from benchmarks.engines.ratios import OURS, SANDBOX_AIM, SERVICE_AIM, ratios
from benchmarks.page import PAGE, conditions, rounded, write_section

RESULTS = Path(__file__).parents[1] / "results" / "engines.json"
IMAGES = PAGE.parent / "images" / "benchmarks"
FORMATS = ("docx", "pdf")
Report = Mapping[str, Any]

TITLE = "The engines beside their peers"
EXPLAINED = """\
An invoice (a page, 12 lines, a logo; as PDF with a QR code) and a report (ten sections, 500 rows; as PDF with a chart
and a table of contents), a different record for each document. Every contestant runs in a fresh process of its own
runtime, all of it on one core, as its documentation shows: no service, no queue. Peers get records that are parsed, or
pages that are filled in, before the clock starts; ours parses JSON and reads every document back, as in production. The
first document, the last and those between at powers of two are checked: pages and text of that record, every part of a
DOCX well-formed. Compare rows with each other: other work on the machine changes rates, CPU time less. Memory is the
proportional share of all the contestant's processes, after the first document and at the end; cold is from the start of
the process to its first document.
"""
SANDBOX = """\
The bare engine and a pool of one confined process, in turn. The process has a core and the pool another; then both
share one, and all the work of the pool counts. {aim:.0%} are aimed at for the former. CPU time is of a document: bare,
then in the render process and in the pool's.
"""
SERVICE = """\
`presswork up` with templates that were uploaded, one render process, then one for each core. At once: requested as
fast as the service accepts, until the last is there; backlog: accepted beforehand, then worked off. API, generator,
Redis, ClickHouse and the client share {cores} cores with the render processes, whereas the bare engine has its core to
itself: the CPU time of a document in each process says what belongs to rendering and what to the promise (on disk
before the 202, stored, handed over, in the history). {aim:.0%} of the bare engine are aimed at, for one render process
and the better of its two rates. Where a document takes about a millisecond, the queue's writes and HTTP are the bound,
not the engine.
"""


def save(report: Report) -> None:
    """Write benchmarks/results/engines.json, the charts and the page's section."""
    report = json.loads(json.dumps({"conditions": conditions(), **report}), parse_float=rounded)
    RESULTS.write_text(json.dumps(report, indent=2) + "\n")
    IMAGES.mkdir(parents=True, exist_ok=True)
    for output_format in FORMATS:
        (IMAGES / f"engines-{output_format}.svg").write_text(chart(report, output_format))
    write_section("engines", TITLE, section(report))


def chart(report: Report, output_format: str) -> str:
    """Draw the documents per second of one format, invoices above reports."""
    return drawn([_panel(report, output_format, kind) for kind in KINDS])


def _panel(report: Report, output_format: str, kind: str) -> Panel:
    found = _by_rate(report, f"{output_format}_{kind}")
    bars = [Bar(name, figures["per_s"], name == OURS) for name, figures in found]
    return Panel(f"{kind.capitalize()}s as {output_format.upper()}, documents/s on one core", bars)


def _by_rate(report: Report, case: str) -> list[tuple[str, Mapping[str, float]]]:
    return sorted(report["engines"][case].items(), key=lambda pair: -pair[1]["per_s"])


def section(report: Report) -> Iterator[str]:
    """Write the page's section."""
    yield from (f"{report['conditions']}. Medians of {report['rounds']} rounds.", "", *EXPLAINED.splitlines())
    yield from (f"Not measured: {name} ({why})." for name, why in report["missing"].items())
    yield from (f"Not in every round: {name} ({why})." for name, why in report["failed"].items())
    yield from ("", *_aims(report))
    for output_format in FORMATS:
        yield from ("", f"### {output_format.upper()}", "")
        yield from (f"![{output_format.upper()} per second](images/benchmarks/engines-{output_format}.svg)", "")
        yield from _table(report, output_format)
    yield from ("", "### Through the render processes", "", *SANDBOX.format(aim=SANDBOX_AIM).splitlines(), "")
    yield from _sandbox(report["sandbox"])
    explained = SERVICE.format(cores=report["cores"], aim=SERVICE_AIM)
    yield from ("", "### Through the whole service", "", *explained.splitlines(), "", *_service(report["service"]))


def _aims(report: Report) -> Iterator[str]:
    yield "| | times as fast as | by documents/s | by CPU time | aimed at | |"
    yield "|---|---|---|---|---|---|"
    for ratio in ratios(report["engines"]):
        aim = ratio.aim
        measured = f"**{short(ratio.by_rate)}** | {short(ratio.by_cpu)} | {aim.times:g}"
        yield f"| {aim.format.upper()} {aim.kind} | {aim.peer} | {measured} | {_judged(ratio.met)} |"


def _judged(met: bool) -> str:
    return "met" if met else "missed"


def _table(report: Report, output_format: str) -> Iterator[str]:
    yield "| | | documents/s | p50 / p99 ms | CPU ms | cold ms | memory MiB | KiB |"
    yield "|---|---|---|---|---|---|---|---|"
    for kind in KINDS:
        for name, found in _by_rate(report, f"{output_format}_{kind}"):
            who = next(one for one in ALL if (one.name, one.format) == (name, output_format))
            version = f"{name} {report['versions'][name]}".rstrip()
            times = f"{found['p50_ms']:.1f} / {found['p99_ms']:.1f} | {found['cpu_ms']:.1f} | {found['cold_ms']:,.0f}"
            held = f"{found['rss_first_mb']:.0f} → {found['rss_end_mb']:.0f} | {found['bytes'] / 1024:.0f}"
            yield f"| {kind} | {version}: {who.how} | **{short(found['per_s'])}** | {times} | {held} |"


def _sandbox(found: Mapping[str, Mapping[str, float]]) -> Iterator[str]:
    yield "| | bare engine/s | process on a core of its own | of bare | sharing the core | of bare | CPU ms | |"
    yield "|---|---|---|---|---|---|---|---|"
    for case, rate in found.items():
        own, shared = (rate[place] / rate["bare"] for place in ("own_core", "shared_core"))
        shown = f"{short(rate['own_core'])} | **{own:.0%}** | {short(rate['shared_core'])} | {shared:.0%}"
        spent = f"{rate['bare_cpu_ms']:.2f} → {rate['process_cpu_ms']:.2f} + {rate['pool_cpu_ms']:.2f}"
        yield f"| {_named(case)} | {short(rate['bare'])} | {shown} | {spent} | {_judged(own >= SANDBOX_AIM)} |"


def _service(found: Mapping[str, Mapping[str, Any]]) -> Iterator[str]:
    yield "| | bare engine/s | one process: at once | backlog | of bare | one per core: at once | backlog | |"
    yield "|---|---|---|---|---|---|---|---|"
    for case, rates in found.items():
        bare, one, every = rates["bare"], rates["one"], rates["all"]
        best = max(one["at_once_per_s"], one["backlog_per_s"]) / bare["per_s"]
        shown = f"{short(one['at_once_per_s'])} | {short(one['backlog_per_s'])} | **{best:.0%}** | "
        shown += f"{short(every['at_once_per_s'])} | {short(every['backlog_per_s'])}"
        yield f"| {_named(case)} | {short(bare['per_s'])} | {shown} | {_judged(best >= SERVICE_AIM)} |"
    yield from ("", "CPU time of a document by process, in ms, with one render process and all requested at once:", "")
    yield "| | bare engine | render process | generator | API | Redis | ClickHouse | all |"
    yield "|---|---|---|---|---|---|---|---|"
    for case, rates in found.items():
        spent = [
            rates["one"][f"{role}_cpu_ms"] for role in ("render", "generator", "api", "redis", "clickhouse", "others")
        ]
        shown = " | ".join(f"{ms:.2f}" for ms in (rates["bare"]["cpu_ms"], *spent[:-1], sum(spent)))
        yield f"| {_named(case)} | {shown} |"


def _named(case: str) -> str:
    output_format, kind = case.split("_")
    return f"{output_format.upper()} {kind}"
