"""The register checker of the chaos suite: what it calls linearizable, beside a search through every order."""

import itertools
import math
from collections.abc import Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.chaos.registers import Operation, State, first_unexplained, linearizable

INITIAL: State = (1, None)


def by_trying_all(operations: Sequence[Operation], initial: State) -> bool:
    """Try every order of every choice of the operations that may not have happened."""
    maybe = [op for op in operations if op.kind == "maybe"]
    certain = [op for op in operations if op.kind != "maybe"]
    choices = itertools.chain.from_iterable(itertools.combinations(maybe, size) for size in range(len(maybe) + 1))
    return any(_explains(order, initial) for chosen in choices for order in itertools.permutations([*certain, *chosen]))


def _explains(order: Sequence[Operation], state: State) -> bool:
    if any(later.ended < earlier.began for earlier, later in itertools.combinations(order, 2)):
        return False
    for operation in order:
        after = operation.applied(state)
        if after is None:
            return False
        state = after
    return True


@st.composite
def operations(draw: st.DrawFn) -> Operation:
    kind = draw(st.sampled_from(["read", "write", "refused", "maybe"]))
    began = draw(st.integers(0, 12))
    ended = math.inf if kind == "maybe" else began + draw(st.integers(0, 6))
    expected, value = draw(st.integers(1, 3)), draw(st.sampled_from("ab"))
    seen = (expected + 1, value) if kind == "write" else (expected, draw(st.sampled_from(["a", "b", None])))
    return Operation(kind, began, ended, expected, value, seen)


@given(st.lists(operations(), max_size=5))
@settings(max_examples=300, deadline=None)
def test_the_checker_agrees_with_a_search_through_all_orders(history: list[Operation]) -> None:
    assert linearizable(history, INITIAL) == by_trying_all(history, INITIAL)


def write(began: float, ended: float, expected: int, value: str) -> Operation:
    return Operation("write", began, ended, expected, value, (expected + 1, value))


def read(began: float, ended: float, version: int, value: str | None) -> Operation:
    return Operation("read", began, ended, seen=(version, value))


def maybe(began: float, expected: int, value: str) -> Operation:
    return Operation("maybe", began, math.inf, expected, value)


@pytest.mark.parametrize(
    "history",
    [
        [],
        [read(0, 1, 1, None), write(2, 3, 1, "a"), read(4, 5, 2, "a")],
        [write(0, 9, 1, "a"), read(1, 2, 2, "a"), read(3, 4, 2, "a")],
        [write(0, 9, 1, "a"), Operation("refused", 1, 2, 1)],
        [maybe(0, 1, "a"), read(1, 2, 1, None), read(50, 51, 2, "a")],
        [maybe(0, 1, "a"), write(1, 2, 1, "b"), read(3, 4, 2, "b")],
    ],
    ids=["nothing", "in turn", "read while it is written", "refused meanwhile", "a late effect", "no effect"],
)
def test_histories_that_some_order_explains_are_linearizable(history: list[Operation]) -> None:
    assert linearizable(history, INITIAL)


@pytest.mark.parametrize(
    ("history", "stuck"),
    [
        ([write(0, 1, 1, "a"), write(0, 1, 1, "b")], 0),
        ([write(0, 1, 1, "a"), read(2, 3, 1, None)], 1),
        ([write(0, 1, 1, "a"), write(2, 3, 2, "b"), read(4, 5, 2, "a")], 2),
        ([Operation("refused", 0, 1, 1)], 0),
        ([maybe(5, 1, "a"), read(0, 1, 2, "a")], 1),
    ],
    ids=["a lost update", "a stale read", "a read of what is over", "refused without a reason", "before it began"],
)
def test_histories_that_no_order_explains_are_caught(history: list[Operation], stuck: int) -> None:
    assert first_unexplained(history, INITIAL) is not None
    if stuck:
        assert first_unexplained(history, INITIAL) == history[stuck]


def test_a_long_history_with_many_lost_answers_is_judged_at_once() -> None:
    history = []
    for number in range(1, 400):
        history += [write(number, number + 1.5, number, f"v{number}"), maybe(number, number, "lost")]
        history += [read(number + 0.2, number + 1.7, number + 1, f"v{number}")]
    assert linearizable(history, INITIAL)
