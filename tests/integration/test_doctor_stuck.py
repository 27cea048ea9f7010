"""What gets stuck in Redis: each damage is found, mended in one step, and not found again; what moves is left."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from uuid import uuid4

import pytest
from redis.asyncio.client import PubSub
from redis.exceptions import RedisError

from backends.deliveries import Deliveries
from backends.open_count import OpenCount
from contracts.documents import Status
from contracts.errors import HistoryUnavailable, QueueUnavailable
from contracts.ids import now_ms
from contracts.jobs import input_key
from generator.maintenance.doctor.counters import Counters
from tests.integration.doctor_stage import HOOK, HOUR_MS, Clinic, flaws, found_mended_and_gone

Damage = Callable[[Clinic], Awaitable[object]]


async def queued_nowhere(clinic: Clinic) -> None:
    lost = await clinic.accept()
    await clinic.scripts.redis.delete(lane(clinic), clinic.name("ring:normal"))
    assert await clinic.queue.claim("w", 1, uuid4().hex) == []
    assert lost.lane == str(clinic.user_id)


async def scheduled_nowhere(clinic: Clinic) -> None:
    await clinic.accept(run_at=now_ms() + HOUR_MS)
    await clinic.scripts.redis.delete(clinic.name("delayed"))


async def rendering_without_lease(clinic: Clinic) -> None:
    await clinic.start()
    await clinic.scripts.redis.delete(clinic.name("leases"), clinic.name("running"))


async def ended_but_leased(clinic: Clinic) -> None:
    document_id = await clinic.complete()
    await clinic.scripts.redis.zadd(clinic.name("leases"), {str(document_id): now_ms() + HOUR_MS})
    await clinic.scripts.redis.hset(clinic.name("running"), str(clinic.user_id), "1")


async def delayed_though_rendering(clinic: Clinic) -> None:
    claim = await clinic.start()
    await clinic.scripts.redis.zadd(clinic.name("delayed"), {str(claim.job.document_id): now_ms() + HOUR_MS})


async def delayed_without_document(clinic: Clinic) -> None:
    await clinic.scripts.redis.zadd(clinic.name("delayed"), {str(uuid4()): now_ms() + HOUR_MS})


async def leased_without_document(clinic: Clinic) -> None:
    await clinic.scripts.redis.zadd(clinic.name("leases"), {str(uuid4()): now_ms() + HOUR_MS})


async def owes_a_webhook_that_is_gone(clinic: Clinic) -> None:
    document_id = await clinic.complete(callback=HOOK)
    await clinic.scripts.redis.delete(clinic.name(f"delivery:{document_id}:1"), clinic.name("due"))


async def webhook_waits_nowhere(clinic: Clinic) -> None:
    await clinic.complete(callback=HOOK)
    await clinic.scripts.redis.delete(clinic.name("due"))


async def lane_without_a_turn(clinic: Clinic) -> None:
    await clinic.accept()
    await clinic.scripts.redis.delete(clinic.name("ring:normal"))


async def lane_with_two_turns(clinic: Clinic) -> None:
    await clinic.accept()
    await clinic.scripts.redis.rpush(clinic.name("ring:normal"), str(clinic.user_id))


async def turn_without_a_lane(clinic: Clinic) -> None:
    await clinic.scripts.redis.rpush(clinic.name("ring:batch"), "nobody")


async def lane_parked_for_ever(clinic: Clinic) -> None:
    await clinic.accept()
    await clinic.scripts.redis.delete(clinic.name("ring:normal"))
    await clinic.scripts.redis.hset(clinic.name("parked"), str(clinic.user_id), "normal")


async def receiver_without_a_turn(clinic: Clinic) -> None:
    for _ in range(2):
        await clinic.complete(callback=HOOK)
    await Deliveries(clinic.scripts).claim(1, room=1, loads={})
    await clinic.scripts.redis.delete(clinic.name("deliver_ring"))


async def counts_too_many(clinic: Clinic) -> None:
    await clinic.accept()
    for field in ("all", str(clinic.user_id)):
        await clinic.scripts.redis.hincrby(clinic.name("open"), field, 3)


async def counts_too_few_bytes(clinic: Clinic) -> None:
    await clinic.accept()
    await clinic.scripts.redis.hincrby(clinic.name("open"), "bytes", -5)


async def counts_for_nobody(clinic: Clinic) -> None:
    await clinic.scripts.redis.hset(clinic.name("open"), str(uuid4()), "4")


async def counts_leases_that_are_not(clinic: Clinic) -> None:
    await clinic.start()
    await clinic.scripts.redis.hincrby(clinic.name("running"), str(clinic.user_id), 2)


async def never_leaves_redis(clinic: Clinic) -> None:
    document_id = await clinic.complete()
    await clinic.ship()
    assert await clinic.scripts.redis.persist(clinic.name(f"doc:{document_id}"))


async def memo_that_never_expires(clinic: Clinic) -> None:
    await clinic.scripts.redis.rpush(clinic.name("claim:request"), "x", "1")


async def email_free_to_be_taken(clinic: Clinic) -> None:
    await clinic.scripts.redis.delete(clinic.name(f"email:{clinic.user_id.hex}@example.com"))


async def email_of_nobody(clinic: Clinic) -> None:
    await clinic.scripts.redis.set(clinic.name("email:ghost@example.com"), str(uuid4()))


async def admin_missing_in_the_list(clinic: Clinic) -> None:
    await clinic.scripts.redis.srem(clinic.name("admins"), str(clinic.user_id))


async def admin_of_nobody(clinic: Clinic) -> None:
    await clinic.scripts.redis.sadd(clinic.name("admins"), str(uuid4()))


async def key_missing_in_its_users_list(clinic: Clinic) -> None:
    await clinic.scripts.redis.delete(clinic.name(f"user-keys:{clinic.user_id}"))


async def job_gone(clinic: Clinic) -> None:
    lost = await clinic.accept()
    await clinic.ship()
    await clinic.scripts.redis.delete(clinic.name(f"job:{lost.document_id}"))


async def input_gone(clinic: Clinic) -> None:
    lost = await clinic.accept()
    await clinic.ship()
    await clinic.blobs.delete(input_key(lost.document_id))


DAMAGES: dict[Damage, dict[str, int]] = {
    queued_nowhere: {"places:queued_nowhere": 1},
    scheduled_nowhere: {"places:scheduled_nowhere": 1},
    rendering_without_lease: {"places:rendering_without_lease": 1},
    ended_but_leased: {"places:ended_but_leased": 1},
    delayed_though_rendering: {"places:delayed_out_of_turn": 1},
    delayed_without_document: {"places:gone": 1},
    leased_without_document: {"places:gone": 1},
    owes_a_webhook_that_is_gone: {"places:delivery_missing": 1},
    webhook_waits_nowhere: {"delivery-places:waits_nowhere": 1},
    lane_without_a_turn: {"lanes:not_in_ring": 1},
    lane_with_two_turns: {"lanes:twice_in_ring": 1},
    turn_without_a_lane: {"lanes:empty_in_ring": 1},
    lane_parked_for_ever: {"lanes:parked_for_ever": 1},
    receiver_without_a_turn: {"lanes:not_in_ring": 1},
    counts_too_many: {"counters:open": 2},
    counts_too_few_bytes: {"counters:open": 1},
    counts_for_nobody: {"counters:open": 1},
    counts_leases_that_are_not: {"counters:running": 1},
    never_leaves_redis: {"settled:stays": 1},
    memo_that_never_expires: {"lifetimes:immortal": 1},
    email_free_to_be_taken: {"indices:email_unlisted": 1},
    email_of_nobody: {"indices:email_of_nobody": 1},
    admin_missing_in_the_list: {"indices:admin_unlisted": 1},
    admin_of_nobody: {"indices:admin_of_nobody": 1},
    key_missing_in_its_users_list: {"indices:key_unlisted": 1},
    job_gone: {"inputs:job": 1},
    input_gone: {"inputs:input": 1},
}


def lane(clinic: Clinic) -> str:
    return clinic.name(f"lane:normal:{clinic.user_id}")


@pytest.mark.parametrize("damage", DAMAGES, ids=lambda damage: damage.__name__)
async def test_a_damage_is_found_mended_and_gone(clinic: Clinic, damage: Damage) -> None:
    await damage(clinic)
    report = await found_mended_and_gone(clinic, DAMAGES[damage])
    assert (report.left, report.exit_code) == (0, 0)


@pytest.mark.parametrize("damage", [queued_nowhere, lane_without_a_turn, lane_with_two_turns, job_gone])
async def test_what_was_mended_in_the_queue_is_claimed_once(clinic: Clinic, damage: Damage) -> None:
    await damage(clinic)
    await clinic.examine()
    assert len(await clinic.queue.claim("w", 10, uuid4().hex)) == 1
    assert await clinic.queue.claim("w", 10, uuid4().hex) == []


@pytest.mark.parametrize("damage", [webhook_waits_nowhere, owes_a_webhook_that_is_gone])
async def test_a_webhook_that_was_mended_is_claimed_once(clinic: Clinic, damage: Damage) -> None:
    await damage(clinic)
    await clinic.examine()
    assert len((await Deliveries(clinic.scripts).claim(10, room=9, loads={})).items) == 1


async def test_a_document_whose_job_and_input_are_gone_fails_and_calls_back(clinic: Clinic) -> None:
    lost = await clinic.accept(callback=HOOK)
    await clinic.ship()
    await clinic.scripts.redis.delete(clinic.name(f"job:{lost.document_id}"))
    await clinic.blobs.delete(input_key(lost.document_id))
    await found_mended_and_gone(clinic, {"inputs:job": 1})
    row = await clinic.queue.live(lost.document_id)
    assert row is not None and row.status == Status.FAILED and row.error and row.error.code == "input_lost"
    (leased,) = (await Deliveries(clinic.scripts).claim(10, room=9, loads={})).items
    assert (leased.type, leased.callback) == ("document.failed", HOOK.model_dump_json())


async def test_a_worker_that_lives_keeps_the_lease_that_the_doctor_gave(clinic: Clinic) -> None:
    claim = await clinic.start()
    await clinic.scripts.redis.delete(clinic.name("leases"), clinic.name("running"))
    await clinic.examine()
    assert await clinic.queue.renew([claim.ref]) == [True]
    await clinic.end(claim)
    row = await clinic.queue.live(claim.job.document_id)
    assert row is not None and row.status == Status.COMPLETED
    assert flaws(await clinic.examine()) == {}


async def test_leases_that_come_and_go_do_not_hide_that_their_counter_is_wrong(clinic: Clinic) -> None:
    await counts_leases_that_are_not(clinic)
    counters = Counters(clinic.stores)
    first = {finding async for finding in counters.look()}
    await clinic.start()
    assert {finding async for finding in counters.look()} == first != set()


async def test_keys_that_nobody_declared_are_told_and_left(clinic: Clinic) -> None:
    await clinic.scripts.redis.set(clinic.name("surprise"), "1")
    report = await clinic.examine()
    assert flaws(report) == {"lifetimes:undeclared": 1} and report.exit_code == 1
    assert await clinic.scripts.redis.exists(clinic.name("surprise"))


async def test_a_hash_that_is_no_whole_document_is_told_and_left(clinic: Clinic) -> None:
    await clinic.scripts.redis.hset(clinic.name(f"doc:{uuid4()}"), "token", "3")
    report = await clinic.examine()
    assert flaws(report) == {"places:incomplete": 1} and report.exit_code == 1


async def test_documents_that_are_on_their_way_are_not_taken_for_stuck(clinic: Clinic) -> None:
    """Accept, claim, render, complete and ship as fast as it goes while doctors examine: nothing is wrong."""
    done = asyncio.Event()

    async def live_on() -> None:
        while not done.is_set():
            await clinic.accept(callback=HOOK)
            claims = await clinic.queue.claim("w", 3, uuid4().hex)
            await clinic.queue.start([claim.ref for claim in claims])
            for claim in claims:
                await clinic.end(claim)
            for leased in (await Deliveries(clinic.scripts).claim(2, room=9, loads={})).items:
                await Deliveries(clinic.scripts).release([leased])
            with suppress(HistoryUnavailable):  # another is just storing the same batch: the next turn ships it
                await clinic.ship()

    living = [asyncio.create_task(live_on()) for _ in range(3)]
    for _ in range(8):
        report = await clinic.examine()
        assert flaws(report) == {}, report.as_text()
    done.set()
    await asyncio.gather(*living)
    assert await clinic.count("document_events") > 20


async def test_the_count_is_exact_while_documents_come_and_go(clinic: Clinic) -> None:
    await clinic.scripts.redis.hincrby(clinic.name("open"), "all", 7)
    done = asyncio.Event()

    async def live_on() -> None:
        while not done.is_set():
            accepted = await clinic.accept()
            await clinic.accept()
            await clinic.queue.cancel(accepted.document_id)

    living = asyncio.create_task(live_on())
    counts = [(await OpenCount(clinic.scripts).compare()).errors for _ in range(20)]
    done.set()
    await living
    assert counts == [{"all": 7}] * 20


async def test_a_count_that_could_not_hear_every_change_is_no_count(
    clinic: Clinic, monkeypatch: pytest.MonkeyPatch
) -> None:
    read = OpenCount._unfinished
    doomed = await clinic.accept()

    async def read_and_cut_off(count: OpenCount) -> dict[str, tuple[str, int]]:
        found = await read(count)
        await clinic.scripts.redis.client_kill_filter(_type="pubsub")
        await clinic.queue.cancel(doomed.document_id)
        return found

    monkeypatch.setattr(OpenCount, "_unfinished", read_and_cut_off)
    with pytest.raises(QueueUnavailable):
        await OpenCount(clinic.scripts).compare()


async def test_a_count_that_cannot_hear_any_more_says_why_at_once(
    clinic: Clinic, monkeypatch: pytest.MonkeyPatch
) -> None:
    read, gone = OpenCount._unfinished, RedisError("Error 111 connecting to 127.0.0.1")

    async def read_and_go_deaf(count: OpenCount) -> dict[str, tuple[str, int]]:
        async def deaf(*_: object, **__: object) -> None:
            raise gone

        monkeypatch.setattr(PubSub, "get_message", deaf)
        return await read(count)

    monkeypatch.setattr(OpenCount, "_unfinished", read_and_go_deaf)
    async with asyncio.timeout(5):
        with pytest.raises(QueueUnavailable) as raised:
            await OpenCount(clinic.scripts).compare()
    assert raised.value.__cause__ is gone


async def test_of_two_doctors_that_count_only_one_corrects(clinic: Clinic) -> None:
    await counts_too_many(clinic)
    reports = await asyncio.gather(*(clinic.examine() for _ in range(3)))
    assert max(report.found for report in reports) == 2
    await clinic.examine()
    assert flaws(await clinic.examine()) == {}
    assert (await clinic.queue.lengths())["open"] == 1
