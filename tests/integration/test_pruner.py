"""The pruner as a loop: one process at a time, counted, and no harm where two do it at once."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Collection, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry
from structlog.testing import capture_logs

from backends.blobs import FileBlobStore, StoredBlob
from backends.role_lease import RoleLease
from contracts.errors import HistoryUnavailable
from contracts.jobs import input_key
from generator.main import Generator
from generator.maintenance.pruner import Pruner, PrunerMetrics
from generator.maintenance.pruning import Finding, Pruning
from generator.maintenance.retention import HOUR_MS, Reason
from generator.settings import GeneratorSettings
from tests.conftest import WaitUntil
from tests.integration.history_servers import Server, fresh_database, fresh_prefix
from tests.integration.pruning_stage import WEEK_MS, Stage


@pytest.fixture
async def stage(clickhouse_node: Server, redis_node: Server, tmp_path: Path) -> AsyncIterator[Stage]:
    async with fresh_database(clickhouse_node.url) as clickhouse, fresh_prefix(redis_node.url) as scripts:
        yield Stage(scripts, clickhouse, FileBlobStore(tmp_path / "blobs"))


async def leftovers(stage: Stage, count: int = 3) -> list[str]:
    """Complete documents whose results and inputs have expired by the pruner's clock; returns the blobs' keys."""
    keys = []
    for _ in range(count):
        claim = await stage.start()
        keys += [await stage.complete(claim, expires_in_ms=HOUR_MS), input_key(claim.job.document_id)]
    await stage.ship()
    stage.ahead_ms = WEEK_MS + HOUR_MS
    return keys


@asynccontextmanager
async def running(*pruners: Pruner) -> AsyncIterator[None]:
    tasks = [asyncio.create_task(pruner.run()) for pruner in pruners]
    yield
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


async def test_a_running_pruner_removes_counts_and_tells_once(stage: Stage, wait_until: WaitUntil) -> None:
    keys, registry = await leftovers(stage), CollectorRegistry()
    lease = RoleLease(stage.scripts.redis, stage.scripts.prefix, role="pruner", holder="one")
    pruner = Pruner(stage.pruning(), lease, PrunerMetrics(registry), every_s=0.02, rest_factor=0)
    with capture_logs() as logs:
        async with running(pruner):

            async def counted() -> bool:
                return registry.get_sample_value("presswork_pruner_swept_timestamp_seconds", {}) != 0

            await wait_until(counted, "a sweep ends")
    assert await stage.left(keys) == []
    for kind in ("results", "inputs"):
        labels = {"kind": kind, "reason": "expired"}
        assert registry.get_sample_value("presswork_pruned_blobs_total", labels) == 3, kind
    assert registry.get_sample_value("presswork_pruned_bytes_total", {"kind": "results"}) == 3 * len(b"%PDF-")
    (line,) = [line for line in logs if line["event"] == "pruner.swept"]
    assert (line["results"], line["inputs"], line["bytes"] > 0) == (3, 3, True)


class Scripted(Pruning):
    """Finds what the test says, step by step."""

    def __init__(self, *steps: list[Finding] | Exception, unfinished: Sequence[int] = ()) -> None:
        self.steps = steps
        self.unfinished = unfinished
        self.removed: list[Finding] = []

    async def find(self) -> AsyncGenerator[list[Finding]]:
        for step in self.steps:
            if isinstance(step, Exception):
                raise step
            yield step

    async def remove(self, findings: Collection[Finding]) -> None:
        self.removed += findings

    async def remove_unfinished(self) -> AsyncIterator[int]:
        for count in self.unfinished:
            yield count


A = Finding(StoredBlob("results/a/1", 10, 0), Reason.EXPIRED)
B = Finding(StoredBlob("inputs/b", 7, 0), Reason.DELETED)


class Insistent(RoleLease):
    """Counts how often it was asked for."""

    asked = 0

    async def acquire(self) -> bool:
        self.asked += 1
        return await super().acquire()


async def test_of_two_pruners_one_works_and_the_other_takes_over(stage: Stage, wait_until: WaitUntil) -> None:
    first = RoleLease(stage.scripts.redis, stage.scripts.prefix, role="pruner", holder="first")
    second = Insistent(stage.scripts.redis, stage.scripts.prefix, role="pruner", holder="second", ttl_ms=300)
    assert await first.acquire()
    pruning = Scripted([A])

    async def has_asked() -> bool:
        return second.asked >= 3

    async def has_pruned() -> bool:
        return A in pruning.removed

    async with running(Pruner(pruning, second, PrunerMetrics(CollectorRegistry()), every_s=0.02)):
        await wait_until(has_asked, "the second asks for the role")
        assert pruning.removed == []
        await first.release()
        await wait_until(has_pruned, "the second takes over")


async def test_two_that_prune_at_once_end_as_one_does(stage: Stage) -> None:
    """A holder that was paused wakes up late: two sweeps of the same blobs."""
    keys = await leftovers(stage, 20)
    kept = await stage.start()
    recorded = await stage.complete(kept, expires_in_ms=None)
    first, second = stage.pruning(), stage.pruning()
    found = [[finding async for findings in pruning.find() for finding in findings] for pruning in (first, second)]
    await asyncio.gather(first.remove(found[0]), second.remove(found[1]))
    assert await stage.left([*keys, recorded]) == [recorded]


async def swept(stage: Stage, pruning: Scripted) -> tuple[dict[str, int], list[str]]:
    lease = RoleLease(stage.scripts.redis, stage.scripts.prefix, role="pruner", holder="me")
    await lease.acquire()
    with capture_logs() as logs:
        removed = await Pruner(pruning, lease, PrunerMetrics(CollectorRegistry()), rest_factor=0).sweep()
    return dict(removed), [str(line["event"]) for line in logs]


async def test_a_sweep_that_removed_nothing_is_silent(stage: Stage) -> None:
    assert (await swept(stage, Scripted([], [])))[1] == []


async def test_half_written_files_count_as_removed(stage: Stage) -> None:
    removed, logs = await swept(stage, Scripted([A], [B], unfinished=(0, 2)))
    assert removed == {"results": 1, "inputs": 1, "unfinished": 2, "bytes": 17}
    assert logs == ["pruner.swept"]


async def test_a_sweep_stops_when_the_lease_is_lost(stage: Stage) -> None:
    lease = RoleLease(stage.scripts.redis, stage.scripts.prefix, role="pruner", holder="me")
    await lease.acquire()

    class Losing(Scripted):
        async def remove(self, findings: Collection[Finding]) -> None:
            await super().remove(findings)
            await lease.release()

    pruning, registry = Losing([A], [B]), CollectorRegistry()
    await Pruner(pruning, lease, PrunerMetrics(registry), rest_factor=0).sweep()
    assert pruning.removed == [A]
    assert registry.get_sample_value("presswork_pruner_swept_timestamp_seconds") == 0


async def test_the_search_for_half_written_files_rests_and_stops_with_the_lease_like_the_rest(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    lease = RoleLease(stage.scripts.redis, stage.scripts.prefix, role="pruner", holder="me")
    await lease.acquire()
    rests = list[float]()

    async def rest(seconds: float) -> None:
        rests.append(seconds)
        if len(rests) == 3:
            await lease.release()

    monkeypatch.setattr(asyncio, "sleep", rest)
    registry = CollectorRegistry()
    pruning = Scripted([A], unfinished=(1, 1, 1, 1))
    removed = await Pruner(pruning, lease, PrunerMetrics(registry), rest_factor=1).sweep()
    assert (removed["unfinished"], len(rests)) == (2, 3)
    labels = {"kind": "unfinished", "reason": "unfinished"}
    assert registry.get_sample_value("presswork_pruned_blobs_total", labels) == 2
    assert registry.get_sample_value("presswork_pruner_swept_timestamp_seconds") == 0


@pytest.mark.parametrize("error", [HistoryUnavailable(), RuntimeError("a bug")])
async def test_a_sweep_that_fails_is_begun_again(stage: Stage, error: Exception, wait_until: WaitUntil) -> None:
    class Mending(Scripted):
        async def find(self) -> AsyncGenerator[list[Finding]]:
            steps, self.steps = self.steps, ([B],)
            for step in steps:
                if isinstance(step, Exception):
                    raise step
                yield step

    pruning = Mending([A], error)

    async def both() -> bool:
        return pruning.removed[:2] == [A, B]

    async with running(stage.pruner(pruning)):
        await wait_until(both, "the pruner goes on")


@pytest.mark.parametrize(("roles", "prunes"), [("maintain", True), ("render,deliver,ship,admin", False)])
async def test_generators_of_the_role_maintain_prune(stage: Stage, roles: str, prunes: bool) -> None:
    values = {"redis_url": "redis://127.0.0.1", "clickhouse_url": "http://127.0.0.1", "secret_key": "x" * 32}
    generator = Generator(GeneratorSettings.model_validate({**values, "blob_dir": stage.blobs.root, "roles": roles}))
    assert ("pruner" in generator.loops()) == prunes
    await generator.close()
