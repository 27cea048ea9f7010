"""Measures peers, render processes and the whole service round by round, so that other work meets each of them."""

import argparse
import logging
import os
import subprocess
import tempfile
from collections import defaultdict
from collections.abc import Sequence
from itertools import product
from pathlib import Path

import psutil
import structlog

from benchmarks.engines import report
from benchmarks.engines.contestants import ALL, KINDS, OURS_DOCX, OURS_PDF, Contestant
from benchmarks.engines.inputs import Inputs
from benchmarks.engines.ratios import medians
from benchmarks.engines.sandboxed import Place, through_pool
from benchmarks.engines.through_service import service, through_service
from benchmarks.engines.turn import Figures, command_of, turn
from benchmarks.engines.versions import version_of

PARTS = ("peers", "sandbox", "service")
PLACES: tuple[Place, ...] = ("own_core", "shared_core")
#: Of the second place: a core's worth of work, whoever does it.
SPENT = ("process_cpu_ms", "pool_cpu_ms")
OURS = tuple(product((OURS_DOCX, OURS_PDF), KINDS))
#: Through the service, at most: the client keeps all of them.
MOST = {"invoice": 1500, "report": 300}
#: PDFs take longer, and some peers' take seconds.
SECONDS = {"docx": 3.0, "pdf": 5.0}
Found = dict[str, list[Figures]]


def main() -> None:
    parser = argparse.ArgumentParser(description="The engines beside their peers; see benchmarks/engines.")
    parser.add_argument("--only", action="append", choices=PARTS, help="prints figures, writes no report")
    parser.add_argument("--rounds", type=int, default=4)
    parser.add_argument("--scale", type=float, default=1.0, help="of the seconds that each figure takes")
    options = parser.parse_args()
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.WARNING))
    parts = options.only or PARTS
    present, missing = installed() if "peers" in parts else ([OURS_DOCX, OURS_PDF], {})
    with tempfile.TemporaryDirectory(prefix="presswork-records-") as folder:
        run = Run(Inputs.make(Path(folder)), options.rounds, options.scale)
        engines = run.peers(present) if "peers" in parts else {}
        sandbox = run.sandbox() if "sandbox" in parts else {}
        served = run.service() if "service" in parts else {}
    if not options.only:
        versions = {one.name: version_of(one) for one in present}
        flaws = {"missing": missing, "failed": run.failed}
        said = {"rounds": options.rounds, "cores": os.cpu_count(), "versions": versions, **flaws}
        report.save({**said, "engines": engines, "sandbox": sandbox, "service": served})


def installed() -> tuple[list[Contestant], dict[str, str]]:
    """Return who can be measured, and why others cannot."""
    present, missing = [], {}
    for contestant in ALL:
        try:
            command_of(contestant)
            present.append(contestant)
        except (OSError, subprocess.CalledProcessError) as error:
            missing[contestant.name] = str(error)
            print(f"{contestant.name} cannot be measured: {error}", flush=True)
    return present, missing


class Run:
    """`scale` makes every figure shorter or longer. `failed`: peers that failed at some time, and why."""

    def __init__(self, inputs: Inputs, rounds: int, scale: float) -> None:
        self.failed: dict[str, str] = {}
        self._inputs, self._rounds, self._scale = inputs, rounds, scale

    def peers(self, contestants: Sequence[Contestant]) -> dict[str, dict[str, Figures]]:
        """Return medians by `format_kind` and contestant. A peer's failure costs it that round; ours ends the run."""
        found: dict[str, Found] = defaultdict(lambda: defaultdict(list))
        for number, kind, one in product(range(self._rounds), KINDS, contestants):
            what = f"round {number + 1}, {one.format} {kind}, {one.name}"
            try:
                figures = self._turn(one, kind)
            except (RuntimeError, AssertionError, OSError, psutil.Error) as error:
                if one.package is None:
                    raise
                self.failed[one.name] = f"a {kind} failed: {error}"
                print(f"{what}: {error}", flush=True)
                continue
            found[f"{one.format}_{kind}"][one.name].append(figures)
            show(what, figures)
        return {case: {name: medians(rounds) for name, rounds in named.items()} for case, named in found.items()}

    def _turn(self, contestant: Contestant, kind: str) -> Figures:
        return turn(contestant, kind, self._inputs, SECONDS[contestant.format] * self._scale)

    def sandbox(self) -> dict[str, Figures]:
        """Return medians: documents per second, bare and through the pool in both places, and their CPU time."""
        found: Found = defaultdict(list)
        for number, (ours, kind) in product(range(self._rounds), OURS):
            seconds = SECONDS[ours.format] * self._scale
            bare = self._turn(ours, kind)
            figures = {"bare": bare["per_s"], "bare_cpu_ms": bare["cpu_ms"]}
            for place in PLACES:
                pooled = through_pool(kind, ours.format, self._inputs, seconds, place)
                figures |= {place: pooled["per_s"], **{name: pooled[name] for name in SPENT}}
            found[f"{ours.format}_{kind}"].append(figures)
            show(f"round {number + 1}, {ours.format} {kind} through the pool", figures)
        return {case: medians(rounds) for case, rounds in found.items()}

    def service(self) -> dict[str, dict[str, Figures]]:
        """Return the bare engine's figures beside the service's, with one render process and with one per core."""
        found: dict[str, dict[str, Figures]] = defaultdict(dict)
        for processes, workers in (("one", 1), ("all", os.cpu_count() or 1)):
            with service(workers) as stack:
                for ours, kind in OURS:
                    case = f"{ours.format}_{kind}"
                    bare = found[case].setdefault("bare", self._turn(ours, kind))
                    documents = max(8, int(bare["per_s"] * SECONDS[ours.format] * self._scale * 0.7))
                    figures = through_service(stack, kind, ours.format, self._inputs, min(documents, MOST[kind]))
                    found[case][processes] = figures
                    show(f"{ours.format} {kind} through the service, {workers} render processes", figures)
        return dict(found)


def show(what: str, figures: Figures) -> None:
    print(f"{what}: " + ", ".join(f"{name} {value:.2f}" for name, value in figures.items()), flush=True)


if __name__ == "__main__":
    main()
