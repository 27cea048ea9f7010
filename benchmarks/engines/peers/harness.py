"""The loop around a contestant in Python. Runs in the peer's own environment: imports nothing but the library.

The orchestrator hears of three moments, `first`, `begin` and `end`, as JSON lines, and answers each when it has looked
at memory and processor time. Nothing but `render` is timed.
"""

import json
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class Task:
    """`records`: a file with one JSON value a line. `out`: a folder for samples.

    `warm`: documents before the clock starts, as many as `warm_s` allows and one at least.
    """

    kind: str
    format: str
    template: str
    records: str
    seconds: float
    warm: int
    warm_s: float
    out: str


def run(prepare: Callable[[Task], Callable[[Any], bytes]], *, raw: bool = False) -> None:
    """Render records for as long as the task says, or until they end; `raw`: the contestant takes JSON as bytes."""
    task = Task(**json.loads(Path(sys.argv[1]).read_text()))
    records = enumerate(_records(task.records, raw))
    render = prepare(task)
    render(next(records)[1])
    _mark("first")
    _warm_up(render, records, task)
    _mark("begin")
    _mark("end", times=_timed(render, records, task))


def _warm_up(render: Callable[[Any], bytes], records: Iterator[tuple[int, Any]], task: Task) -> None:
    until = time.perf_counter() + task.warm_s
    for _, record in islice(records, task.warm):
        render(record)
        if time.perf_counter() > until:
            break


def _timed(render: Callable[[Any], bytes], records: Iterator[tuple[int, Any]], task: Task) -> list[float]:
    """Return seconds for each document; keep the first output, those at powers of two, and the last as samples."""
    times: list[float] = []
    number, content, until = 0, b"", time.perf_counter() + task.seconds
    for number, record in records:
        began = time.perf_counter()
        content = render(record)
        times.append(time.perf_counter() - began)
        if len(times) & (len(times) - 1) == 0:
            _keep(content, number, task)
        if time.perf_counter() > until:
            break
    _keep(content, number, task)
    return times


def _keep(content: bytes, number: int, task: Task) -> None:
    """Write a sample, named by the number of its record."""
    (Path(task.out) / f"{number}.{task.format}").write_bytes(content)


def _records(path: str, raw: bool) -> Iterator[Any]:
    with open(path, "rb") as lines:
        for line in lines:
            yield line if raw else json.loads(line)


def _mark(name: str, **said: object) -> None:
    print(json.dumps({"mark": name, **said}), flush=True)
    sys.stdin.readline()
