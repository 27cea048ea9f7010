"""What the pruner removes and what it leaves, on real servers: whether Redis knows the document or history alone."""

from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Collection
from pathlib import Path
from uuid import UUID

import pytest
from redis.asyncio import Redis

from backends.blobs import LISTING_STEP, FileBlobStore, StoredBlob
from backends.clickhouse import ClickHouse
from backends.redis import connect_redis
from backends.scripts import Scripts
from contracts.errors import HistoryUnavailable, QueueUnavailable
from contracts.ids import new_id, now_ms
from contracts.jobs import input_key, result_key
from contracts.standing import Standing
from generator.maintenance.pruning import pruning_over
from generator.maintenance.retention import DAY_MS, HOUR_MS, Retention
from generator.maintenance.standings import Standings
from tests.integration.history_servers import Server, free_port, fresh_database, fresh_prefix
from tests.integration.pruning_stage import HOOK, WEEK_MS, Stage, prune_with

LATER_MS = 5 * HOUR_MS
LIVE = pytest.mark.parametrize("live", [True, False], ids=["in Redis", "in history"])


@pytest.fixture
async def stage(clickhouse_node: Server, redis_node: Server, tmp_path: Path) -> AsyncIterator[Stage]:
    async with fresh_database(clickhouse_node.url) as clickhouse, fresh_prefix(redis_node.url) as scripts:
        yield Stage(scripts, clickhouse, FileBlobStore(tmp_path / "blobs"))


@LIVE
async def test_a_result_goes_when_it_has_expired_and_others_stay(stage: Stage, live: bool) -> None:
    short, long, kept = [await stage.start() for _ in range(3)]
    await stage.ship()  # history has rows of them under way, too
    expired = await stage.complete(short, expires_in_ms=HOUR_MS)
    await stage.complete(long, expires_in_ms=DAY_MS)
    await stage.complete(kept, expires_in_ms=None)
    for claim in (short, long, kept) if not live else ():
        await stage.forget(claim.job.document_id)
    assert await stage.prune(ahead_ms=HOUR_MS) == set()
    assert await stage.prune(ahead_ms=LATER_MS) == {expired}
    assert not await stage.has(expired)
    assert await stage.prune(ahead_ms=LATER_MS) == set()


async def test_an_expired_result_waits_for_its_webhook_and_a_day_longer(stage: Stage) -> None:
    claim = await stage.start(callback=HOOK)
    key = await stage.complete(claim, expires_in_ms=HOUR_MS)
    await stage.ship()
    assert await stage.prune(ahead_ms=60 * DAY_MS) == set(), "the webhook is pending"
    await stage.deliver()
    assert await stage.prune(ahead_ms=DAY_MS - HOUR_MS) == set()
    await stage.forget(claim.job.document_id)
    assert await stage.prune(ahead_ms=DAY_MS - HOUR_MS) == set()
    assert await stage.prune(ahead_ms=DAY_MS + 2 * HOUR_MS) == {key}


async def test_a_result_whose_webhook_history_calls_pending_stays(stage: Stage) -> None:
    claim = await stage.start(callback=HOOK)
    await stage.complete(claim, expires_in_ms=HOUR_MS)
    await stage.ship()
    await stage.lose(claim.job.document_id)
    assert await stage.prune(ahead_ms=60 * DAY_MS) == set()


@LIVE
async def test_a_zombies_bytes_go_and_the_recorded_ones_stay(stage: Stage, live: bool) -> None:
    claim = await stage.start()
    await stage.complete(claim)
    zombies = {await stage.store(claim, token=claim.token + 1), await stage.store(claim, token=77)}
    failed = await stage.start()
    await stage.fail(failed)
    cut_off = await stage.store(failed)
    for one in (claim, failed) if not live else ():
        await stage.forget(one.job.document_id)
    assert await stage.prune(ahead_ms=HOUR_MS - 60_000) == set(), "too fresh to tell"
    assert await stage.prune(ahead_ms=LATER_MS) == {*zombies, cut_off}


async def test_a_search_for_some_blobs_asks_about_no_others(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    claims = [await stage.start() for _ in range(2)]
    zombies = [await stage.store(claim, token=claim.token + 1) for claim in claims]
    for claim in claims:
        await stage.complete(claim)
    stage.ahead_ms, ask, asked = LATER_MS, Standings.of, set[UUID]()

    async def noted(self: Standings, document_ids: Collection[UUID]) -> dict[UUID, Standing]:
        asked.update(document_ids)
        return await ask(self, document_ids)

    monkeypatch.setattr(Standings, "of", noted)
    found = [finding.blob.key async for step in stage.pruning().find({zombies[0]}) for finding in step]
    assert (found, asked) == ([zombies[0]], {claims[0].job.document_id})


async def test_an_earlier_runs_bytes_go_once_the_newer_run_has_ended(stage: Stage) -> None:
    first = await stage.start()
    earlier = await stage.complete(first)
    await stage.queue.retry(first.job, "again")
    second = await stage.claim()
    stored = await stage.store(second)
    assert await stage.prune(ahead_ms=30 * DAY_MS) == set(), "the run is under way"
    assert await stage.complete(second) == stored
    assert await stage.prune(ahead_ms=LATER_MS) == {earlier}


class Interrupted(FileBlobStore):
    """A store on which something happens between a listing and what is made of it."""

    meanwhile: Callable[[], Awaitable[object]]

    async def listing(self, kind: str, step: int = LISTING_STEP) -> AsyncGenerator[list[StoredBlob]]:
        async for blobs in super().listing(kind, step):
            if kind == "results":
                await self.meanwhile()
            yield blobs


@pytest.mark.parametrize("left_redis", [False, True])
async def test_an_attempt_that_ends_while_the_pruner_lists_keeps_its_bytes(stage: Stage, left_redis: bool) -> None:
    claim = await stage.start()
    key = await stage.store(claim)
    store = Interrupted(stage.blobs.root)

    async def end() -> None:
        await stage.complete(claim)
        if left_redis:
            await stage.forget(claim.job.document_id)

    store.meanwhile = end
    stage.ahead_ms = LATER_MS
    assert await prune_with(stage.pruning(blobs=store)) == set()
    assert await stage.has(key)


async def test_bytes_stored_for_a_retry_while_the_pruner_works_stay(stage: Stage) -> None:
    first = await stage.start()
    expired = await stage.complete(first, expires_in_ms=HOUR_MS)
    await stage.forget(first.job.document_id)
    store, later = Interrupted(stage.blobs.root), list[str]()

    async def retry() -> None:
        await stage.queue.enqueue(first.job)
        later.append(await stage.store(await stage.claim(), token=9001))

    store.meanwhile = retry
    stage.ahead_ms = 3 * HOUR_MS
    assert await prune_with(stage.pruning(blobs=store)) == set(), "the document is under way again"
    assert await stage.has(later[0]) and await stage.has(expired)


@LIVE
async def test_an_input_goes_a_week_after_the_end_and_younger_ones_stay(stage: Stage, live: bool) -> None:
    claim = await stage.start()
    await stage.complete(claim, expires_in_ms=None)
    await stage.ship()
    if not live:
        await stage.forget(claim.job.document_id)
    key = input_key(claim.job.document_id)
    assert await stage.has(key)
    assert await stage.prune(ahead_ms=WEEK_MS - HOUR_MS) == set()
    for_ever = Retention.of(None, 13)
    assert await stage.prune(ahead_ms=500 * DAY_MS, retention=for_ever) == set()
    assert await stage.prune(ahead_ms=WEEK_MS + 60_000) == {key}


async def test_a_document_for_next_month_keeps_its_input(stage: Stage) -> None:
    scheduled = await stage.accept(run_at=now_ms() + 31 * DAY_MS)
    await stage.ship()
    assert await stage.prune(ahead_ms=30 * DAY_MS) == set()
    await stage.lose(scheduled.document_id)
    assert await stage.prune(ahead_ms=30 * DAY_MS) == set(), "Redis was lost: the input is what brings it back"
    assert await stage.has(input_key(scheduled.document_id))


async def test_a_retry_in_the_moment_of_pruning_has_its_input_afterwards(stage: Stage) -> None:
    claim = await stage.start()
    await stage.complete(claim, expires_in_ms=None)
    await stage.ship()
    key, stage.ahead_ms = input_key(claim.job.document_id), WEEK_MS + HOUR_MS
    pruning = stage.pruning()
    found = [finding async for findings in pruning.find() for finding in findings]
    assert [finding.blob.key for finding in found] == [key]
    await stage.queue.retry(claim.job, "again")
    await stage.ship()
    await pruning.remove(found)
    assert await stage.blobs.get(key) == claim.job.model_dump_json().encode()


@LIVE
async def test_what_is_left_of_a_deleted_document_goes_at_once(stage: Stage, live: bool) -> None:
    claim = await stage.start()
    key = await stage.complete(claim)
    await stage.ship()
    await stage.queue.delete(claim.job.document_id)
    await stage.ship()
    left = {key: b"x", input_key(claim.job.document_id): b"y"}
    await stage.blobs.put_many(left)  # whoever deleted it died before it removed these
    if not live:
        await stage.forget(claim.job.document_id)
    assert await stage.prune(ahead_ms=0) == set(left)


async def test_what_nobody_knows_stays_as_long_as_history_is_kept(stage: Stage) -> None:
    lost = new_id()
    orphans = {result_key(lost, 1): b"x", input_key(lost): b"y"}
    await stage.blobs.put_many(orphans)
    await stage.blobs.put("results/somebody-elses/1", b"z")
    retention = Retention.of(inputs_ttl_s=3600, history_months=2)
    assert await stage.prune(ahead_ms=62 * DAY_MS, retention=retention) == set()
    assert await stage.prune(ahead_ms=94 * DAY_MS, retention=retention) == set(orphans)
    assert await stage.has("results/somebody-elses/1"), "its name is no document's"


def much_later() -> int:
    return now_ms() + 900 * DAY_MS


async def test_without_history_nothing_is_removed(stage: Stage) -> None:
    claim = await stage.start()
    key = await stage.complete(claim, expires_in_ms=HOUR_MS)
    await stage.forget(claim.job.document_id)
    away = ClickHouse(f"http://127.0.0.1:{free_port()}/presswork")
    pruning = pruning_over(stage.scripts, away, stage.blobs, Retention(), much_later)
    with pytest.raises(HistoryUnavailable):
        await prune_with(pruning)
    await away.close()
    assert await stage.has(key) and await stage.has(input_key(claim.job.document_id))


async def test_without_redis_nothing_is_removed(stage: Stage) -> None:
    claim = await stage.start()
    key = await stage.complete(claim, expires_in_ms=HOUR_MS)
    away: Redis = connect_redis(f"redis://127.0.0.1:{free_port()}/0", timeout_s=1)
    pruning = pruning_over(Scripts(away), stage.clickhouse, stage.blobs, Retention(), much_later)
    with pytest.raises(QueueUnavailable):
        await prune_with(pruning)
    await away.aclose()
    assert await stage.has(key)


async def test_a_history_that_was_emptied_takes_no_bytes_along(stage: Stage) -> None:
    claim = await stage.start()
    key = await stage.complete(claim, expires_in_ms=HOUR_MS)
    await stage.forget(claim.job.document_id)
    await stage.clickhouse.command("TRUNCATE TABLE documents")
    assert await stage.prune(ahead_ms=300 * DAY_MS) == set()
    assert await stage.has(key)
