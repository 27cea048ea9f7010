"""Runs the checks in their order: looks, looks again after a moment, mends, and looks whether that has helped.

A check that cannot be made, because a server is away, does not keep the others from being made.
"""

import asyncio
from collections.abc import Callable, Collection, Sequence
from itertools import batched

import structlog

from contracts.errors import PressworkError, TransientError
from generator.maintenance.doctor.port import MENDED, Check, Finding
from generator.maintenance.doctor.report import CheckReport, Report

log = structlog.get_logger(__name__)

#: Findings that are mended in one call.
STEP = 100
#: A repair may bring another flaw of the same thing to light: so often it is looked at again.
ROUNDS = 4
MOMENT_S = 1.0

Progress = Callable[[str], None]


class Doctor:
    """`dry_run` changes nothing. `moment_s` lies between two looks; `progress` is told what is being done."""

    def __init__(
        self, checks: Sequence[Check], *, dry_run: bool, moment_s: float = MOMENT_S, progress: Progress = lambda _: None
    ) -> None:
        self._checks = checks
        self._dry_run = dry_run
        self._moment_s = moment_s
        self._progress = progress

    async def run(self) -> Report:
        """Make every check. Raises nothing that a server may cause: that is in the report."""
        reports = [await self._examine(check) for check in self._checks]
        return Report(dry_run=self._dry_run, checks=reports)

    async def _examine(self, check: Check) -> CheckReport:
        report = CheckReport(check.name, check.title, check.flaws)
        self._progress(check.title)
        try:
            await self._treat(check, report)
        except TransientError as error:
            report.unchecked, report.unreachable = error.message, True
        except PressworkError as error:
            report.unchecked = error.message
        except Exception as error:
            log.exception("doctor.check_failed", check=check.name)
            report.unchecked = f"The check itself failed ({type(error).__name__}): the log has the stack trace."
        return report

    async def _treat(self, check: Check, report: CheckReport) -> None:
        found = await self._certain(check, [finding async for finding in check.look()])
        report.note_found(found)
        if self._dry_run:
            report.note_left(dict.fromkeys(found, ""))
            return
        for _ in range(ROUNDS):
            if not found:
                return
            self._progress(f"{check.title}: mending {len(found)}")
            left = await self._mend(check, found)
            report.note_left(left)
            found = await self._still(check, [finding for finding in found if finding not in left], report)
        report.note_left(dict.fromkeys(found, "still so after it was mended"))

    async def _certain(self, check: Check, found: Sequence[Finding]) -> list[Finding]:
        """Keep what looks the same after a moment: the rest was in motion."""
        if not found:
            return []
        self._progress(f"{check.title}: looking again")
        await asyncio.sleep(self._moment_s)
        again = {finding async for finding in check.look(subjects(found))}
        return [finding for finding in dict.fromkeys(found) if finding in again]

    async def _mend(self, check: Check, found: Sequence[Finding]) -> dict[Finding, str]:
        """Mend what can be; returns what is left, with the reason."""
        left = {finding: "for a person to look at" for finding in found if not check.flaws[finding.flaw].remedy}
        for step in batched([finding for finding in found if finding not in left], STEP):
            reasons = await check.mend(step)
            left |= {finding: why for finding, why in zip(step, reasons, strict=True) if why != MENDED}
        return left

    async def _still(self, check: Check, mended: Sequence[Finding], report: CheckReport) -> list[Finding]:
        """Look at what was mended once more: what is wrong now has been hidden by what was wrong before."""
        if not mended:
            return []
        looked = [finding async for finding in check.look(subjects(mended))]
        found = [finding for finding in dict.fromkeys(looked) if finding not in report.left]
        report.note_found(found)
        return found


def subjects(findings: Sequence[Finding]) -> Collection[str]:
    return {finding.subject for finding in findings}
