"""Assets and fonts stay while somebody may need them: a user who has used one lately, a document, a sample."""

import os
import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from app.services.assets import AssetService
from app.services.fonts import FontService
from backends.asks import answer_key
from backends.blobs import FileBlobStore
from contracts.assets import asset_key, owner_key, use_key
from contracts.fonts import font_key, font_use_key
from contracts.ids import new_id
from generator.maintenance.retention import DAY_MS, HOUR_MS, Retention
from tests.integration.conftest import a_template
from tests.integration.history_servers import Server, fresh_database, fresh_prefix
from tests.integration.pruning_stage import Stage, prune_with
from tests.unit.test_fonts import a_font

PNG = b"\x89PNG\r\n\x1a\n" + bytes(40)
ANN, BOB = new_id(), new_id()
MONTH_MS = 31 * DAY_MS


@pytest.fixture
async def stage(clickhouse_node: Server, redis_node: Server, tmp_path: Path) -> AsyncIterator[Stage]:
    async with fresh_database(clickhouse_node.url) as clickhouse, fresh_prefix(redis_node.url) as scripts:
        stage = Stage(scripts, clickhouse, FileBlobStore(tmp_path))
        await stage.templates.ship(a_template())
        yield stage


async def uploaded(stage: Stage, content: bytes = PNG) -> str:
    """Let Ann upload an asset; returns its digest."""
    return (await AssetService(stage.blobs).add(ANN, content, "image/png")).removeprefix("sha256:")


async def test_an_asset_goes_a_month_after_its_last_use_and_its_owner_with_it(stage: Stage) -> None:
    digest = await uploaded(stage)
    assert await stage.prune(ahead_ms=29 * DAY_MS) == set()
    assert await stage.prune(ahead_ms=MONTH_MS) == {owner_key(digest, ANN), asset_key(digest)}
    assert not await stage.left([owner_key(digest, ANN), asset_key(digest)])


async def test_how_long_an_asset_is_kept_is_a_setting(stage: Stage) -> None:
    digest = await uploaded(stage)
    assert await stage.prune(ahead_ms=100 * MONTH_MS, retention=Retention.of(60, 13, assets_days=None)) == set()
    gone = await stage.prune(ahead_ms=2 * DAY_MS, retention=Retention.of(60, 13, assets_days=1))
    assert asset_key(digest) in gone


async def test_an_asset_stays_as_long_as_one_of_its_owners_uses_it(stage: Stage) -> None:
    digest = await uploaded(stage)
    stage.ahead_ms = MONTH_MS
    await AssetService(stage.blobs).add(BOB, PNG, "image/png")
    fresh = stage.blobs.path(owner_key(digest, BOB))
    later = time.time() + MONTH_MS / 1000
    os.utime(fresh, (later, later))
    assert await prune_with(stage.pruning()) == {owner_key(digest, ANN)}


async def test_a_document_holds_its_assets_until_it_can_no_longer_be_retried(stage: Stage) -> None:
    digest = await uploaded(stage)
    waiting = await stage.accept()
    await stage.blobs.put(use_key(waiting.document_id, digest), b"")
    assert await stage.prune(ahead_ms=MONTH_MS) == {owner_key(digest, ANN)}
    claim = await stage.claim()
    await stage.fail(claim)
    await stage.ship()
    await stage.forget(claim.job.document_id)
    assert await stage.has(asset_key(digest)) and await stage.has(use_key(claim.job.document_id, digest))
    first = await stage.prune(ahead_ms=8 * DAY_MS)
    assert use_key(claim.job.document_id, digest) in first and asset_key(digest) in first


async def test_a_document_that_is_retried_just_then_gets_its_hold_back(stage: Stage) -> None:
    digest = await uploaded(stage)
    claim = await stage.start()
    await stage.blobs.put(use_key(claim.job.document_id, digest), b"")
    await stage.fail(claim)
    await stage.ship()
    stage.ahead_ms = 8 * DAY_MS
    pruning = stage.pruning()
    found = [finding async for findings in pruning.find() for finding in findings]
    key = use_key(claim.job.document_id, digest)
    assert key in [finding.blob.key for finding in found]
    await stage.queue.retry(claim.job, "again")
    await pruning.remove(found)
    assert await stage.has(key) and await stage.has(asset_key(digest))


async def test_the_sample_of_a_template_holds_its_assets(stage: Stage) -> None:
    digest = await uploaded(stage)
    sample = {"to": {"name": "Ada"}, "logo": {"$asset": f"sha256:{digest}"}}
    await stage.templates.ship(a_template().model_copy(update={"sample": sample}))
    assert await stage.prune(ahead_ms=MONTH_MS) == set()


async def test_an_asset_that_is_uploaded_again_while_it_is_removed_is_put_back(stage: Stage) -> None:
    digest = await uploaded(stage)
    stage.ahead_ms = MONTH_MS
    pruning = stage.pruning(Retention(assets_ms=30 * DAY_MS))
    found = [finding async for findings in pruning.find() for finding in findings]
    stage.ahead_ms = 0  # as if Ann had come back a moment ago
    await uploaded(stage)
    await pruning.remove([finding for finding in found if finding.kind == "assets"])
    assert await stage.blobs.get(asset_key(digest)) == PNG


async def test_a_rendering_that_nobody_fetched_goes_after_an_hour(stage: Stage) -> None:
    key = answer_key(new_id())
    await stage.blobs.put(key, b"%PDF-")
    assert await stage.prune(ahead_ms=HOUR_MS - 60_000) == set()
    assert await stage.prune(ahead_ms=HOUR_MS + 60_000) == {key}


async def test_a_deleted_asset_stays_as_long_as_a_document_may_be_made_from_it(stage: Stage) -> None:
    digest, service = await uploaded(stage), AssetService(stage.blobs)
    waiting = await stage.accept()
    await stage.blobs.put(use_key(waiting.document_id, digest), b"")
    await service.delete(ANN, digest)
    assert await stage.prune(ahead_ms=MONTH_MS) == set()
    await stage.queue.delete(waiting.document_id)
    assert await stage.prune(ahead_ms=MONTH_MS) == {use_key(waiting.document_id, digest), asset_key(digest)}


async def test_a_font_that_its_owners_have_deleted_goes_after_an_hour(stage: Stage) -> None:
    fonts = FontService(stage.blobs)
    digest = (await fonts.add(ANN, a_font(), "private")).sha256
    await fonts.add(BOB, a_font(), "private")
    await fonts.delete(ANN, digest)
    assert await stage.prune(ahead_ms=100 * MONTH_MS) == set()
    await fonts.delete(BOB, digest)
    assert await stage.prune(ahead_ms=HOUR_MS - 60_000) == set()
    assert await stage.prune(ahead_ms=HOUR_MS + 60_000) == {font_key(digest)}


async def test_a_document_holds_its_fonts_until_it_can_no_longer_be_retried(stage: Stage) -> None:
    fonts, waiting = FontService(stage.blobs), await stage.accept()
    digest = (await fonts.add(ANN, a_font(), "private")).sha256
    await stage.blobs.put(font_use_key(waiting.document_id, digest), b"")
    await fonts.delete(ANN, digest)
    assert await stage.prune(ahead_ms=MONTH_MS) == set()
    await stage.queue.delete(waiting.document_id)
    assert await stage.prune(ahead_ms=MONTH_MS) == {font_use_key(waiting.document_id, digest), font_key(digest)}


async def test_a_font_that_is_uploaded_again_while_it_is_removed_is_put_back(stage: Stage) -> None:
    fonts = FontService(stage.blobs)
    digest = (await fonts.add(ANN, a_font(), "private")).sha256
    await fonts.delete(ANN, digest)
    stage.ahead_ms = DAY_MS
    pruning = stage.pruning()
    found = [finding async for findings in pruning.find() for finding in findings]
    assert [finding.blob.key for finding in found] == [font_key(digest)]
    await fonts.add(ANN, a_font(), "private")
    await pruning.remove(found)
    assert await stage.blobs.get(font_key(digest)) == a_font()
