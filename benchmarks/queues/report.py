"""From trials to medians, the JSON file, and the table in docs/benchmarks.md."""

import json
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from statistics import median
from typing import Any

from benchmarks.page import conditions, rounded, write_section
from benchmarks.queues.contestants import ALL, OURS
from benchmarks.queues.trial import Figures

RESULTS = Path(__file__).parents[1] / "results" / "queues.json"
Found = Mapping[str, Figures]
Report = Mapping[str, Any]

TITLE = "The queue beside its peers"

EXPLAINED = """\
Each contestant runs alone on a fresh Redis server with `appendfsync always`: a write is on disk before it is answered.
Jobs carry 1 KB, do nothing, and tell their client that they are done: peers through their result backends, Presswork
through its whole path (claim, start, complete in group commits, three events per job for the history). One worker
process each; every job is counted and ran exactly once. How each peer is tuned is in `benchmarks/queues/peers/`.
Compare rows with each other, and rates with what a job costs in CPU time, which other work changes less. Busy: how much
of the ten seconds before a trial some task of other work waited for a core; a rate measured at 50 % is a low one.
"""
FLOODED = """\
User A sends 2,000 jobs of 50 ms, then user B sends 20; the worker runs ten at a time, so all of them take 10.1 s at
least. A lane of Presswork needs no announcement; where a peer has queues per user, the worker knows both beforehand.
"""


def medians(rounds: Iterable[Figures]) -> Figures:
    """Take each figure's median over the rounds, and the best rate."""
    listed = list(rounds)
    best = max(figures["jobs_per_s"] for figures in listed)
    return {name: median(figures[name] for figures in listed) for name in listed[0]} | {"best_jobs_per_s": best}


def save(report: Report) -> None:
    """Write benchmarks/results/queues.json and the page's section. `report` as `section` wants it."""
    report = json.loads(json.dumps({"conditions": conditions(), **report}), parse_float=rounded)
    RESULTS.write_text(json.dumps(report, indent=2) + "\n")
    write_section("queues", TITLE, section(report))


def section(report: Report) -> Iterator[str]:
    """Write the page's section: `speed`, `one_line` and `per_user` hold figures by contestant."""
    yield from (f"{report['conditions']}. Medians of {report['rounds']} rounds.", "", EXPLAINED, "")
    yield from _speed_table(report["speed"], report["versions"])
    yield from ("", *_ratios(report["rematch"]), "", "### One user floods", "", FLOODED, "")
    yield from _fairness_table(report["one_line"], report["per_user"])


def _speed_table(speeds: Found, versions: Mapping[str, str]) -> Iterator[str]:
    yield "| | enqueue p50 / p99 ms | 50 at once | enqueued/s | jobs/s, best | CPU µs/job: worker + Redis | busy |"
    yield "|---|---|---|---|---|---|---|"
    for name, found in sorted(speeds.items(), key=lambda pair: -pair[1]["jobs_per_s"]):
        alone = f"{found['sequential_p50_ms']:.2f} / {found['sequential_p99_ms']:.2f}"
        together = f"{found['concurrent_p50_ms']:.1f} / {found['concurrent_p99_ms']:.1f}"
        rates = f"{found['enqueued_per_s']:,.0f} | **{found['jobs_per_s']:,.0f}**, {found['best_jobs_per_s']:,.0f}"
        spent = f"{found['cpu_us_per_job']:,.0f} + {found['redis_cpu_us_per_job']:,.0f}"
        title = f"{name} {versions[name]}".rstrip()
        yield f"| {title} | {alone} | {together} | {rates} | {spent} | {found['pressure_percent']:.0f} % |"


def _ratios(rematch: Found) -> Iterator[str]:
    """Compare rates, and jobs per CPU second of the worker and of worker and server together."""
    ours, (name, best) = rematch[OURS.name], next(pair for pair in rematch.items() if pair[0] != OURS.name)
    rate, top = (ours[figure] / best[figure] for figure in ("jobs_per_s", "best_jobs_per_s"))
    spent = [(found["cpu_us_per_job"], found["redis_cpu_us_per_job"]) for found in (ours, best)]
    worker, together = spent[1][0] / spent[0][0], sum(spent[1]) / sum(spent[0])
    rates = f"{ours['jobs_per_s']:,.0f} and {best['jobs_per_s']:,.0f} jobs/s, **{rate:.1f} times**"
    yield f"Presswork and the fastest peer ({name}) once more, in turn, so that other work met both alike:"
    yield f"{rates} (best rounds: {top:.1f}); CPU time per job {worker:.1f} times less in"
    yield f"the worker, {together:.1f} times less in worker and Redis together."


def _fairness_table(one_line: Found, per_user: Found) -> Iterator[str]:
    yield "| | against a flood | B waits, p50 / max s | all done in s |"
    yield "|---|---|---|---|"
    means = {contestant.name: contestant.against_floods for contestant in ALL}
    rows = [(name, means[name], found) for name, found in per_user.items()]
    rows += [(name, "nothing: one line", found) for name, found in one_line.items()]
    for name, against, found in sorted(rows, key=lambda row: row[2]["wait_p50_s"]):
        yield f"| {name} | {against} | {found['wait_p50_s']:.2f} / {found['wait_max_s']:.2f} | {found['total_s']:.1f} |"
