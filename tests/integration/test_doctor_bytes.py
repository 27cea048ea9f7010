"""Bytes that are lost or damaged, and bytes that nothing needs any more."""

import asyncio
import os
from dataclasses import replace
from uuid import UUID, uuid4

import pytest

from backends.deliveries import Deliveries
from contracts.documents import DocumentRow, Status
from contracts.errors import RateLimited
from contracts.ids import new_id, now_ms
from contracts.jobs import input_key, result_key
from contracts.templates import bundle_key
from generator.maintenance.doctor.doctor import Doctor
from generator.maintenance.doctor.results import NO_INPUT, NOT_ASKED, Results
from generator.shipped import load_shipped
from tests.integration.attempts import attempt_of
from tests.integration.doctor_stage import HOOK, HOUR_MS, Clinic, flaws, found_mended_and_gone


async def result_of(clinic: Clinic, document_id: UUID) -> str:
    rows = await clinic.stores.history.newest([str(document_id)])
    result = rows[str(document_id)].result
    assert result is not None
    return result.key


async def made_again(clinic: Clinic, document_id: UUID) -> DocumentRow:
    """Do what a worker does with what waits, and return the document."""
    for claim in await clinic.queue.claim("w", 10, uuid4().hex):
        await clinic.queue.start([claim.ref])
        await clinic.end(claim)
    await clinic.ship()
    row = await clinic.queue.live(document_id)
    assert row is not None
    return row


async def damage(clinic: Clinic, document_id: UUID, kind: str) -> None:
    key = await result_of(clinic, document_id)
    if kind == "missing":
        await clinic.blobs.delete(key)
    else:
        size = await clinic.blobs.size(key)
        await clinic.blobs.put(key, b"x" * (size or 0))


@pytest.mark.parametrize("kind", ["missing", "damaged"])
async def test_lost_bytes_are_told_and_made_again_only_if_asked_for(clinic: Clinic, kind: str) -> None:
    document_id = await clinic.complete()
    await clinic.complete()
    await clinic.ship()
    await damage(clinic, document_id, kind)
    for dry_run in (True, False):
        report = await clinic.examine(dry_run=dry_run)
        assert flaws(report) == {f"results:{kind}": 1} and report.exit_code == 1
    assert NOT_ASKED in report.as_text() and str(document_id) in report.as_text()
    assert (await clinic.examine(rerender=True)).exit_code == 0
    row = await made_again(clinic, document_id)
    assert (row.status, row.run) == (Status.COMPLETED, 2)
    assert flaws(await clinic.examine()) == {}


async def test_lost_bytes_without_an_input_cannot_be_made_again(clinic: Clinic) -> None:
    document_id = await clinic.complete()
    await clinic.ship()
    await damage(clinic, document_id, "missing")
    await clinic.blobs.delete(input_key(document_id))
    report = await clinic.examine(rerender=True)
    assert report.exit_code == 1 and NO_INPUT in report.as_text()


async def test_lost_bytes_that_the_queue_has_no_room_to_make_again_are_left(clinic: Clinic) -> None:
    document_id = await clinic.complete()
    await clinic.ship()
    await damage(clinic, document_id, "missing")
    await clinic.scripts.redis.hset(clinic.name("open"), str(clinic.user_id), str(10**6))
    report = await Doctor([Results(replace(clinic.stores, rerender=True))], dry_run=False, moment_s=0.01).run()
    assert (report.left, report.exit_code) == (1, 1), report.as_text()
    assert RateLimited().message in report.as_text()


async def test_two_doctors_make_lost_bytes_again_once(clinic: Clinic) -> None:
    document_id = await clinic.complete()
    await clinic.ship()
    await damage(clinic, document_id, "missing")
    await asyncio.gather(*(clinic.examine(rerender=True) for _ in range(3)))
    assert (await made_again(clinic, document_id)).run == 2


async def test_bytes_of_a_document_that_left_redis_are_looked_at_too(clinic: Clinic) -> None:
    document_id = await clinic.complete()
    await clinic.ship()
    await damage(clinic, document_id, "missing")
    await clinic.scripts.redis.delete(clinic.name(f"doc:{document_id}"), clinic.name(f"job:{document_id}"))
    assert flaws(await clinic.examine(rerender=True)) == {"results:missing": 1}
    assert (await made_again(clinic, document_id)).run == 2


@pytest.mark.parametrize("settled", [False, True], ids=["pending", "just settled"])
async def test_expired_bytes_that_a_receiver_may_still_fetch_are_looked_at(clinic: Clinic, settled: bool) -> None:
    document_id = await clinic.complete(expires_at=now_ms() - 1000, callback=HOOK)
    if settled:
        deliveries = Deliveries(clinic.scripts)
        (leased,) = (await deliveries.claim(1, room=1, loads={})).items
        await deliveries.record(leased, attempt_of(leased))
    await clinic.ship()
    await damage(clinic, document_id, "missing")
    assert flaws(await clinic.examine()) == {"results:missing": 1}


async def test_bytes_that_nobody_may_fetch_any_more_are_no_loss(clinic: Clinic) -> None:
    document_id = await clinic.complete(expires_at=now_ms() - 1000)
    await clinic.ship()
    await damage(clinic, document_id, "missing")
    assert flaws(await clinic.examine()) == {}


async def test_results_that_no_run_recorded_are_removed_once_they_are_old(clinic: Clinic) -> None:
    document_id = await clinic.complete()
    await clinic.ship()
    young, old = result_key(document_id, 900), result_key(document_id, 901)
    for key in (young, old):
        await clinic.blobs.put(key, b"a zombie's")
    long_ago = now_ms() / 1000 - 2 * HOUR_MS / 1000
    os.utime(clinic.blobs.path(old), (long_ago, long_ago))
    await found_mended_and_gone(clinic, {"orphans:unrecorded": 1})
    assert await clinic.blobs.get(old) is None
    assert await clinic.blobs.get(young) == b"a zombie's"
    assert await clinic.blobs.get(await result_of(clinic, document_id)) is not None


async def test_bytes_of_documents_that_nobody_knows_stay_while_a_restored_history_could_know_them(
    clinic: Clinic,
) -> None:
    unknown = result_key(new_id(), 1)
    await clinic.blobs.put(unknown, b"whose?")
    assert flaws(await clinic.examine()) == {}
    assert await clinic.blobs.get(unknown) == b"whose?"


async def test_a_lost_source_of_a_shipped_template_is_stored_again(clinic: Clinic) -> None:
    sha256 = load_shipped()[0].bundle.sha256
    await clinic.blobs.delete(bundle_key(sha256))
    await found_mended_and_gone(clinic, {"serving-set:source": 1})
    assert await clinic.blobs.get(bundle_key(sha256)) == load_shipped()[0].bundle.pack()
