"""Redis lost everything: the doctor rebuilds it from history and from the documents' inputs."""

import asyncio
from itertools import count
from uuid import UUID, uuid4

import orjson
import pytest
from redis.asyncio import Redis

from backends.deliveries import Deliveries
from backends.queue import Idempotency
from backends.scripts import Answer, Scripts
from contracts.documents import TRANSITIONS, DocumentRow, Status
from contracts.errors import IdempotencyMismatch, NotFound
from contracts.ids import new_id, now_ms
from contracts.jobs import input_key
from generator.maintenance.doctor.lost_documents import LostDocuments
from tests.integration.attempts import attempt_of
from tests.integration.doctor_stage import HOOK, HOUR_MS, Clinic, a_key, flaws, found_mended_and_gone


async def live(clinic: Clinic, document_id: UUID) -> DocumentRow:
    row = await clinic.queue.live(document_id)
    assert row is not None
    return row


async def test_a_sound_system_has_nothing_to_find(clinic: Clinic) -> None:
    await clinic.accept(run_at=now_ms() + HOUR_MS)
    await clinic.accept(callback=HOOK)
    await clinic.complete(callback=HOOK)
    await clinic.complete()
    await clinic.start()
    unshipped = await clinic.examine()
    assert flaws(unshipped) == {}, unshipped.as_text()
    await clinic.ship()
    report = await clinic.examine()
    assert flaws(report) == {}, report.as_text()


async def test_users_keys_and_templates_come_back_and_the_key_opens(clinic: Clinic) -> None:
    await clinic.lose_redis()
    report = await found_mended_and_gone(
        clinic, {"serving-set:user": 1, "serving-set:key": 1, "serving-set:template": 5, "serving-set:mark": 1}
    )
    assert report.found == 8
    found = await clinic.accounts.authenticate(clinic.key.digest)
    assert found is not None and found[0] == clinic.key and found[1].user_id == clinic.user_id
    assert await clinic.accounts.admins() == 1


async def test_unfinished_documents_go_on_where_history_left_them(clinic: Clinic) -> None:
    queued, scheduled = await clinic.accept(), await clinic.accept(run_at=now_ms() + HOUR_MS)
    rendering = (await clinic.start()).job
    await clinic.complete()
    await clinic.ship()
    before = await live(clinic, rendering.document_id)
    await clinic.lose_redis()
    report = await found_mended_and_gone(clinic, expected_loss(**{"lost-documents:lost": 3}))
    assert report.exit_code == 0
    assert (await live(clinic, scheduled.document_id)).status == Status.SCHEDULED
    claims = await clinic.queue.claim("w", 10, uuid4().hex)
    assert {claim.job.document_id for claim in claims} == {queued.document_id, rendering.document_id}
    assert all(claim.job in (queued, rendering) for claim in claims)
    again = next(claim for claim in claims if claim.job == rendering)
    assert (again.run, again.attempt) == (before.run, before.attempt)
    assert (await live(clinic, rendering.document_id)).seq > before.seq + 100
    assert again.token > 1000 * before.seq


async def test_more_documents_than_one_question_to_clickhouse_names_are_put_back(clinic: Clinic) -> None:
    for _ in range(260):
        await clinic.accept()
    await clinic.ship()
    await clinic.lose_redis()
    report = await clinic.examine()
    assert flaws(report) == expected_loss(**{"lost-documents:lost": 260}), report.as_text()
    assert report.left == 0


async def test_a_document_that_redis_has_lost_is_deleted_without_counting_it_out(clinic: Clinic) -> None:
    lost = await clinic.accept()
    await clinic.ship()
    row = (await clinic.stores.history.newest([str(lost.document_id)]))[str(lost.document_id)]
    await clinic.lose_redis()
    await clinic.accept()
    before = await clinic.scripts.redis.hgetall(clinic.name("open"))
    await clinic.queue.restore(row, None)
    await clinic.queue.delete(lost.document_id)
    assert await clinic.scripts.redis.hgetall(clinic.name("open")) == before


@pytest.mark.parametrize("run_at", [None, now_ms() + HOUR_MS], ids=["queued", "scheduled"])
async def test_a_document_whose_input_is_gone_fails_as_input_lost(clinic: Clinic, run_at: int | None) -> None:
    lost = await clinic.accept(callback=HOOK, run_at=run_at)
    before = await live(clinic, lost.document_id)
    await clinic.ship()
    await clinic.lose_redis()
    await clinic.blobs.delete(input_key(lost.document_id))
    await found_mended_and_gone(clinic, expected_loss(**{"lost-documents:input_lost": 1}))
    row = await live(clinic, lost.document_id)
    assert (row.status, row.event) == (Status.FAILED, "failed") and row.status in TRANSITIONS[before.status]
    assert row.error and row.error.code == "input_lost" and "callback_url" in str(row.error.hint)
    assert await clinic.count("documents FINAL", "status = 'failed' AND error_code = 'input_lost'") == 1


async def test_a_document_that_came_back_calls_its_webhook_under_the_same_id(clinic: Clinic) -> None:
    called = await clinic.accept(callback=HOOK)
    await clinic.ship()
    await clinic.lose_redis()
    await clinic.examine()
    (claim,) = await clinic.queue.claim("w", 1, uuid4().hex)
    await clinic.queue.start([claim.ref])
    await clinic.end(claim)
    (leased,) = (await Deliveries(clinic.scripts).claim(10, room=9, loads={})).items
    assert (leased.document_id, leased.run) == (called.document_id, 1)
    assert leased.callback == HOOK.model_dump_json()


async def test_an_idempotency_key_holds_for_the_rest_of_its_time(clinic: Clinic) -> None:
    until = now_ms() + HOUR_MS
    remembered = {"idempotency_key": "k", "idempotency_fingerprint": "f", "idempotency_until": until}
    first = await clinic.accept(**remembered)
    await clinic.ship()
    await clinic.lose_redis()
    await clinic.examine()
    again = first.model_copy(update={"document_id": uuid4()})
    replayed = await clinic.queue.enqueue(again, Idempotency("k", "f"))
    assert (replayed.document_id, replayed.replayed) == (first.document_id, True)
    with pytest.raises(IdempotencyMismatch):
        await clinic.queue.enqueue(again, Idempotency("k", "another"))
    assert 0 < await clinic.scripts.redis.pttl(clinic.name("idem:k")) <= HOUR_MS


async def test_a_webhook_that_was_due_is_due_again_and_settles_in_the_documents_row(clinic: Clinic) -> None:
    document_id = await clinic.complete(callback=HOOK)
    await clinic.ship()
    (before,) = (await Deliveries(clinic.scripts).claim(10, room=9, loads={})).items
    await clinic.lose_redis()
    await found_mended_and_gone(clinic, expected_loss(**{"lost-deliveries:lost": 1}))
    deliveries = Deliveries(clinic.scripts)
    (leased,) = (await deliveries.claim(10, room=9, loads={})).items
    assert leased.delivery_id == before.delivery_id and leased.callback == before.callback
    await deliveries.record(leased, attempt_of(leased))
    await clinic.ship()
    assert await clinic.count("deliveries FINAL", "status = 'delivered'") == 1
    assert (await live(clinic, document_id)).delivery.status == "delivered"
    assert await clinic.count("documents FINAL", "delivery LIKE '%delivered%'") == 1


async def test_a_webhook_whose_receiver_is_gone_is_recorded_as_dead(clinic: Clinic) -> None:
    document_id = await clinic.complete(callback=HOOK)
    await clinic.ship()
    await clinic.lose_redis()
    await clinic.blobs.delete(input_key(document_id))
    await found_mended_and_gone(clinic, expected_loss(**{"lost-deliveries:receiver_lost": 1}))
    assert await clinic.count("deliveries FINAL", "status = 'dead'") == 1
    assert await clinic.count("webhook_deliveries FINAL", "status = 'dead' AND error_detail != ''") == 1
    assert (await live(clinic, document_id)).delivery.status == "dead"


async def test_a_webhook_that_was_given_up_can_be_sent_again_once_its_receiver_is_named(clinic: Clinic) -> None:
    document_id = await clinic.complete(callback=HOOK)
    await clinic.ship()
    (keys,) = [keys async for keys in clinic.stores.history.pending_deliveries()]
    (pending,) = await clinic.stores.history.deliveries(keys.values())
    await clinic.lose_redis()
    await clinic.blobs.delete(input_key(document_id))
    await clinic.examine()
    deliveries = Deliveries(clinic.scripts)
    assert await deliveries.resend(pending, "", "r1") == "unknown"
    assert flaws(await clinic.examine()) == {}
    assert await deliveries.resend(pending, HOOK.model_dump_json(), "r1") == "ok"
    (leased,) = (await deliveries.claim(9, room=9, loads={})).items
    assert (leased.delivery_id, leased.document_id) == (pending.delivery_id, document_id)


async def test_what_ended_stays_ended_and_does_not_come_back(clinic: Clinic) -> None:
    ended = await clinic.complete()
    await clinic.ship()
    await clinic.lose_redis()
    await found_mended_and_gone(clinic, expected_loss())
    assert await clinic.queue.live(ended) is None


async def test_several_doctors_at_once_put_each_document_back_once(clinic: Clinic) -> None:
    lost = [await clinic.accept() for _ in range(20)]
    await clinic.complete(callback=HOOK)
    await clinic.ship()
    await clinic.lose_redis()
    reports = await asyncio.gather(*(clinic.examine() for _ in range(3)))
    assert [report.left for report in reports] == [0, 0, 0], [report.as_text() for report in reports]
    assert flaws(await clinic.examine()) == {}
    claims = await clinic.queue.claim("w", 100, uuid4().hex)
    assert sorted(claim.job.document_id for claim in claims) == sorted(one.document_id for one in lost)
    await clinic.ship()
    assert await clinic.count("document_events", "event = 'readmitted'") == 20
    assert await clinic.count("document_events", "event = 'delivery_resent'") == 1
    for one in lost:
        rows = await clinic.queue.live_events(one.document_id)
        assert [row.event for row in rows] == ["accepted", "readmitted"]


async def test_a_doctor_that_dies_in_the_middle_leaves_nothing_that_the_next_cannot_mend(
    clinic: Clinic, monkeypatch: pytest.MonkeyPatch
) -> None:
    for _ in range(6):
        await clinic.accept()
    await clinic.ship()
    await clinic.lose_redis()
    run, calls = Scripts.run, count()

    async def dies_at_the_fourth(self: Scripts, name: str, *args: str | int | bytes) -> Answer:
        if name == "readmit" and next(calls) == 3:
            raise KeyboardInterrupt
        return await run(self, name, *args)

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(Scripts, "run", dies_at_the_fourth)
        await LostDocuments(clinic.stores).mend([finding async for finding in LostDocuments(clinic.stores).look()])
    report = await clinic.examine()
    assert flaws(report) == expected_loss(**{"lost-documents:lost": 3}) and report.left == 0
    assert flaws(await clinic.examine()) == {}
    assert (await clinic.queue.lengths())["open"] == 6


async def test_a_redis_that_was_set_back_gets_the_newer_rows_and_a_deleted_user_stays_deleted(clinic: Clinic) -> None:
    changed, deleted = await clinic.add_user(new_id()), await clinic.add_user(new_id())
    await clinic.accounts.put_key(a_key(clinic.user_id), "key.created", None)  # the last admin keeps one
    await clinic.ship()
    before = await backup(clinic)
    newer = changed.model_copy(update={"version": 2, "name": "Bea"})
    await clinic.accounts.put_user(newer, "user.updated", None)
    await clinic.accounts.put_user(deleted.model_copy(update={"version": 2, "deleted": 1}), "user.deleted", None)
    revoked = clinic.key.model_copy(update={"version": 2, "revoked_at": now_ms()})
    await clinic.accounts.put_key(revoked, "key.revoked", None)
    await clinic.ship()
    await restore(clinic, before)
    await found_mended_and_gone(clinic, {"serving-set:user": 2, "serving-set:key": 1})
    assert await clinic.accounts.user(changed.user_id) == newer
    with pytest.raises(NotFound):
        await clinic.accounts.user(deleted.user_id)
    found = await clinic.accounts.authenticate(clinic.key.digest)
    assert found is not None and found[0] == revoked


async def test_a_document_whose_end_is_in_quarantine_is_not_made_again(clinic: Clinic) -> None:
    claim = await clinic.start()
    await clinic.ship()
    end = (await live(clinic, claim.job.document_id)).model_copy(update={"seq": 3, "event": "completed"})
    line = {"at": now_ms(), "entry_id": "1-1", "kind": "d", "reason": "no", "line": end.model_dump_json()}
    await clinic.clickhouse.insert_lines("events_quarantine", [orjson.dumps(line)], token="t")
    await clinic.scripts.redis.delete(clinic.name(f"doc:{end.document_id}"), clinic.name(f"job:{end.document_id}"))
    report = await clinic.examine()
    assert flaws(report)["lost-documents:unclear"] == 1
    assert report.exit_code == 1 and await clinic.queue.live(end.document_id) is None


async def backup(clinic: Clinic) -> dict[str, bytes]:
    raw = Redis.from_url(clinic.url)
    async with raw:
        return {key.decode(): await raw.dump(key) async for key in raw.scan_iter(match=clinic.name("*"))}


async def restore(clinic: Clinic, dumped: dict[str, bytes]) -> None:
    await clinic.lose_redis()
    raw = Redis.from_url(clinic.url)
    async with raw:
        for key, value in dumped.items():
            await raw.restore(key, 0, value)


def expected_loss(**more: int) -> dict[str, int]:
    served = {"serving-set:user": 1, "serving-set:key": 1, "serving-set:template": 5, "serving-set:mark": 1}
    return served | more
