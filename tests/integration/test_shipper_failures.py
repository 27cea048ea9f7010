"""What the shipper does when Redis, ClickHouse or the blob store fail it, and how its role changes hands."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from uuid import uuid4

import pytest

from backends.clickhouse import ClickHouse
from backends.event_log import Batch, EventLog
from backends.queue import DocumentQueue
from backends.read_back import ReadBack
from backends.redis import connect_redis
from backends.role_lease import RoleLease
from backends.scripts import Scripts
from contracts.errors import BlobUnavailable, HistoryUnavailable, QueueUnavailable
from contracts.jobs import input_key, result_key
from generator.shipper import Shipper, ShipperSettings
from tests.fakes_blobs import InMemoryBlobStore
from tests.integration.history_servers import Server, free_port, fresh_prefix, job, out_of_memory, wait_until


@pytest.fixture
async def scripts(redis_node: Server) -> AsyncIterator[Scripts]:
    async with fresh_prefix(redis_node.url) as one:
        yield one


class RecordingHistory(ClickHouse):
    """Remembers inserts by token, and is away as often as told."""

    def __init__(self) -> None:
        super().__init__(f"http://a:b@127.0.0.1:{free_port()}/none")
        self.inserts: dict[str, list[bytes]] = {}
        self.away = 0

    async def insert_lines(self, table: str, lines: object, *, token: str) -> None:
        if self.away:
            self.away -= 1
            raise HistoryUnavailable()
        assert isinstance(lines, list)
        assert self.inserts.setdefault(token, lines) == lines, "one token, two sets of rows"

    @property
    def stored(self) -> int:
        return sum(map(len, self.inserts.values()))


class Settled(ReadBack):
    """Finds every row."""

    async def settle(self, table: str, lines: Sequence[bytes], *, token: str) -> list[bytes]:
        return []


class WatchedBlobs(InMemoryBlobStore):
    """Calls back after writing, and is away as often as told."""

    def __init__(self) -> None:
        super().__init__()
        self.away = 0
        self.after_put: Callable[[], Awaitable[None]] | None = None

    async def put_many(self, blobs: Mapping[str, bytes]) -> None:
        if self.away:
            self.away -= 1
            raise BlobUnavailable()
        await super().put_many(blobs)
        if self.after_put is not None:
            await self.after_put()


def lease(scripts: Scripts, ttl_ms: int = 600) -> RoleLease:
    return RoleLease(scripts.redis, scripts.prefix, role="ship", holder=uuid4().hex, ttl_ms=ttl_ms)


def shipper(scripts: Scripts, history: ClickHouse, blobs: InMemoryBlobStore) -> Shipper:
    settings = ShipperSettings(interval_s=0.01, first_backoff_s=0.01, max_backoff_s=0.05)
    return Shipper(scripts, history, blobs, lease(scripts), settings, Settled(history))


async def test_an_event_is_not_confirmed_before_its_job_is_in_the_blob_store(scripts: Scripts) -> None:
    history, blobs = RecordingHistory(), WatchedBlobs()
    accepted = job()
    await DocumentQueue(scripts).enqueue(accepted)
    blobs.away = 1
    with pytest.raises(BlobUnavailable):
        await shipper(scripts, history, blobs).ship_once()
    assert await EventLog(scripts).length() == 1
    assert await shipper(scripts, history, blobs).ship_once() == 1
    assert list(blobs.blobs) == [input_key(accepted.document_id)]
    assert history.stored == 1


async def test_a_document_deleted_while_its_job_is_copied_leaves_nothing(scripts: Scripts) -> None:
    history, blobs = RecordingHistory(), WatchedBlobs()
    doomed, other = job(), job()
    for one in (doomed, other):
        await DocumentQueue(scripts).enqueue(one)
    blobs.after_put = lambda: DocumentQueue(scripts).delete(doomed.document_id)
    assert await shipper(scripts, history, blobs).ship_once() == 2
    assert list(blobs.blobs) == [input_key(other.document_id)]


async def test_a_document_that_leaves_redis_while_its_job_is_copied_keeps_its_bytes(scripts: Scripts) -> None:
    """Its time to live ends between the two looks, when events of documents that have ended are sent again."""
    history, blobs, made = RecordingHistory(), WatchedBlobs(), job()
    await DocumentQueue(scripts).enqueue(made)
    await blobs.put(result_key(made.document_id, 1), b"%PDF")
    names = [f"{scripts.prefix}{kind}:{made.document_id}" for kind in ("doc", "job")]
    blobs.after_put = lambda: scripts.redis.delete(*names)
    assert await shipper(scripts, history, blobs).ship_once() == 1
    assert set(blobs.blobs) == {input_key(made.document_id), result_key(made.document_id, 1)}


async def test_an_outage_delays_events_and_the_lag_shows_it(scripts: Scripts) -> None:
    history, blobs = RecordingHistory(), WatchedBlobs()
    history.away = 6
    one = shipper(scripts, history, blobs)
    task = asyncio.create_task(one.run())
    await DocumentQueue(scripts).enqueue(job())
    await wait_until(lambda: one.counters.failures >= 5, "it keeps trying")
    assert one.failing_since is not None and one.lag_seconds > 0
    await wait_until(lambda: one.counters.events == 1, "it recovers alone")
    await wait_until(lambda: one.lag_seconds == 0 and one.failing_since is None, "nothing is late any more")
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    assert history.stored == 1


async def test_a_bug_in_one_turn_does_not_end_the_shipping(scripts: Scripts, monkeypatch: pytest.MonkeyPatch) -> None:
    history, blobs = RecordingHistory(), WatchedBlobs()
    one = shipper(scripts, history, blobs)
    ship_waiting, calls = one.ship_waiting, 0

    async def broken_at_first() -> int:
        nonlocal calls
        calls += 1
        if calls < 3:
            raise KeyError("a bug")
        return await ship_waiting()

    monkeypatch.setattr(one, "ship_waiting", broken_at_first)
    await DocumentQueue(scripts).enqueue(job())
    task = asyncio.create_task(one.run())
    await wait_until(lambda: one.counters.events == 1, "it ships after all")
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    assert one.counters.failures == 2


async def test_a_batch_whose_events_are_gone_gives_its_token_up(scripts: Scripts) -> None:
    history, blobs = RecordingHistory(), WatchedBlobs()
    for _ in range(3):
        await DocumentQueue(scripts).enqueue(job())
    batch = await EventLog(scripts).next_batch()
    assert batch is not None
    await scripts.redis.xdel(f"{scripts.prefix}events", batch.entries.ids[1])
    again = await EventLog(scripts).next_batch()
    while again is None:
        again = await EventLog(scripts).next_batch()
    assert len(again.entries) == 2 and again.token != batch.token
    assert await shipper(scripts, history, blobs).ship_once() == 2


async def finish(events: EventLog, batch: Batch, documents: Mapping[str, int] | None = None) -> int:
    await events.stored(batch)
    return await events.confirm(batch.last_id, documents or {}, 600)


async def test_batches_are_bounded_by_rows_and_by_bytes(scripts: Scripts) -> None:
    for _ in range(5):
        await scripts.redis.xadd(f"{scripts.prefix}events", {"u": '{"x":"' + "y" * 1000 + '"}'})
    events = EventLog(scripts)
    by_bytes = await events.next_batch(max_rows=100, max_bytes=2500)
    assert by_bytes is not None and len(by_bytes.entries) == 2
    await finish(events, by_bytes)
    by_rows = await events.next_batch(max_rows=1, max_bytes=1 << 20)
    assert by_rows is not None and len(by_rows.entries) == 1
    await finish(events, by_rows)
    large = await events.next_batch(max_rows=100, max_bytes=10)
    assert large is not None and len(large.entries) == 1, "an event larger than the limit still gets through"


async def test_confirming_twice_changes_nothing_more(scripts: Scripts) -> None:
    one = job()
    queue = DocumentQueue(scripts)
    await queue.enqueue(one)
    await queue.cancel(one.document_id)
    events = EventLog(scripts)
    batch = await events.next_batch()
    assert batch is not None
    seqs = {str(one.document_id): 2}
    assert await finish(events, batch, seqs) == 1
    key = f"{scripts.prefix}doc:{one.document_id}"
    await scripts.redis.expire(key, 300)
    assert await finish(events, batch, seqs) == 0
    assert await scripts.redis.ttl(key) <= 300


async def test_confirming_a_document_that_redis_has_forgotten_does_not_bring_back_a_stump(scripts: Scripts) -> None:
    forgotten = job()
    await DocumentQueue(scripts).enqueue(forgotten)
    events = EventLog(scripts)
    batch = await events.next_batch()
    assert batch is not None
    key = f"{scripts.prefix}doc:{forgotten.document_id}"
    await scripts.redis.delete(key)
    await events.keep_back(str(forgotten.document_id), 1)
    assert await finish(events, batch, {str(forgotten.document_id): 1}) == 0
    assert not await scripts.redis.exists(key)


async def test_a_document_whose_newest_row_still_waits_does_not_expire(scripts: Scripts) -> None:
    one = job()
    await DocumentQueue(scripts).enqueue(one)
    events = EventLog(scripts)
    await DocumentQueue(scripts).cancel(one.document_id)
    batch = await events.next_batch()
    assert batch is not None
    await DocumentQueue(scripts).delete(one.document_id)
    assert await finish(events, batch, {str(one.document_id): 2}) == 0
    assert await scripts.redis.ttl(f"{scripts.prefix}doc:{one.document_id}") == -1


async def test_the_next_batch_may_fly_before_the_last_is_confirmed(scripts: Scripts) -> None:
    for _ in range(4):
        await DocumentQueue(scripts).enqueue(job())
    events = EventLog(scripts)
    first = await events.next_batch(max_rows=2)
    assert first is not None
    ahead = await events.ahead(first.last_id, 2, 1 << 20)
    assert await events.claim(ahead) is None, "one batch flies already"
    await events.stored(first)
    assert await events.claim(first.entries) is None, "what is stored must not fly again"
    second = await events.claim(ahead)
    assert second is not None and second.entries == ahead
    assert await events.unconfirmed() == first.entries
    heir = await EventLog(scripts).next_batch()
    assert heir is not None and (heir.token, heir.entries) == (second.token, second.entries)
    assert await events.confirm(first.last_id, {}, 600) == 0
    assert not await events.unconfirmed() and await events.length() == 2
    await finish(events, second)
    assert await events.next_batch() is None and await events.length() == 0


async def test_events_drain_from_a_redis_that_is_full(scripts: Scripts) -> None:
    history, blobs = RecordingHistory(), WatchedBlobs()
    for _ in range(20):
        await DocumentQueue(scripts).enqueue(job())
    async with out_of_memory(scripts.redis):
        assert await shipper(scripts, history, blobs).ship_once() == 20
    assert await EventLog(scripts).length() == 0


async def test_only_one_holds_a_role_and_only_its_holder_renews_it(scripts: Scripts) -> None:
    first, second = lease(scripts, 60_000), lease(scripts, 60_000)
    assert await first.acquire() and first.held
    assert not await second.acquire() and not second.held
    assert not await second.renew()
    await second.release()
    assert await first.renew() and await first.acquire()
    await first.release()
    assert not first.held
    assert await second.acquire()
    assert not await first.renew()


async def test_a_role_of_a_holder_that_died_is_free_after_its_lease(scripts: Scripts) -> None:
    dead, heir = lease(scripts, 300), lease(scripts, 60_000)
    assert await dead.acquire()
    granted = False
    async with asyncio.timeout(30):
        while not granted:
            granted = await heir.acquire()
            await asyncio.sleep(0.01)
    assert not dead.held, "by its own clock it must have given up before another could take over"


async def test_a_role_is_kept_while_it_is_wanted_and_free_at_once_afterwards(scripts: Scripts) -> None:
    keeper, heir = lease(scripts, 1500), lease(scripts, 60_000)
    async with keeper.kept():
        await wait_until(lambda: keeper.held, "the role is acquired")
        for _ in range(40):  # longer than the lease, which is long enough for a busy machine
            assert not await heir.acquire()
            await asyncio.sleep(0.05)
    assert await heir.acquire()


async def test_a_role_whose_renewal_breaks_once_is_acquired_all_the_same(
    scripts: Scripts, monkeypatch: pytest.MonkeyPatch
) -> None:
    keeper, acquire, broken = lease(scripts, 60), RoleLease.acquire, iter([ZeroDivisionError()])

    async def breaks_once(one: RoleLease) -> bool:
        for error in broken:
            raise error
        return await acquire(one)

    monkeypatch.setattr(RoleLease, "acquire", breaks_once)
    async with keeper.kept():
        await wait_until(lambda: keeper.held, "the role is acquired", 5)
    assert list(broken) == []


async def test_without_redis_nothing_is_held_and_nothing_breaks() -> None:
    away = Scripts(connect_redis(f"redis://127.0.0.1:{free_port()}/0"))
    with pytest.raises(QueueUnavailable):
        await EventLog(away).next_batch()
    one = RoleLease(away.redis, away.prefix, role="ship", holder="me", ttl_ms=30)
    async with one.kept():
        await asyncio.sleep(0.05)
        assert not one.held
    await away.redis.aclose()
