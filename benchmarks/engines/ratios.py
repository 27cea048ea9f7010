"""From figures of several rounds to medians, and to ratios beside what they are meant to be."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from statistics import median

Figures = Mapping[str, float]
Found = Mapping[str, Mapping[str, Figures]]
OURS = "presswork"


@dataclass(frozen=True)
class Aim:
    """How many times as fast as `peer` we mean to be."""

    format: str
    kind: str
    peer: str
    times: float


AIMS = (
    Aim("docx", "invoice", "docxtpl", 100),
    Aim("docx", "invoice", "carbone", 100),
    Aim("docx", "invoice", "easy-template-x", 20),
    Aim("docx", "report", "docxtpl", 30),
    Aim("pdf", "invoice", "chromium", 5),
    Aim("pdf", "invoice", "chromium-isolated", 20),
    Aim("pdf", "report", "chromium", 1.5),
)
#: Of the bare engine's documents per second.
SANDBOX_AIM, SERVICE_AIM = 0.85, 0.70


@dataclass(frozen=True)
class Ratio:
    """An aim and what was measured: by documents per second, and by processor time per document."""

    aim: Aim
    by_rate: float
    by_cpu: float

    @property
    def met(self) -> bool:
        return self.by_rate >= self.aim.times


def medians(rounds: Iterable[Figures]) -> dict[str, float]:
    """Take each figure's median over the rounds."""
    listed = list(rounds)
    return {name: median(figures[name] for figures in listed) for name in listed[0]}


def ratios(found: Found) -> Iterator[Ratio]:
    """Compare figures by `format_kind` and contestant with the aims; peers that were not measured are left out."""
    for aim in AIMS:
        figures = found[f"{aim.format}_{aim.kind}"]
        if aim.peer in figures:
            ours, theirs = figures[OURS], figures[aim.peer]
            yield Ratio(aim, ours["per_s"] / theirs["per_s"], theirs["cpu_ms"] / ours["cpu_ms"])
