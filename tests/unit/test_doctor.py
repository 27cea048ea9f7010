"""The doctor's way of working, on checks that are made up: two looks, a repair, a look whether it has helped."""

from collections.abc import AsyncIterator, Collection, Sequence
from dataclasses import dataclass, field

import pytest

from contracts.errors import QueueUnavailable
from generator.maintenance.doctor.doctor import Doctor
from generator.maintenance.doctor.port import MENDED, Finding, Flaw
from generator.maintenance.doctor.report import LEFT, UNREACHABLE, WELL, Report

A, B, FOREIGN = Finding("broken", "a"), Finding("broken", "b"), Finding("foreign", "c")


@dataclass
class Invented:
    """A check that sees, at each look, the next of some lists of findings, and then the last one for ever."""

    sights: list[list[Finding]]
    reasons: dict[Finding, str] = field(default_factory=dict)
    mended: list[Finding] = field(default_factory=list)
    looks: list[Collection[str] | None] = field(default_factory=list)
    away: bool = False
    name = "invented"
    title = "things"
    flaws = {"broken": Flaw("broken things", "mended"), "foreign": Flaw("foreign things")}

    async def look(self, only: Collection[str] | None = None) -> AsyncIterator[Finding]:
        self.looks.append(only)
        if self.away:
            raise QueueUnavailable()
        for finding in self.sights.pop(0) if len(self.sights) > 1 else self.sights[0]:
            yield finding

    async def mend(self, findings: Sequence[Finding]) -> list[str]:
        self.mended += findings
        return [self.reasons.get(finding, MENDED) for finding in findings]


async def examined(*checks: Invented, dry_run: bool = False) -> Report:
    return await Doctor(checks, dry_run=dry_run, moment_s=0).run()


def counts(report: Report) -> tuple[int, int, int]:
    return report.found, report.left, report.exit_code


async def test_what_is_wrong_at_both_looks_is_mended() -> None:
    check = Invented([[A, B], [A, B], []])
    assert counts(await examined(check)) == (2, 0, WELL)
    assert check.mended == [A, B] and check.looks[0] is None and check.looks[1] == {"a", "b"}


@pytest.mark.parametrize("second", [[], [Finding("broken", "a", "has moved")], [B]])
async def test_what_looks_different_after_a_moment_was_in_motion(second: list[Finding]) -> None:
    check = Invented([[A], second])
    assert counts(await examined(check)) == (0, 0, WELL)
    assert check.mended == []


async def test_a_dry_run_mends_nothing_and_ends_as_something_is_left() -> None:
    check = Invented([[A]])
    assert counts(await examined(check, dry_run=True)) == (1, 1, LEFT)
    assert check.mended == []


async def test_what_is_still_wrong_after_its_repair_is_left() -> None:
    report = await examined(Invented([[A]]))
    assert counts(report) == (1, 1, LEFT)
    assert "still so after it was mended" in report.as_text()


async def test_what_a_repair_brings_to_light_is_mended_too() -> None:
    hidden = Finding("broken", "a", "what was behind it")
    check = Invented([[A], [A], [hidden], []])
    assert counts(await examined(check)) == (2, 0, WELL)
    assert check.mended == [A, hidden]


async def test_what_cannot_be_mended_is_left_with_the_reason() -> None:
    check = Invented([[A, FOREIGN], [A, FOREIGN], []], reasons={A: "its input is gone"})
    report = await examined(check)
    assert counts(report) == (2, 2, LEFT)
    assert check.mended == [A]
    assert "its input is gone" in report.as_text() and "for a person to look at" in report.as_text()


async def test_what_was_left_is_not_tried_again_when_the_rest_is_looked_at() -> None:
    check = Invented([[A, B], [A, B], [B], []], reasons={B: "somebody else is at it"})
    assert counts(await examined(check)) == (2, 1, LEFT)
    assert check.mended == [A, B]


async def test_a_thing_that_is_seen_twice_in_one_look_counts_once() -> None:
    assert counts(await examined(Invented([[A, A], [A, A], []]))) == (1, 0, WELL)


async def test_a_check_whose_server_is_away_does_not_keep_the_others_from_being_made() -> None:
    away, well = Invented([[]], away=True), Invented([[A], [A], []])
    assert counts(await examined(away, well)) == (1, 0, UNREACHABLE)
    assert well.mended == [A]


async def test_more_examples_than_three_are_not_shown() -> None:
    many = [Finding("broken", f"id-{number}") for number in range(10)]
    text = (await examined(Invented([many]), dry_run=True)).as_text()
    assert "10 broken things" in text and "id-2" in text and "id-3" not in text
