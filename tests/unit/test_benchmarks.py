"""What the benchmarks claim: that every job ran exactly once, and that the page shows what was measured."""

import json
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path

import pytest

from benchmarks import page, pressure, queue_depth, service
from benchmarks.__main__ import names
from benchmarks.environments import pins_of
from benchmarks.queues import report
from benchmarks.queues.contestants import ALL, PEERS, Contestant
from benchmarks.queues.options import Options
from benchmarks.queues.runs import Run, RunLog, check_each_once, count_runs, read_runs
from benchmarks.queues.trial import quantiles

ROOT = Path(__file__).parents[2]


def ran(*jobs: int) -> list[Run]:
    return [Run(job, began=1.0, cpu_s=0.1) for job in jobs]


def test_jobs_that_each_ran_once_pass() -> None:
    check_each_once(ran(2, 0, 1), jobs=3)


@pytest.mark.parametrize(
    ("jobs", "complaint"),
    [((0, 1), "1 never ran"), ((0, 1, 2, 2), "1 ran again"), ((0, 1, 2, 7), "of 3 jobs")],
    ids=["lost", "doubled", "foreign"],
)
def test_a_lost_a_doubled_and_a_foreign_job_are_found(jobs: Iterable[int], complaint: str) -> None:
    with pytest.raises(AssertionError, match=complaint):
        check_each_once(ran(*jobs), jobs=3)


def test_the_log_of_runs_is_read_in_the_order_of_beginning(tmp_path: Path) -> None:
    path = str(tmp_path / "runs.txt")
    assert count_runs(path) == 0 and read_runs(path) == []
    first, second = RunLog(path), RunLog(path)
    first.began(7)
    second.began(3)
    assert count_runs(path) == 2
    assert [run.job for run in read_runs(path)] == [7, 3]


def test_quantiles_are_in_milliseconds() -> None:
    seconds = [number / 1000 for number in range(100, 0, -1)]
    assert quantiles("call", seconds) == {"call_p50_ms": 51.0, "call_p99_ms": 100.0}


def test_the_median_is_taken_of_each_figure_by_itself_and_the_best_rate() -> None:
    rounds = [{"a": 1.0, "jobs_per_s": 30.0}, {"a": 3.0, "jobs_per_s": 10.0}, {"a": 2.0, "jobs_per_s": 20.0}]
    assert report.medians(rounds) == {"a": 2.0, "jobs_per_s": 20.0, "best_jobs_per_s": 30.0}


def test_a_busy_machine_is_waited_for_only_as_long_as_asked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    counted = tmp_path / "cpu"
    counted.write_text("some avg10=97.53 avg60=97.02 avg300=95.58 total=9998996408\n")
    monkeypatch.setattr(pressure, "PRESSURE", counted)
    assert pressure.wait_until_quiet(minutes=0) == 97.53
    counted.write_text("some avg10=1.50 avg60=97.02 avg300=95.58 total=9998996408\n")
    assert pressure.wait_until_quiet(minutes=60) == 1.5


def test_a_section_of_the_page_is_replaced_and_the_others_stay() -> None:
    text = page.with_section("# Page\n", "one", "First", ["old"])
    text = page.with_section(text, "two", "Second", ["kept"])
    text = page.with_section(text, "one", "First", ["new"])
    assert "old" not in text and text.index("new") < text.index("kept")


@pytest.mark.parametrize("peer", PEERS, ids=lambda peer: peer.name)
def test_every_peer_is_pinned_with_its_redis_client(peer: Contestant) -> None:
    assert peer.package
    pins = pins_of(peer.package)
    assert all("==" in pin for pin in pins) and any(pin.startswith(("redis==", "coredis==")) for pin in pins)


def test_what_runs_in_a_peers_environment_imports_nothing_of_the_project() -> None:
    check = "import sys, benchmarks.queues.client; sys.exit(any(name in sys.modules for name in ('redis', 'backends')))"
    assert subprocess.run([sys.executable, "-S", "-c", check], cwd=ROOT, check=False).returncode == 0


def test_options_travel_through_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    options = Options("redis://127.0.0.1:1/0", "/tmp/runs", concurrency=8, job_s=0.05, per_user=True)
    for name, value in options.environment().items():
        monkeypatch.setenv(name, value)
    assert Options.read() == options


def test_all_benchmarks_are_found() -> None:
    assert {"queues", "queue_depth", "service", "shipper"} <= set(names())
    assert "page" not in names()


def test_the_page_shows_the_results_that_lie_beside_it() -> None:
    text = page.PAGE.read_text()
    shown = {"queues": (report.RESULTS, report.TITLE, report.section)}
    shown["queue_depth"] = (queue_depth.RESULTS, queue_depth.TITLE, queue_depth.section)
    shown["service"] = (service.RESULTS, service.TITLE, service.section)
    for name, (results, title, section) in shown.items():
        assert page.with_section(text, name, title, section(json.loads(results.read_text()))) == text, name


def test_the_results_have_every_contestant() -> None:
    found = json.loads(report.RESULTS.read_text())
    assert set(found["speed"]) == set(found["one_line"]) == {contestant.name for contestant in ALL}
