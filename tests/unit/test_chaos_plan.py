"""What the chaos suite does to the stack: decided by the seed alone, everything at least once, one server at a time."""

import itertools

import pytest

from backends.faults import FAULT_POINTS
from tests.chaos.armory import API_POINTS, GENERATOR_POINTS, Armory
from tests.chaos.plan import LONG_SERVERS, LONG_SERVICES, SERVERS, SERVICES, Kind, plan

SERVER_KINDS = {*SERVERS, *LONG_SERVERS}


@pytest.mark.parametrize("seed", range(40))
def test_every_kind_of_act_happens_in_a_minute(seed: int) -> None:
    assert {step.kind for step in plan(seed, 60)} == {*SERVERS, *SERVICES}


def test_every_kind_of_act_happens_in_half_an_hour() -> None:
    assert {step.kind for step in plan(1, 1800)} == {*SERVERS, *SERVICES, *LONG_SERVERS, *LONG_SERVICES}


def test_the_same_seed_gives_the_same_plan_and_another_seed_another() -> None:
    assert plan(7, 300) == plan(7, 300) != plan(8, 300)


def test_no_disk_is_filled_where_none_is_small() -> None:
    assert {step.kind.name for step in plan(1, 300, disks=False)} == {"kill", "freeze", "restart"}


@pytest.mark.parametrize("seconds", [20, 60, 600])
def test_every_act_is_over_when_the_faults_end(seconds: float) -> None:
    assert all(step.at_s + step.for_s <= seconds + 0.1 for step in plan(3, seconds))


def test_of_the_servers_one_at_a_time_is_in_trouble() -> None:
    acts = [step for step in plan(5, 900) if step.kind in SERVER_KINDS]
    for before, after in itertools.pairwise(acts):
        assert before.at_s + before.for_s + before.kind.calm_s <= after.at_s + 0.1


def test_no_process_is_disturbed_before_it_works_again() -> None:
    acts = sorted(plan(5, 900), key=lambda step: step.kind.target)
    for target, group in itertools.groupby(acts, key=lambda step: step.kind.target):
        of_it = sorted(group, key=lambda step: step.at_s)
        for before, after in itertools.pairwise(of_it):
            assert before.at_s + before.for_s + before.kind.calm_s <= after.at_s + 0.1, target


def test_the_first_acts_leave_time_for_the_longest() -> None:
    zombie = next(step for step in plan(1, 60) if step.kind == Kind("freeze", "generator-2", (17, 21)))
    assert zombie.for_s >= 17


def test_every_fault_point_has_its_turn() -> None:
    assert {*API_POINTS, *GENERATOR_POINTS} == {*FAULT_POINTS}
    armory = Armory(GENERATOR_POINTS, "seed", seconds=60)
    armory.open = True
    dealt = [armory.deal() for _ in range(5)]
    assert {part.partition(":")[0] for text in dealt for part in text.split(",")} == {*GENERATOR_POINTS}


def test_a_closed_armory_deals_nothing() -> None:
    assert Armory(API_POINTS, "seed", seconds=60).deal() == ""
