"""When an embedded ClickHouse starts again by itself: while parts cannot be read, and not again and again."""

import os
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from backends.embedded.clickhouse_node import NodeFailed, PartWatch


def answers(mark: Path, errors: Sequence[object], **limits: float) -> Iterator[bool]:
    """Look as often as there are answers; each is a number, or an error to raise."""
    left = iter(errors)

    def ask(_query: str) -> str:
        answer = next(left)
        if isinstance(answer, Exception):
            raise answer
        return str(answer)

    watch = PartWatch(ask, mark, look_s=limits.get("look_s", 0), rest_s=limits.get("rest_s", 60))
    return (watch.wants_restart() for _ in errors)


@pytest.fixture
def mark(tmp_path: Path) -> Path:
    return tmp_path / "restarted"


def test_errors_that_grow_at_three_looks_in_a_row_ask_for_a_restart(mark: Path) -> None:
    assert list(answers(mark, [0, 4, 8, 9])) == [False, False, False, True]
    assert mark.exists()


@pytest.mark.parametrize(
    "errors",
    [[0, 0, 0, 0, 0], [7, 7, 7, 7, 7], [0, 1, 2, 2, 3, 4, 4], [0, 5], [""] * 5],
    ids=["none", "at start only", "with rests between", "two looks", "no such table"],
)
def test_errors_that_do_not_go_on_are_left_alone(mark: Path, errors: list[object]) -> None:
    assert not any(answers(mark, errors))
    assert not mark.exists()


@pytest.mark.parametrize("failure", [OSError(), NodeFailed("busy"), "<html>"])
def test_a_look_that_fails_counts_neither_way(mark: Path, failure: object) -> None:
    assert list(answers(mark, [0, 1, failure, 2, 3])) == [False, False, False, False, True]


def test_after_a_restart_the_next_one_waits(mark: Path) -> None:
    mark.touch()
    assert not any(answers(mark, range(10)))
    long_ago = time.time() - 61
    os.utime(mark, (long_ago, long_ago))
    assert list(answers(mark, range(10))).index(True) == 3


def test_it_looks_no_more_often_than_it_is_told(mark: Path) -> None:
    assert not any(answers(mark, range(10), look_s=60))
