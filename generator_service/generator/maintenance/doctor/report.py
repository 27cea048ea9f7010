"""What the doctor found and did: as text for people, as JSON for machines, as the exit code for scripts."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from generator.maintenance.doctor.port import Finding, Flaw

EXAMPLES = 3
WELL, LEFT, UNREACHABLE = 0, 1, 3
JsonObject = dict[str, object]


@dataclass
class CheckReport:
    """`unchecked`: why the check could not be made or finished; `unreachable`: because a server did not answer."""

    name: str
    title: str
    flaws: Mapping[str, Flaw]
    found: dict[Finding, None] = field(default_factory=dict)
    left: dict[Finding, str] = field(default_factory=dict)
    unchecked: str = ""
    unreachable: bool = False

    def note_found(self, findings: Iterable[Finding]) -> None:
        self.found |= dict.fromkeys(findings)

    def note_left(self, reasons: Mapping[Finding, str]) -> None:
        """Note what is still wrong, each with the reason; what was not tried has none."""
        self.left |= reasons

    def by_flaw(self) -> list["FlawReport"]:
        """Sum up what was found, kind by kind."""
        kinds = dict.fromkeys(finding.flaw for finding in self.found)
        return [self._sum(flaw, [finding for finding in self.found if finding.flaw == flaw]) for flaw in kinds]

    def _sum(self, flaw: str, found: list[Finding]) -> "FlawReport":
        left = [finding for finding in found if finding in self.left]
        return FlawReport(
            flaw=flaw,
            words=self.flaws[flaw].words,
            remedy=self.flaws[flaw].remedy,
            found=len(found),
            left=len(left),
            examples=tuple(finding.subject for finding in (left or found)[:EXAMPLES]),
            reasons=tuple(dict.fromkeys(self.left[finding] for finding in left if self.left[finding])),
        )


@dataclass(frozen=True)
class FlawReport:
    """One kind of finding: how many there were, how many are left, some of their ids, and why they are left."""

    flaw: str
    words: str
    remedy: str
    found: int
    left: int
    examples: tuple[str, ...]
    reasons: tuple[str, ...]

    @property
    def mended(self) -> int:
        return self.found - self.left

    def as_json(self) -> JsonObject:
        counts = {"found": self.found, "mended": self.mended, "left": self.left}
        words = {"flaw": self.flaw, "what": self.words, "remedy": self.remedy}
        return {**words, **counts, "examples": list(self.examples), "reasons": list(self.reasons)}


@dataclass(frozen=True)
class Report:
    """`exit_code`: 0 nothing is wrong any more, 1 something is left, 3 a server could not be reached."""

    dry_run: bool
    checks: list[CheckReport]

    @property
    def found(self) -> int:
        return sum(len(check.found) for check in self.checks)

    @property
    def left(self) -> int:
        return sum(len(check.left) for check in self.checks)

    @property
    def exit_code(self) -> int:
        # Without tables nothing can be asked of history; that they are missing is the finding.
        lacks_tables = any(check.name == "schema" and check.left for check in self.checks)
        if any(check.unreachable for check in self.checks) and not lacks_tables:
            return UNREACHABLE
        return LEFT if self.left or any(check.unchecked for check in self.checks) else WELL

    def as_json(self) -> JsonObject:
        """Return the report for machines."""
        checks = [
            {
                "name": check.name,
                "title": check.title,
                "unchecked": check.unchecked or None,
                "findings": [flaw.as_json() for flaw in check.by_flaw()],
            }
            for check in self.checks
        ]
        counts = {"found": self.found, "mended": self.found - self.left, "left": self.left}
        return {"dry_run": self.dry_run, "exit_code": self.exit_code, **counts, "checks": checks}

    def as_text(self) -> str:
        """Return the report for people: a line per check, and below it what was wrong."""
        lines = ["Presswork doctor" + (": a dry run, nothing was changed" if self.dry_run else ""), ""]
        for check in self.checks:
            lines += [f"  {check.title:<46} {_verdict(check)}", *_details(check, self.dry_run)]
        return "\n".join([*lines, "", self._summary(), ""])

    def _summary(self) -> str:
        unchecked = sum(bool(check.unchecked) for check in self.checks)
        parts = [f"{self.found} found, {self.found - self.left} mended, {self.left} left"]
        if not self.found:
            parts = ["Nothing is wrong" if not unchecked else "Nothing was found"]
        if unchecked:
            parts.append(f"{unchecked} of {len(self.checks)} checks could not be made")
        return "; ".join(parts) + "."


def _verdict(check: CheckReport) -> str:
    if check.unchecked:
        return f"NOT CHECKED: {check.unchecked}"
    return "ok" if not check.found else f"{len(check.found)} found, {len(check.left)} left"


def _details(check: CheckReport, dry_run: bool) -> list[str]:
    return [line for flaw in check.by_flaw() for line in (f"    {flaw.found} {flaw.words}", *_outcome(flaw, dry_run))]


def _outcome(flaw: FlawReport, dry_run: bool) -> list[str]:
    """Write what became, or would become, of one kind of finding, and some of their ids."""
    lines = [f"      such as {example}" for example in flaw.examples[:1]] + [
        f"              {example}" for example in flaw.examples[1:]
    ]
    if dry_run:
        return [*lines, f"      would be {flaw.remedy}" if flaw.remedy else "      left for a person to look at"]
    if flaw.mended:
        lines.append(f"      {flaw.mended} {flaw.remedy}")
    if flaw.left:
        lines.append(f"      {flaw.left} left: {'; '.join(flaw.reasons) or 'not mended'}")
    return lines
