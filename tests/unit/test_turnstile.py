"""The turnstile: attempts pass side by side, one that must be alone passes alone and first."""

import asyncio

import pytest

from generator.turnstile import HeldUp, Turnstile


class Passenger:
    """Passes in a task of its own and stays inside until it is let out."""

    def __init__(self, turnstile: Turnstile, *, alone: bool = False, patience_s: float = 5) -> None:
        self.inside, self.out = asyncio.Event(), asyncio.Event()
        self.task = asyncio.create_task(self._pass(turnstile, alone, patience_s))

    async def _pass(self, turnstile: Turnstile, alone: bool, patience_s: float) -> None:
        async with turnstile.passing(alone=alone, patience_s=patience_s):
            self.inside.set()
            await self.out.wait()

    async def leave(self) -> None:
        self.out.set()
        await self.task


async def settled() -> None:
    for _ in range(5):
        await asyncio.sleep(0)


async def test_attempts_pass_side_by_side() -> None:
    turnstile = Turnstile()
    passengers = [Passenger(turnstile) for _ in range(3)]
    await settled()
    assert all(passenger.inside.is_set() for passenger in passengers)
    for passenger in passengers:
        await passenger.leave()


async def test_one_that_must_be_alone_waits_for_the_others_and_holds_up_those_that_come_later() -> None:
    turnstile = Turnstile()
    first = Passenger(turnstile)
    await settled()
    alone, later = Passenger(turnstile, alone=True), Passenger(turnstile)
    await settled()
    assert (first.inside.is_set(), alone.inside.is_set(), later.inside.is_set()) == (True, False, False)
    await first.leave()
    await settled()
    assert (alone.inside.is_set(), later.inside.is_set()) == (True, False)
    await alone.leave()
    await settled()
    assert later.inside.is_set()
    await later.leave()


async def test_two_that_must_be_alone_pass_one_after_the_other() -> None:
    turnstile = Turnstile()
    one, two = Passenger(turnstile, alone=True), Passenger(turnstile, alone=True)
    await settled()
    assert (one.inside.is_set(), two.inside.is_set()) == (True, False)
    await one.leave()
    await settled()
    assert two.inside.is_set()
    await two.leave()


async def test_whoever_is_held_up_for_too_long_is_told() -> None:
    turnstile = Turnstile()
    alone = Passenger(turnstile, alone=True)
    await settled()
    with pytest.raises(HeldUp):
        await Passenger(turnstile, patience_s=0.01).task
    await alone.leave()


async def test_one_that_gives_up_waiting_to_be_alone_holds_nobody_up() -> None:
    turnstile = Turnstile()
    first = Passenger(turnstile)
    await settled()
    alone = Passenger(turnstile, alone=True)
    await settled()
    alone.task.cancel()
    await asyncio.gather(alone.task, return_exceptions=True)
    later = Passenger(turnstile)
    await settled()
    assert later.inside.is_set()
    await first.leave()
    await later.leave()


async def test_an_attempt_that_breaks_leaves() -> None:
    turnstile = Turnstile()
    with pytest.raises(ZeroDivisionError):
        async with turnstile.passing(alone=True, patience_s=1):
            raise ZeroDivisionError
    async with turnstile.passing(alone=True, patience_s=1):
        pass
