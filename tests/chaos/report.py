"""What a run came to, in numbers and in words."""

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from tests.chaos.checks import Violation
from tests.chaos.checks.leftovers import orphans
from tests.chaos.checks.rescue import rescues
from tests.chaos.evidence import Evidence

SHOWN = 12


@dataclass(frozen=True)
class Report:
    """The numbers of a run, for people and (`numbers`) for programs."""

    seed: int
    seconds: float
    evidence: Evidence
    violations: Sequence[Violation]

    @property
    def numbers(self) -> dict[str, object]:
        """Return the figures by name; times in milliseconds."""
        evidence, found = self.evidence, Counter(one.check for one in self.violations)
        endings = [row for rows in evidence.endings.values() for row in rows]
        rescued = rescues(evidence)
        return {
            "seed": self.seed,
            "seconds": self.seconds,
            "documents": len(evidence.documents),
            "accepted": len(evidence.accepted),
            "runs": dict(Counter(row["event"] for row in endings)),
            "deliveries": len(evidence.deliveries),
            "webhooks": dict(Counter(call.get("manner", "well") for call in evidence.received)),
            "acts": dict(Counter(f"{act.name} {act.target}" for act in evidence.story.acts)),
            "fault_points": armed(evidence),
            "fault_deaths": fault_deaths(evidence),
            "up_ended": sum(note["name"] == "up_ended" for note in evidence.story.notes),
            "lost": found["lost"] + found["ends"],
            "doubled": found["doubled"] + found["events"] + found["idempotency"],
            "silent": found["silent"],
            "violations": dict(found),
            "rescued": len(rescued),
            "longest_rescue_ms": max((one.took_ms for one in rescued), default=0),
            "longest_rescue_counted_ms": max((one.counted_ms for one in rescued), default=0),
            "orphaned_results": len(orphans(evidence)),
            "answers": dict(Counter(str(call.status or "none") for call in evidence.story.calls)),
            "accept_ms": _quantiles(
                [1000 * (call.ended - call.began) for call in evidence.calls("request") if call.status == 202]
            ),
            "made_ms": _quantiles([row["at"] - row["queued_at"] for row in endings if row["event"] == "completed"]),
        }

    def text(self) -> str:
        """Write it for people."""
        lines = [f"  {name:<27}{_shown(value)}" for name, value in self.numbers.items()]
        for name, count in Counter(one.check for one in self.violations).items():
            found = [one.text for one in self.violations if one.check == name]
            lines += ["", f"{name}: {count} violations", *(f"  - {text}" for text in found[:SHOWN])]
        verdict = "Every promise was kept." if not self.violations else f"{len(self.violations)} violations."
        return "\n".join([*lines, "", verdict])


def armed(evidence: Evidence) -> dict[str, int]:
    """Count the starts at which each fault point was armed."""
    points: Counter[str] = Counter()
    for note in evidence.story.notes:
        if note["name"] == "started":
            points.update(part.partition(":")[0] for part in note["fault"].split(",") if part)
    return dict(sorted(points.items()))


def fault_deaths(evidence: Evidence) -> int:
    """Count the second processes that a fault point killed: those that died so without an act of ours."""
    killed = {act.pid for act in evidence.story.acts if act.name == "kill"}
    ended = (note for note in evidence.story.notes if note["name"] == "ended" and note["code"] == -9)
    return sum(note["pid"] not in killed for note in ended)


def _quantiles(values: list[float]) -> dict[str, int]:
    ordered = sorted(values) or [0.0]
    return {f"p{part}": round(ordered[math.ceil(len(ordered) * part / 100) - 1]) for part in (50, 99)}


def _shown(value: object) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{name} {_shown(one)}" for name, one in value.items()) or "none"
    return f"{value}"
