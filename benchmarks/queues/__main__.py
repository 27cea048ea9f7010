"""Measures all contestants round by round, so that what else the machine does meets each of them."""

import argparse
import subprocess
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import replace
from itertools import product

from benchmarks.environments import python_of, version_of
from benchmarks.pressure import wait_until_quiet
from benchmarks.queues import report, trial
from benchmarks.queues.contestants import ALL, OURS, PEERS, Contestant
from benchmarks.queues.trial import Figures

REMATCH_ROUNDS = 6


def main() -> None:
    parser = argparse.ArgumentParser(description="The queue beside its peers; see benchmarks/queues.")
    names = [contestant.name for contestant in ALL]
    parser.add_argument("--only", action="append", choices=names, help="prints figures, writes no report")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--jobs", type=int, default=3000, help="a third enqueued one by one, the others 50 at a time")
    parser.add_argument("--concurrency", type=int, help="jobs at once, instead of what was found best")
    parser.add_argument("--no-fairness", action="store_true")
    parser.add_argument("--patience", type=float, default=0, help="minutes each trial may wait for a quiet machine")
    options = parser.parse_args()
    chosen = [contestant for contestant in ALL if not options.only or contestant.name in options.only]
    if options.concurrency:
        chosen = [replace(contestant, concurrency=options.concurrency) for contestant in chosen]
    for contestant in chosen:
        python_of(contestant.package)
    speeds, unfinished = measured_speeds(chosen, options)
    rematch = measured_rematch(speeds, options)
    if options.no_fairness:
        return
    one_line = {found.name: fairness(found, per_user=False) for found in chosen}
    per_user = {found.name: fairness(found, per_user=True) for found in chosen if found.against_floods}
    if not options.only:
        versions = {found.name: version_of(found.package) for found in chosen}
        figures = {
            "speed": speeds,
            "rematch": rematch,
            "unfinished": unfinished,
            "one_line": one_line,
            "per_user": per_user,
        }
        report.save({"rounds": options.rounds, "versions": versions, **figures})


def measured_speeds(
    chosen: Sequence[Contestant], options: argparse.Namespace
) -> tuple[dict[str, Figures], dict[str, int]]:
    """Return the medians, and how many of a peer's trials hung. Raises when ours hangs, or a peer never finishes."""
    found: dict[str, list[Figures]] = defaultdict(list)
    unfinished: Counter[str] = Counter()
    for number, contestant in product(range(options.rounds), chosen):
        what = f"round {number + 1}, {contestant.name} ({contestant.concurrency} at once)"
        pressure = wait_until_quiet(options.patience)
        try:
            figures = trial.speed(contestant, options.jobs // 3, options.jobs - options.jobs // 3)
        except subprocess.TimeoutExpired:
            if contestant == OURS:
                raise
            unfinished[contestant.name] += 1
            print(f"{what}: not all jobs were done after {trial.PATIENCE_S} s", flush=True)
            continue
        figures["pressure_percent"] = pressure
        found[contestant.name].append(figures)
        show(what, figures)
    return {contestant.name: report.medians(found[contestant.name]) for contestant in chosen}, dict(unfinished)


def measured_rematch(speeds: dict[str, Figures], options: argparse.Namespace) -> dict[str, Figures]:
    """Measure ours and the fastest peer once more, in turn and often: other work then meets both alike."""
    peers = [contestant for contestant in PEERS if contestant.name in speeds]
    if OURS.name not in speeds or not peers:
        return {}
    best = max(peers, key=lambda peer: speeds[peer.name]["jobs_per_s"])
    return measured_speeds([OURS, best], argparse.Namespace(**{**vars(options), "rounds": REMATCH_ROUNDS}))[0]


def fairness(contestant: Contestant, *, per_user: bool) -> Figures:
    figures = trial.fairness(contestant, per_user=per_user)
    show(f"flood, {contestant.name}, {contestant.against_floods if per_user else 'one line'}", figures)
    return figures


def show(what: str, figures: Figures) -> None:
    print(f"{what}: " + ", ".join(f"{name} {value:.2f}" for name, value in figures.items()), flush=True)


if __name__ == "__main__":
    main()
