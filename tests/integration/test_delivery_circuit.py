"""One receiver cannot hurt another: its circuit opens when it fails, and it is called so often and no more."""

from collections import Counter

import pytest

from backends.deliveries import Circuit, Deliveries, LeasedDelivery, Report, Sign
from backends.redis import connect_redis
from generator.delivery.dial import Answer
from tests.integration.attempts import attempt_of
from tests.integration.delivery_stage import Answering, attempter
from tests.integration.delivery_zoo import OTHER_USER, USER, Broker, Clock
from tests.integration.history_servers import Server

SLOW, WELL = "https://slow.example/", "https://well.example/"
SLOW_ONE, WELL_ONE = f"{USER}/slow.example", f"{USER}/well.example"
CIRCUIT = Circuit(requests=4, per_cent=70, open_ms=30_000, longest_ms=120_000)
DAY_MS = 86_400_000


@pytest.fixture
async def clock(redis_node: Server) -> Clock:
    """A minute ahead of Redis TIME."""
    redis = connect_redis(redis_node.url)
    seconds, microseconds = await redis.time()
    await redis.aclose()
    return Clock(seconds * 1000 + microseconds // 1000 + 60_000)


def of(pw: Broker, clock: Clock, circuit: Circuit = CIRCUIT) -> Deliveries:
    return Deliveries(pw.scripts, clock=clock, circuit=circuit)


async def claimed(deliveries: Deliveries, want: int = 50) -> list[LeasedDelivery]:
    return (await deliveries.claim(want, room=50, loads={})).items


async def ended(deliveries: Deliveries, leased: LeasedDelivery, sign: Sign) -> Report:
    """Record an attempt: delivered, or due again in ten seconds."""
    status, next_at = ("delivered", None) if sign == "ok" else ("pending", leased.leased_at + 10_000)
    return (await deliveries.record_all([(leased, attempt_of(leased, status, next_attempt_at=next_at), sign)]))[0]


async def failed(deliveries: Deliveries, times: int) -> None:
    for leased in (await claimed(deliveries))[:times]:
        await ended(deliveries, leased, "failed")


async def test_a_receiver_that_fails_most_calls_is_left_alone_and_the_others_are_not(pw: Broker, clock: Clock) -> None:
    deliveries = of(pw, clock)
    for _ in range(4):
        await pw.completed(SLOW)
    await failed(deliveries, 4)
    await pw.completed(SLOW)
    await pw.completed(WELL)
    clock.now += 15_000
    assert [leased.receiver for leased in await claimed(deliveries)] == [WELL_ONE]
    due = await deliveries.claim(50, room=50, loads={})
    assert due.items == [] and due.next_due == clock.now - 15_000 + 30_000, "it is worth asking when the circuit closes"
    assert (await deliveries.backlog()).due == 5, "what waits is due, and shows"


async def test_half_open_one_call_finds_out_and_each_failure_doubles_the_pause(pw: Broker, clock: Clock) -> None:
    deliveries = of(pw, clock)
    for _ in range(5):
        await pw.completed(SLOW)
    await failed(deliveries, 5)
    for pause in (30_000, 60_000, 120_000, 120_000):
        clock.now += pause - 1
        assert await claimed(deliveries) == []
        clock.now += 1
        (probe,) = await claimed(deliveries)
        assert (await deliveries.claim(50, room=50, loads={SLOW_ONE: 1})).items == []
        await ended(deliveries, probe, "failed")
    clock.now += 120_000
    (probe,) = await claimed(deliveries)
    await ended(deliveries, probe, "ok")
    assert len(await claimed(deliveries)) == 4, "one success closes it"


async def test_a_receiver_is_judged_by_its_last_five_minutes(pw: Broker, clock: Clock) -> None:
    deliveries = of(pw, clock)
    for _ in range(8):
        await pw.completed(SLOW)
    first, second, third, *rest = await claimed(deliveries)
    for leased in (first, second, third):
        await ended(deliveries, leased, "failed")
    clock.now += 330_000
    renewed = await claimed(deliveries)
    assert len(renewed) == 8, "leases have ended, and nothing was left alone"
    signs: list[Sign] = ["failed", "ok", "failed", "ok", "failed", "failed"]
    for leased, sign in zip(renewed, signs, strict=False):
        await ended(deliveries, leased, sign)
    clock.now += 70_000
    assert await claimed(deliveries) != [], "four of six are no 70 per cent"


async def test_what_was_no_call_says_nothing_about_the_receiver(pw: Broker, clock: Clock) -> None:
    deliveries = of(pw, clock)
    for _ in range(6):
        await pw.completed(SLOW)
    for leased in await claimed(deliveries):
        await ended(deliveries, leased, "")
    clock.now += 15_000
    assert len(await claimed(deliveries)) == 6


async def test_it_is_told_for_how_long_a_receiver_has_only_failed(pw: Broker, clock: Clock) -> None:
    deliveries = of(pw, clock, Circuit(requests=1000))
    await pw.completed(SLOW)
    reports: list[Report] = []
    for _ in range(3):
        (leased,) = await claimed(deliveries)
        reports.append(await ended(deliveries, leased, "failed"))
        clock.now += 2 * DAY_MS
    assert [(report.failing_ms, report.failures) for report in reports] == [(0, 1), (2 * DAY_MS, 2), (4 * DAY_MS, 3)]
    (leased,) = await claimed(deliveries)
    assert (await ended(deliveries, leased, "ok")).failing_ms == 0
    await pw.completed(SLOW)
    (leased,) = await claimed(deliveries)
    assert (await ended(deliveries, leased, "failed")).failures == 1


async def test_a_receiver_that_asks_for_a_pause_gets_it_from_all_its_deliveries(pw: Broker, clock: Clock) -> None:
    deliveries, sender = of(pw, clock), attempter(pw, Answering(Answer(429, "status", "HTTP 429", "", "7")), "0,1,1")
    for _ in range(3):
        await pw.completed(SLOW)
    clock.now += 1000
    first, *others = (await deliveries.claim(2, room=2, loads={})).items
    assert await deliveries.record(first, await sender.make(first), "failed") == "ok"
    await pw.completed(WELL)
    clock.now += 6_900
    assert [leased.receiver for leased in await claimed(deliveries)] == [WELL_ONE]
    clock.now += 200
    assert len(await claimed(deliveries)) == 2, "the one that waited, and the one that was put off"
    assert len(others) == 1


async def test_a_receiver_is_called_so_often_in_a_second_and_no_more(pw: Broker, clock: Clock) -> None:
    deliveries = of(pw, clock, Circuit(per_s=5))
    for _ in range(14):
        await pw.completed(SLOW)
    await pw.completed(WELL)
    calls = Counter[int]()
    start = clock.now
    for _ in range(40):
        for leased in await claimed(deliveries):
            calls[(clock.now - start) // 1000] += leased.receiver == SLOW_ONE
            await ended(deliveries, leased, "ok")
        clock.now += 100
    assert sum(calls.values()) == 14 and calls[0] <= 10 and all(calls[second] <= 5 for second in range(1, 4))


async def test_no_more_than_a_seconds_calls_are_made_at_once(pw: Broker, clock: Clock) -> None:
    deliveries = of(pw, clock, Circuit(per_s=2))
    for _ in range(4):
        await pw.completed(SLOW)
    assert len(await claimed(deliveries)) == 2
    clock.now += 500
    assert len(await claimed(deliveries)) == 1


async def test_half_open_one_call_finds_out_in_all_processes(pw: Broker, clock: Clock) -> None:
    deliveries, other = of(pw, clock), of(pw, clock)
    for _ in range(5):
        await pw.completed(SLOW)
    await failed(deliveries, 5)
    clock.now += 30_000
    (probe,) = await claimed(deliveries)
    assert await claimed(other) == []
    assert await deliveries.release([probe]) == 1
    (again,) = await claimed(other)
    await ended(other, again, "ok")
    assert len(await claimed(deliveries)) == 4


async def test_what_a_receiver_has_asked_for_outlives_its_circuit(pw: Broker, clock: Clock) -> None:
    deliveries = of(pw, clock, Circuit(requests=4, per_s=5))
    for _ in range(9):
        await pw.completed(SLOW)
    *bad, last = await claimed(deliveries)
    pause = attempt_of(bad[0], "pending", next_attempt_at=clock.now, calm_ms=20_000)
    await deliveries.record(bad[0], pause, "failed")
    for leased in bad[1:]:
        await ended(deliveries, leased, "failed")
    await ended(deliveries, last, "ok")
    clock.now += 19_999
    assert await claimed(deliveries) == [], "its circuit is closed, and its pause not over"
    clock.now += 10_001
    assert len(await claimed(deliveries)) == 5
    first, *_ = await claimed(deliveries) or [None]
    assert first is None, "nor are the calls of this second forgotten"


async def test_a_lane_that_was_set_aside_comes_back_though_nothing_new_is_due(pw: Broker, clock: Clock) -> None:
    deliveries = of(pw, clock, Circuit(per_s=1))
    for _ in range(3):
        await pw.completed(SLOW)
    seen = 0
    for _ in range(4):
        seen += len(await claimed(deliveries))
        assert await pw.redis.llen(f"{pw.scripts.prefix}deliver_ring") == 0
        clock.now += 1000
    assert seen == 3


async def test_what_a_host_does_to_one_user_is_no_concern_of_another(pw: Broker, clock: Clock) -> None:
    """Everybody's callbacks may go to one host: of a hub of webhooks, say."""
    deliveries = of(pw, clock)
    for _ in range(4):
        await pw.completed(SLOW)
    await failed(deliveries, 4)
    await pw.completed(SLOW, user=OTHER_USER)
    clock.now += 15_000
    assert [leased.receiver for leased in await claimed(deliveries)] == [f"{OTHER_USER}/slow.example"]
