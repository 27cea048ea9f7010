"""Fault points: what PRESSWORK_FAULT may say, and that a process really ends at the point it names."""

import signal
import subprocess
import sys

import pytest

from backends.faults import parse_faults

PASS = """
from backends.faults import faultpoint
faultpoint("after_render")
print("rendered", flush=True)
faultpoint("after_store")
print("stored", flush=True)
"""


def ended_at(fault: str) -> tuple[int, str]:
    ended = subprocess.run(
        [sys.executable, "-c", PASS], env={"PRESSWORK_FAULT": fault}, capture_output=True, text=True, check=False
    )
    return ended.returncode, ended.stdout


def test_a_process_is_killed_at_the_point_that_is_named() -> None:
    assert ended_at("after_store") == (-signal.SIGKILL, "rendered\n")


def test_a_star_means_every_point() -> None:
    assert ended_at("*") == (-signal.SIGKILL, "")


@pytest.mark.parametrize("fault", ["", "after_shipped", "after_store:0", "*:0"])
def test_nothing_happens_at_points_that_are_not_named(fault: str) -> None:
    assert ended_at(fault) == (0, "rendered\nstored\n")


def test_points_are_named_with_probabilities() -> None:
    assert parse_faults("after_store:0.25, after_claim") == {"after_store": 0.25, "after_claim": 1}


@pytest.mark.parametrize("text", ["after_lunch", "after_store:2", "after_store:often"])
def test_what_is_no_fault_point_or_no_probability_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"fault point|probability|float"):
        parse_faults(text)
