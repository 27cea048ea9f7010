"""Template sources and pictures: kept while a template or a document that may be made again needs them."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from backends.blobs import FileBlobStore
from contracts.ids import now_ms
from contracts.jobs import PinnedTemplate
from contracts.templates import TemplateHead, bundle_key
from generator.maintenance.pruning import Pruning
from generator.maintenance.retention import DAY_MS, HOUR_MS, Retention
from tests.integration.conftest import a_template
from tests.integration.history_servers import Server, fresh_database, fresh_prefix
from tests.integration.pruning_stage import WEEK_MS, Stage, prune_with

KNOWN, LEFT = a_template().versions[0].sha256, "cd" * 32


def picture(digest: str) -> str:
    return f"previews/{digest}-en-0123456789abcdef.png"


@pytest.fixture
async def stage(clickhouse_node: Server, redis_node: Server, tmp_path: Path) -> AsyncIterator[Stage]:
    """A known template and a source that no template names, both with a picture."""
    async with fresh_database(clickhouse_node.url) as clickhouse, fresh_prefix(redis_node.url) as scripts:
        stage = Stage(scripts, clickhouse, FileBlobStore(tmp_path / "blobs"))
        await stage.templates.ship(a_template())
        for digest in (KNOWN, LEFT):
            await stage.blobs.put_many({bundle_key(digest): digest.encode(), picture(digest): b"png"})
        yield stage


async def missed(stage: Stage, pruning: Pruning, ahead_ms: int = 2 * DAY_MS) -> set[str]:
    """Prune now and again later with the same pruner: only then it has missed a source for long."""
    stage.ahead_ms = 0
    assert await prune_with(pruning) == set()
    stage.ahead_ms = ahead_ms
    return await prune_with(pruning)


def naming(digest: str) -> TemplateHead:
    version = a_template().versions[0].model_copy(update={"sha256": digest})
    return a_template("again").model_copy(update={"versions": (version,)})


def pinning(digest: str) -> dict[str, object]:
    return {"template": PinnedTemplate(name="gone", version=1, sha256=digest, engine="typst")}


async def test_a_source_that_nothing_needs_goes_with_its_picture_and_the_others_stay(stage: Stage) -> None:
    assert await missed(stage, stage.pruning()) == {bundle_key(LEFT), picture(LEFT)}
    assert await stage.has(bundle_key(KNOWN)) and await stage.has(picture(KNOWN))


async def test_a_source_is_missed_for_a_day_before_it_goes(stage: Stage) -> None:
    pruning = stage.pruning()
    assert bundle_key(LEFT) not in await missed(stage, pruning, ahead_ms=DAY_MS - HOUR_MS)
    await stage.templates.ship(naming(LEFT))  # it is named again: the day begins anew
    stage.ahead_ms = 2 * DAY_MS
    assert await prune_with(pruning) == set()
    await stage.scripts.redis.hdel(f"{stage.scripts.prefix}templates", "/again")
    assert await prune_with(pruning) <= {picture(LEFT)}


async def test_a_young_source_stays(stage: Stage) -> None:
    assert bundle_key(LEFT) not in await missed(stage, stage.pruning(Retention(templates_ms=WEEK_MS)))


async def test_a_source_stays_for_a_document_that_will_be_made_from_it(stage: Stage) -> None:
    await stage.accept(**pinning(LEFT), run_at=now_ms() + 90 * DAY_MS)
    await stage.ship()
    assert bundle_key(LEFT) not in await missed(stage, stage.pruning(), ahead_ms=60 * DAY_MS)


async def test_a_source_stays_as_long_as_a_document_made_from_it_may_be_retried(stage: Stage) -> None:
    claim = await stage.start(**pinning(LEFT))
    await stage.ship()  # history has a row of it under way, too
    await stage.complete(claim, expires_in_ms=None)
    await stage.forget(claim.job.document_id)
    pruning = stage.pruning()
    assert bundle_key(LEFT) not in await missed(stage, pruning, ahead_ms=WEEK_MS)
    assert bundle_key(LEFT) in await missed(stage, pruning, ahead_ms=WEEK_MS + 2 * HOUR_MS)


async def test_a_source_stays_while_history_may_not_know_yet_who_needs_it(stage: Stage) -> None:
    pruning = stage.pruning(Retention(templates_ms=0, missed_ms=0))
    await stage.accept(**pinning(LEFT))  # its event waits
    stage.ahead_ms = HOUR_MS
    assert bundle_key(LEFT) not in await prune_with(pruning)
    await stage.ship()
    stage.ahead_ms = 2 * HOUR_MS
    assert bundle_key(LEFT) not in await prune_with(pruning), "history knows it"


async def test_an_emptied_redis_takes_no_source_along(stage: Stage) -> None:
    await stage.scripts.redis.delete(f"{stage.scripts.prefix}templates")
    assert await missed(stage, stage.pruning(), ahead_ms=60 * DAY_MS) == set()


async def test_a_source_that_a_template_was_made_from_meanwhile_is_put_back(stage: Stage) -> None:
    pruning = stage.pruning()
    await missed(stage, pruning, ahead_ms=0)
    stage.ahead_ms = 2 * DAY_MS
    found = [finding async for findings in pruning.find() for finding in findings]
    await stage.templates.ship(naming(LEFT))
    await pruning.remove(found)
    assert await stage.blobs.get(bundle_key(LEFT)) == LEFT.encode()
