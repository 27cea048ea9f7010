"""The history of a run: one JSON line per call, answer, act and outage, appended as it happens.

`t` are seconds of this machine's monotonic clock, `at` epoch milliseconds, as the events carry them.
"""

import itertools
import json
import time
from collections.abc import Iterator
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any, Literal

#: ok: done. fail: certainly not done. info: may be done, now or later (a lost answer).
Outcome = Literal["ok", "fail", "info"]
Fields = dict[str, Any]


@dataclass(frozen=True)
class Call:
    """One call of a client. `status` is None where no answer came; `ended` then is when the client gave up."""

    op: int
    client: str
    do: str
    about: Fields
    began: float
    ended: float
    outcome: Outcome
    status: int | None
    answer: Fields = field(default_factory=dict)

    def __str__(self) -> str:
        return f"call {self.op} of {self.client}: {self.do} {self.about} -> {self.status or 'no answer'} {self.answer}"


@dataclass(frozen=True)
class Act:
    """What the driver did to a process or a disk, from `began` to `ended` (epoch ms)."""

    name: str
    target: str
    began: int
    ended: int
    pid: int | None = None
    note: str = ""


@dataclass(frozen=True)
class Outage:
    """While `who` did not answer its health check (epoch ms)."""

    who: str
    began: int
    ended: int


class History:
    """Appends lines. Each is written in one piece, so that a killed run leaves whole ones."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._file = path.open("a", encoding="utf-8", buffering=1)
        self._ops = itertools.count(1)

    def invoke(self, client: str, do: str, about: Fields) -> int:
        """Write that a call begins; return its number."""
        op = next(self._ops)
        self._write("invoke", op=op, client=client, do=do, about=about)
        return op

    def complete(self, op: int, outcome: Outcome, status: int | None, answer: Fields) -> None:
        self._write(outcome, op=op, status=status, answer=answer)

    def act(self, act: Act) -> None:
        self._write("act", **vars(act))

    def outage(self, outage: Outage) -> None:
        self._write("outage", **vars(outage))

    def note(self, name: str, **fields: object) -> None:
        """Write anything else that happened."""
        self._write("note", name=name, **fields)

    def close(self) -> None:
        self._file.close()

    def _write(self, kind: str, **fields: object) -> None:
        line = {"kind": kind, "t": round(time.monotonic(), 6), "at": now_ms(), **fields}
        self._file.write(json.dumps(line, ensure_ascii=False) + "\n")


@dataclass(frozen=True)
class Story:
    """A history, read. A call without an answer, because the run ended first, is `info` to the end of time."""

    calls: list[Call]
    acts: list[Act]
    outages: list[Outage]
    notes: list[Fields]


def read_story(path: Path) -> Story:
    """Read a history file; half a line at its end is none."""
    begun: dict[int, Fields] = {}
    calls, acts, outages, notes = [], [], [], []
    for line in _lines(path):
        match line["kind"]:
            case "invoke":
                begun[line["op"]] = line
            case "act":
                acts.append(Act(**_only(Act, line)))
            case "outage":
                outages.append(Outage(**_only(Outage, line)))
            case "note":
                notes.append(line)
            case _:
                calls.append(_call(begun.pop(line["op"]), line))
    calls += [_call(line, {"kind": "info", "t": float("inf"), "status": None}) for line in begun.values()]
    return Story(sorted(calls, key=lambda call: call.op), acts, outages, notes)


def now_ms() -> int:
    return time.time_ns() // 1_000_000


def _call(begun: Fields, ended: Fields) -> Call:
    return Call(
        op=begun["op"],
        client=begun["client"],
        do=begun["do"],
        about=begun["about"],
        began=begun["t"],
        ended=ended["t"],
        outcome=ended["kind"],
        status=ended["status"],
        answer=ended.get("answer", {}),
    )


def _lines(path: Path) -> Iterator[Fields]:
    for line in path.read_text(encoding="utf-8").splitlines():
        try:
            yield json.loads(line)
        except ValueError:
            return


def _only(kind: type[Act | Outage], line: Fields) -> Fields:
    return {one.name: line[one.name] for one in fields(kind) if one.name in line}
