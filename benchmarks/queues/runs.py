"""The log of runs: which job began when. One `write` per line into a file opened for appending, so that no process and
no thread can tear another's line, and a job that ran twice is seen.
"""

import os
import time
from collections import Counter
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Run:
    """A job's number, when it began (seconds since the epoch), and the worker's CPU seconds until then."""

    job: int
    began: float
    cpu_s: float


class RunLog:
    """The worker's side."""

    def __init__(self, path: str) -> None:
        self._file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)

    def began(self, job: int) -> None:
        os.write(self._file, b"%d %.6f %.6f\n" % (job, time.time(), time.process_time()))


def count_runs(path: str) -> int:
    return Path(path).read_bytes().count(b"\n") if Path(path).exists() else 0


def read_runs(path: str) -> list[Run]:
    """Return the runs in the order in which they began."""
    lines = Path(path).read_text().splitlines() if Path(path).exists() else []
    fields = (line.split() for line in lines)
    runs = (Run(int(job), float(began), float(cpu_s)) for job, began, cpu_s in fields)
    return sorted(runs, key=lambda run: run.began)


def check_each_once(runs: list[Run], jobs: int) -> None:
    """Raise AssertionError unless every job ran exactly once."""
    counted = Counter(run.job for run in runs)
    lost = jobs - len(counted.keys() & range(jobs))
    again = sum(times > 1 for times in counted.values())
    assert not lost and not again and len(counted) == jobs, f"of {jobs} jobs {lost} never ran, {again} ran again"
