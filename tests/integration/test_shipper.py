"""From the stream to ClickHouse: every event exactly once, whatever dies in between."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from unittest.mock import AsyncMock
from uuid import UUID, uuid4

import pytest

from backends.accounts import Accounts
from backends.blobs import FileBlobStore
from backends.event_log import EventLog
from backends.migrations.runner import migrate
from contracts.deliveries import DeliveryAttempt
from contracts.documents import Result
from contracts.errors import HistoryUnavailable
from contracts.ids import new_id, now_ms
from contracts.jobs import GenerationJob, input_key
from contracts.users import KeyRow, UserRow
from generator.shipper import Shipper
from tests.integration.history_servers import (
    Server,
    clickhouse_server,
    fresh_database,
    fresh_prefix,
    job,
    wait_until,
)
from tests.integration.ill_history import ill_history
from tests.integration.shipper_stage import CALLBACK, RESULT, TTL_S, Stage, fresh_stage


@pytest.fixture
async def stage(clickhouse_node: Server, redis_node: Server, tmp_path: Path) -> AsyncIterator[Stage]:
    async with fresh_stage(clickhouse_node.url, redis_node.url, tmp_path) as one:
        yield one


async def test_a_document_arrives_with_every_field_it_had(stage: Stage) -> None:
    nasty = job(subject='cust"omer\\7\n', metadata={"seq": "9", 'quo"te': "Ж\t€"}, lane="tenant 42")
    await stage.accept(nasty)
    await stage.finish(1)
    live = await stage.queue.live_events(nasty.document_id)
    assert await stage.shipper().ship_once() == len(live) == 3
    found = await stage.clickhouse.rows("SELECT * FROM documents FINAL")
    assert len(found) == 1
    for name, value in live[-1].model_dump(mode="json").items():
        if name not in ("result", "error", "delivery", "detail"):
            assert found[0][name] == value, name
    assert Result.model_validate_json(str(found[0]["result"])) == RESULT
    assert (found[0]["bytes"], found[0]["pages"], found[0]["error_code"]) == (4321, 3, "")


async def test_shipping_trims_the_stream_and_lets_only_ended_documents_expire(stage: Stage) -> None:
    ended, waiting = job(), job()
    await stage.accept(ended)
    assert await stage.finish(1) == [ended.document_id]
    await stage.accept(waiting)
    await stage.shipper().ship_once()
    assert await stage.waiting() == 0
    assert 0 < await stage.ttl("doc", ended.document_id) <= TTL_S
    assert 0 < await stage.ttl("job", ended.document_id) <= TTL_S
    assert await stage.ttl("doc", waiting.document_id) == -1
    assert await stage.ttl("job", waiting.document_id) == -1


async def test_a_document_whose_webhook_is_due_does_not_expire(stage: Stage) -> None:
    called = job(callback=CALLBACK)
    await stage.accept(called)
    await stage.finish(1)
    await stage.shipper().ship_once()
    assert await stage.ttl("doc", called.document_id) == -1


async def test_a_job_is_in_the_blob_store_before_its_event_leaves_redis(stage: Stage) -> None:
    accepted = job()
    await stage.accept(accepted)
    await stage.shipper().ship_once()
    kept = await stage.blobs.get(input_key(accepted.document_id))
    assert kept is not None and GenerationJob.model_validate_json(kept) == accepted


async def test_a_retry_keeps_the_job_it_was_made_with(stage: Stage) -> None:
    first = job()
    await stage.accept(first)
    await stage.finish(1)
    await stage.shipper().ship_once()
    second = first.model_copy(update={"filename": "other.pdf"})
    await stage.queue.retry(second, "r1")
    await stage.shipper().ship_once()
    kept = await stage.blobs.get(input_key(first.document_id))
    assert kept is not None and GenerationJob.model_validate_json(kept) == second


@pytest.mark.parametrize("shipped_before", [True, False])
async def test_a_deleted_documents_input_is_gone_and_its_row_says_so(stage: Stage, shipped_before: bool) -> None:
    doomed = job()
    await stage.accept(doomed)
    if shipped_before:
        await stage.shipper().ship_once()
    await stage.queue.delete(doomed.document_id)
    await stage.shipper().ship_once()
    assert await stage.blobs.get(input_key(doomed.document_id)) is None
    assert await stage.count("documents FINAL", "sum(deleted)") == 1
    assert 0 < await stage.ttl("doc", doomed.document_id) <= TTL_S


async def test_users_keys_and_deliveries_arrive_in_their_tables(stage: Stage) -> None:
    now, accounts = now_ms(), Accounts(stage.scripts)
    user = UserRow(
        user_id=new_id(),
        email="A@x.io",
        email_norm="a@x.io",
        name="A",
        role="admin",
        status="active",
        attrs={"deep": {"list": [1, None]}},
        webhook_secret="sealed",
        created_at=now,
        updated_at=now,
        version=1,
    )
    key = KeyRow(
        key_id=new_id(), user_id=user.user_id, name="k", prefix="pw_abc", digest="ff", scopes=("all",), created_at=now
    )
    await accounts.put_user(user, "user.created", None)
    await accounts.put_key(key, "key.created", user.user_id)
    attempt = DeliveryAttempt(
        delivery_id=uuid4(),
        attempt=1,
        document_id=new_id(),
        user_id=user.user_id,
        run=1,
        type="document.completed",
        url="https://example.com/",
        status="pending",
        http_status=503,
        at=now,
        created_at=now,
    )
    await stage.add("w", attempt.model_dump_json())
    assert await stage.shipper().ship_once() == 3
    assert await stage.count("users FINAL") == await stage.count("user_events") == 1
    assert await stage.count("api_keys FINAL") == await stage.count("key_events") == 1
    assert await stage.count("webhook_deliveries FINAL", "sum(http_status)") == 503


class Killed(Exception):
    """The shipper ends here."""


@pytest.mark.parametrize("step", ["stored", "confirm"])
async def test_a_batch_whose_shipper_died_after_the_insert_is_stored_once(
    stage: Stage, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    ended = job()
    await stage.accept(ended)
    await stage.finish(1)
    first = stage.shipper()
    with monkeypatch.context() as patch:
        patch.setattr(first._events, step, AsyncMock(side_effect=Killed()))
        with pytest.raises(Killed):
            await first.ship_once()
    assert await stage.count("document_events") == 3
    assert await stage.ttl("doc", ended.document_id) == -1
    await stage.accept(job())
    await stage.shipper().ship_once()
    await stage.shipper().ship_once()
    assert (
        await stage.count("document_events") == await stage.count("document_events", "uniqExact(document_id, seq)") == 4
    )
    assert 0 < await stage.ttl("doc", ended.document_id) <= TTL_S
    assert await stage.waiting() == 0


async def test_an_insert_whose_answer_is_lost_is_stored_once(stage: Stage) -> None:
    await stage.accept(*[job() for _ in range(10)])
    async with ill_history(stage.clickhouse, ["closes_after"] * 4) as (ill, client):
        shipper = stage.shipper(client)
        for _ in range(2):  # the client itself asks once more, so two answers are lost each time
            with pytest.raises(HistoryUnavailable):
                await shipper.ship_once()
        assert await shipper.ship_once() == 10
    assert len(ill.applied) == 5 and len(set(ill.applied)) == 1
    assert await stage.count("document_events") == await stage.count("documents FINAL") == 10


async def test_a_shipper_that_slept_through_its_lease_ships_nothing_twice(stage: Stage) -> None:
    await stage.accept(job(), job())
    sleeper = EventLog(stage.scripts)
    read_before_sleeping = await sleeper.ahead(None, 10, 1 << 20)
    assert await stage.shipper().ship_once() == 2
    await stage.accept(job())
    stale = await sleeper.claim(read_before_sleeping)
    assert stale is None, "a batch that somebody shipped meanwhile must not be claimed"
    assert await stage.shipper().ship_once() == 1
    assert await stage.count("document_events") == 3


async def test_two_shippers_at_once_store_every_event_once(stage: Stage) -> None:
    jobs = [job() for _ in range(60)]
    await stage.accept(*jobs)
    both = [stage.shipper(max_rows=7), stage.shipper(max_rows=7)]

    async def ship(shipper: Shipper) -> None:
        while await stage.waiting():
            with contextlib.suppress(HistoryUnavailable):  # the other one is inserting the same batch at this moment
                await shipper.ship_once()

    await asyncio.gather(*(ship(shipper) for shipper in both))
    assert await stage.count("document_events") == 60
    assert await stage.count("document_events", "uniqExact(document_id, seq)") == 60


async def test_a_poisoned_row_goes_to_quarantine_and_its_neighbours_arrive(stage: Stage) -> None:
    jobs = [job() for _ in range(20)]
    await stage.accept(*jobs[:10])
    await stage.add("d", '{"document_id":"no uuid","seq":1,"event":"started","created_at":1}')
    await stage.add("d", '{"document_id":')
    await stage.add("?", "{}")
    await stage.accept(*jobs[10:])
    await stage.add("d", '{"document_id":"no uuid","seq":1,"event":"accepted","created_at":1}')
    shipper = stage.shipper()
    assert await shipper.ship_once() == 24
    assert await stage.count("document_events") == await stage.count("documents FINAL") == 20
    assert await stage.count("events_quarantine") == shipper.counters.quarantined == 4
    reasons = await stage.clickhouse.rows("SELECT reason FROM events_quarantine WHERE reason = ''")
    assert reasons == []
    assert await stage.waiting() == 0


async def test_a_bisected_batch_that_was_cut_off_is_stored_once(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    jobs = [job() for _ in range(8)]
    await stage.accept(*jobs[:4])
    await stage.add("d", '{"document_id":"no uuid","seq":1,"event":"started","created_at":1}')
    await stage.accept(*jobs[4:])
    first = stage.shipper()
    insert, calls = stage.clickhouse.insert_lines, 0

    async def away_after_three(*args: object, **more: object) -> None:
        nonlocal calls
        calls += 1
        if calls > 3:
            raise HistoryUnavailable()
        await insert(*args, **more)  # type: ignore[arg-type]

    with monkeypatch.context() as patch:
        patch.setattr(stage.clickhouse, "insert_lines", away_after_three)
        with pytest.raises(HistoryUnavailable):
            await first.ship_once()
    assert 0 < await stage.count("document_events") < 8
    # What made the rows unreadable is mended meanwhile: the batch must not be tried in one piece again.
    tokens: list[str] = []

    async def noted(table: str, lines: list[bytes], *, token: str) -> None:
        tokens.append(token)
        await insert(table, lines, token=token)

    monkeypatch.setattr(stage.clickhouse, "insert_lines", noted)
    await stage.shipper().ship_once()
    assert not any(token.endswith(":0-9") for token in tokens)
    assert await stage.count("document_events") == await stage.count("documents FINAL") == 8
    assert await stage.count("events_quarantine") == 1


async def test_tables_that_are_not_there_yet_hold_the_events_back(
    clickhouse_node: Server, redis_node: Server, tmp_path: Path
) -> None:
    async with (
        fresh_database(clickhouse_node.url, migrated=False) as clickhouse,
        fresh_prefix(redis_node.url) as scripts,
    ):
        stage = Stage(scripts, clickhouse, FileBlobStore(tmp_path))
        await stage.accept(job())
        with pytest.raises(HistoryUnavailable):
            await stage.shipper().ship_once()
        await migrate(clickhouse)
        assert await stage.shipper().ship_once() == 1
        assert await stage.count("documents FINAL") == 1


async def test_one_of_several_running_shippers_works_and_another_takes_over(stage: Stage) -> None:
    shippers = [stage.shipper(), stage.shipper()]
    tasks = [asyncio.create_task(shipper.run()) for shipper in shippers]
    await stage.accept(job())

    await wait_until(lambda: sum(shipper.counters.events for shipper in shippers) == 1, "one of them ships")
    worker = next(index for index, shipper in enumerate(shippers) if shipper.counters.events)
    tasks[worker].cancel()
    await asyncio.gather(tasks[worker], return_exceptions=True)
    await stage.accept(job())
    await wait_until(lambda: shippers[1 - worker].counters.events == 1, "the other takes over")
    tasks[1 - worker].cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


async def test_a_flush_ships_what_waits_and_leaves_what_comes_later(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    shipper = stage.shipper(max_rows=4)
    await stage.accept(*[job() for _ in range(10)])
    insert = stage.clickhouse.insert_lines

    async def and_one_more(*args: object, **more: object) -> None:
        await stage.accept(job())
        await insert(*args, **more)  # type: ignore[arg-type]

    monkeypatch.setattr(stage.clickhouse, "insert_lines", and_one_more)
    async with shipper._lease.kept():
        await wait_until(lambda: shipper._lease.held, "the role is acquired")
        assert await shipper.flush(60)
    assert await stage.count("document_events") == 12, "three batches of four"
    assert await stage.waiting() == 1, "each insert brought another event: waiting for the last would take for ever"


async def test_a_flush_leaves_the_stream_to_whoever_holds_the_role(stage: Stage) -> None:
    await stage.accept(job())
    assert await stage.shipper().flush(60)
    assert await stage.waiting() == 1


async def hangs(*_: object, **__: object) -> None:
    await asyncio.Event().wait()


@pytest.mark.parametrize(("insert", "timeout_s"), [(AsyncMock(side_effect=HistoryUnavailable()), 60), (hangs, 0.2)])
async def test_a_flush_gives_up_when_history_is_away_or_its_time_is_up(
    stage: Stage, monkeypatch: pytest.MonkeyPatch, insert: object, timeout_s: float
) -> None:
    shipper = stage.shipper()
    await stage.accept(job())
    monkeypatch.setattr(stage.clickhouse, "insert_lines", insert)
    async with shipper._lease.kept():
        await wait_until(lambda: shipper._lease.held, "the role is acquired")
        assert not await shipper.flush(timeout_s)
    assert await stage.waiting() == 1


@pytest.fixture
def mortal_node(tmp_path: Path) -> Iterator[Server]:
    with clickhouse_server(tmp_path / "clickhouse") as server:
        yield server


async def test_a_server_killed_again_and_again_has_every_event_once_in_the_end(
    mortal_node: Server, redis_node: Server, tmp_path: Path
) -> None:
    async with fresh_database(mortal_node.url) as clickhouse, fresh_prefix(redis_node.url) as scripts:
        stage = Stage(scripts, clickhouse, FileBlobStore(tmp_path / "blobs"))
        shipper = stage.shipper(max_rows=50)
        task = asyncio.create_task(shipper.run())
        made: list[UUID] = []
        for _ in range(4):
            made += await work_while_it_dies(stage, mortal_node)
        while await stage.finish(50):
            pass
        await wait_until(lambda: shipper.counters.events == 3 * len(made), "everything is shipped")
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        assert shipper.counters.failures > 0, "the server was never missed: the test proved nothing"
        assert await stage.count("document_events") == 3 * len(made) == 3 * 480
        assert await stage.count("document_events", "uniqExact(document_id, seq)") == 3 * len(made)
        assert await stage.count("documents FINAL WHERE status = 'completed' AND seq = 3 AND bytes = 4321") == len(made)
        for id_ in made:
            assert await stage.blobs.size(input_key(id_)) is not None


async def work_while_it_dies(stage: Stage, node: Server) -> list[UUID]:
    """Accept 120 documents and finish some while the server is killed and comes back; returns their ids."""
    jobs = [job() for _ in range(120)]
    await stage.accept(*jobs[:100])
    for _ in range(5):
        await stage.finish(20)
    await asyncio.to_thread(node.kill)
    await stage.accept(*jobs[100:])
    await asyncio.to_thread(node.start)
    return [one.document_id for one in jobs]
