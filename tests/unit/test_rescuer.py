"""The rescuer's patience: an outage must not be taken for the death of every worker."""

from backends.queue import Rescue
from contracts.errors import QueueUnavailable
from generator.maintenance.rescuer import GAP_S, Rescuer


class Queue:
    lease_ms = 15_000

    def __init__(self) -> None:
        self.reaped = 0
        self.away = False
        self.server_ms = 1_700_000_000_000

    async def reap(self) -> Rescue:
        if self.away:
            raise QueueUnavailable()
        self.reaped += 1
        return Rescue([], [])

    async def clock_ms(self) -> int:
        if self.away:
            raise QueueUnavailable()
        self.server_ms += 1000
        return self.server_ms


class Clock:
    now = 100.0

    def __call__(self) -> float:
        return self.now


async def ticks(rescuer: Rescuer, clock: Clock, count: int) -> None:
    for _ in range(count):
        clock.now += 1
        await rescuer.tick()


async def test_it_rescues_at_every_tick() -> None:
    queue, clock = Queue(), Clock()
    await ticks(Rescuer(queue, clock), clock, 5)  # type: ignore[arg-type]
    assert queue.reaped == 5


async def test_after_an_outage_it_waits_one_lease_before_it_calls_anybody_dead() -> None:
    queue, clock = Queue(), Clock()
    rescuer = Rescuer(queue, clock)  # type: ignore[arg-type]
    await ticks(rescuer, clock, 1)
    queue.away = True
    await ticks(rescuer, clock, 15)
    queue.away = False
    await ticks(rescuer, clock, 14)
    assert queue.reaped == 1
    await ticks(rescuer, clock, 2)
    assert queue.reaped == 2


async def test_a_process_that_was_frozen_waits_as_well() -> None:
    queue, clock = Queue(), Clock()
    rescuer = Rescuer(queue, clock)  # type: ignore[arg-type]
    clock.now += GAP_S + 1
    await rescuer.tick()
    assert queue.reaped == 0


async def test_a_short_hiccup_changes_nothing() -> None:
    queue, clock = Queue(), Clock()
    rescuer = Rescuer(queue, clock)  # type: ignore[arg-type]
    queue.away = True
    await ticks(rescuer, clock, 3)
    queue.away = False
    await ticks(rescuer, clock, 1)
    assert queue.reaped == 1


async def test_a_clock_of_redis_that_is_set_forward_is_not_taken_for_the_death_of_every_worker() -> None:
    queue, clock = Queue(), Clock()
    rescuer = Rescuer(queue, clock)  # type: ignore[arg-type]
    await ticks(rescuer, clock, 1)
    queue.server_ms += 3_600_000
    await ticks(rescuer, clock, 15)
    assert queue.reaped == 1
    await ticks(rescuer, clock, 1)
    assert queue.reaped == 2
