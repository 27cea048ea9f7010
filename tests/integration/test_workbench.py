"""The workbench with real render processes: renders and checks on the spot, and what becomes of them when one dies."""

import asyncio
import base64
import io
import os
import signal
import subprocess
import sys
import zipfile
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import cast

import psutil
import pytest
from prometheus_client import CollectorRegistry
from redis.asyncio import Redis

from backends.asks import AskLimits, Asks
from backends.blobs import FileBlobStore
from backends.changes import Changes
from backends.scripts import Scripts
from backends.workbench import Workbench
from contracts.assets import asset_key
from contracts.errors import BlobUnavailable, DocumentFailed, NoGenerator
from contracts.ids import new_id
from contracts.jobs import GenerationJob, InlineSource, JobOptions
from contracts.templates import TemplateBundle, TemplateManifest, TemplateSource
from generator.guests import GuestPool
from generator.renderers.port import Rendered, RenderRequest
from generator.sandbox import RenderPool, SandboxLimits
from generator.workbench import AskMetrics, WorkbenchServer
from tests.integration.history_servers import Server
from tests.integration.queue_steps import BOB, a_job
from tests.unit.docx_files import paragraphs

GENERATOR = """
import asyncio, sys
from pathlib import Path
from prometheus_client import CollectorRegistry
from backends.asks import Asks
from backends.blobs import FileBlobStore
from backends.redis import connect_redis
from backends.scripts import Scripts
from generator.guests import GuestPool
from generator.renderers.port import Rendered, RenderRequest
from generator.sandbox import RenderPool, SandboxLimits
from generator.workbench import AskMetrics, WorkbenchServer

async def main():
    pool = RenderPool(SandboxLimits(workers=1, spare=0))
    await pool.start()
    asks, blobs = Asks(Scripts(connect_redis(sys.argv[1]))), FileBlobStore(Path(sys.argv[2]))
    print("ready", flush=True)
    server = WorkbenchServer(asks, GuestPool(pool), blobs, AskMetrics(CollectorRegistry()))
    await server.run(asyncio.Event(), asyncio.Event())

asyncio.run(main())
"""


@dataclass
class Stage:
    bench: Workbench
    asks: Asks
    blobs: FileBlobStore
    pool: RenderPool
    stop: asyncio.Event
    serving: asyncio.Task[None] | None = None

    async def open(self, patience_s: float = 60) -> None:
        """Let a generator serve."""
        await self.pool.start()
        server = WorkbenchServer(
            self.asks,
            GuestPool(self.pool),
            self.blobs,
            AskMetrics(CollectorRegistry()),
            drain_s=5,
            patience_s=patience_s,
        )
        self.serving = asyncio.create_task(server.run(self.stop, asyncio.Event()))

    async def bundle(self, *sources: tuple[str, str, bytes]) -> str:
        """Store a template of (engine, file, content); returns its digest."""
        manifest = TemplateManifest(
            sources=tuple(
                TemplateSource(engine=engine, file=file, formats=("docx",) if engine == "docx" else ("pdf", "svg"))
                for engine, file, _ in sources
            )
        )
        made = TemplateBundle(manifest, {file: content for _, file, content in sources})
        await self.blobs.put(f"templates/{made.sha256}", made.pack())
        return made.sha256


@pytest.fixture
async def stage(scripts: Scripts, tmp_path: Path) -> AsyncIterator[Stage]:
    changes = Changes(scripts.redis, scripts.prefix)
    listening = asyncio.create_task(changes.run())
    blobs, asks = FileBlobStore(tmp_path), Asks(scripts, AskLimits(wait_ms=3_000))
    pool = RenderPool(SandboxLimits(workers=1, spare=0))
    stage = Stage(Workbench(asks, blobs, changes), asks, blobs, pool, asyncio.Event())
    yield stage
    stage.stop.set()
    if stage.serving:
        await asyncio.wait_for(stage.serving, 10)
    await pool.close()
    listening.cancel()
    await asyncio.gather(listening, return_exceptions=True)
    await changes.close()


def inline(content: str, data: dict[str, object] | None = None, **options: object) -> GenerationJob:
    source = InlineSource(engine="typst", content=content, encoding="utf-8", sha256="ab" * 32)
    return a_job(source=source, data=data or {}, options=JobOptions.model_validate(options))


async def test_a_job_is_rendered_and_nothing_of_it_is_kept(stage: Stage, redis: Redis, tmp_path: Path) -> None:
    await stage.open()
    rendering, content = await stage.bench.render(inline('= Hello #json("data.json").name', {"name": "Ada"}))
    assert content.startswith(b"%PDF-") and (rendering.content_type, rendering.pages) == ("application/pdf", 1)
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []
    assert [key async for key in redis.scan_iter(match="{pw}:*[!e]:ask")] == []


async def test_a_word_document_that_comes_with_the_request_is_rendered(stage: Stage) -> None:
    await stage.open()
    content = base64.b64encode(paragraphs("Dear {{ name }}")).decode()
    source = InlineSource(engine="docx", content=content, encoding="base64", sha256="ab" * 32)
    job = a_job(source=source, data={"name": "Ada & Co"}, format="docx")
    made = (await stage.bench.render(job))[1]
    with zipfile.ZipFile(io.BytesIO(made)) as archive:
        assert b"Dear Ada &amp; Co" in archive.read("word/document.xml")


async def test_an_error_is_the_documents_with_its_place(stage: Stage) -> None:
    await stage.open()
    with pytest.raises(DocumentFailed) as failure:
        await stage.bench.render(inline("= Hi\n#totl"))
    assert (failure.value.error.code, failure.value.error.line) == ("template_error", 2)


async def test_a_render_that_does_not_end_makes_room_for_another_user(stage: Stage) -> None:
    await stage.open(patience_s=0.5)
    endless = inline("#for i in range(100000) { for j in range(100000) { let x = calc.rem(i * j, 7) } }", timeout_s=30)
    running = asyncio.create_task(stage.bench.render(endless))
    await asyncio.sleep(2)
    assert not running.done(), "nobody else waits"
    _, content = await stage.bench.render(inline("= Hello").model_copy(update={"user_id": BOB}))
    assert content.startswith(b"%PDF-")
    with pytest.raises(NoGenerator, match="ask again"):
        await running


async def test_a_render_that_takes_too_long_is_ended(stage: Stage) -> None:
    await stage.open()
    with pytest.raises(DocumentFailed) as failure:
        await stage.bench.render(inline("#lorem(30000000)", timeout_s=0.5))
    assert failure.value.error.code in ("render_timeout", "memory_limit")


async def test_a_template_is_checked_with_its_sample_in_every_format(stage: Stage) -> None:
    await stage.open()
    sha256 = await stage.bundle(("typst", "main.typ", b'= #json("data.json").name'))
    assert (await stage.bench.check("letter", sha256, {"name": "Ada"})).warnings == ()
    verdict = await stage.bench.check("letter", sha256, None)
    assert verdict.warnings == () and "name" in (verdict.example or {})
    with pytest.raises(DocumentFailed) as failure:
        await stage.bench.check("letter", sha256, {"nme": "Ada"})
    error = failure.value.error
    assert (error.code, error.template, error.data_path, error.line) == ("data_missing", "letter", "name", 1)


async def test_a_source_that_does_not_compile_is_refused_whatever_the_format(stage: Stage) -> None:
    await stage.open()
    sha256 = await stage.bundle(("typst", "main.typ", b"= Fine"), ("docx", "main.docx", b"no zip"))
    with pytest.raises(DocumentFailed) as failure:
        await stage.bench.check("letter", sha256, None)
    assert (failure.value.error.code, failure.value.error.template) == ("template_error", "letter")


async def test_a_template_that_is_not_stored_and_an_asset_that_is_gone_are_told(stage: Stage) -> None:
    await stage.open()
    with pytest.raises(DocumentFailed) as failure:
        await stage.bench.check("letter", "cd" * 32, None)
    assert failure.value.error.code == "input_lost"
    with pytest.raises(DocumentFailed, match="asset"):
        await stage.bench.render(inline("= Hi", {"logo": {"$asset": f"sha256:{'cd' * 32}"}}))


async def test_assets_come_along(stage: Stage) -> None:
    await stage.open()
    await stage.blobs.put(asset_key("cd" * 32), b"<svg/>")
    _, content = await stage.bench.render(inline("= Hi", {"logo": {"$asset": f"sha256:{'cd' * 32}"}}))
    assert content.startswith(b"%PDF-")


async def test_a_render_process_that_is_killed_is_told_and_the_next_ask_is_served(stage: Stage) -> None:
    await stage.open()
    rendering = asyncio.create_task(stage.bench.render(inline("= Hi", simulate={"seconds": 20})))
    async with asyncio.timeout(10):
        while not any(child.busy for child in stage.pool.children):
            await asyncio.sleep(0.02)
    os.kill(stage.pool.children[0].pid, signal.SIGKILL)
    with pytest.raises(DocumentFailed) as failure:
        await rendering
    assert failure.value.error.code == "render_crashed" and failure.value.error.retryable
    assert (await stage.bench.render(inline("= Next")))[0].pages == 1


async def test_who_hangs_up_in_the_middle_frees_the_process(stage: Stage) -> None:
    await stage.open()
    rendering = asyncio.create_task(stage.bench.render(inline("= Hi", simulate={"seconds": 25})))
    async with asyncio.timeout(10):
        while not any(child.busy for child in stage.pool.children):
            await asyncio.sleep(0.02)
    rendering.cancel()
    async with asyncio.timeout(10):
        assert (await stage.bench.render(inline("= Next")))[0].pages == 1


async def test_a_generator_that_stops_finishes_what_it_has_begun(stage: Stage) -> None:
    await stage.open()
    rendering = asyncio.create_task(stage.bench.render(inline("= Hi", simulate={"seconds": 1})))
    async with asyncio.timeout(10):
        while not any(child.busy for child in stage.pool.children):
            await asyncio.sleep(0.02)
    stage.stop.set()
    assert (await rendering)[0].pages == 1
    with pytest.raises(NoGenerator):
        await stage.bench.render(inline("= Too late"))


@contextmanager
def generator(redis_url: str, blobs: Path) -> Iterator[subprocess.Popen[str]]:
    """Run a generator's workbench as a process of its own."""
    command = [sys.executable, "-c", GENERATOR, redis_url, str(blobs)]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}
    with subprocess.Popen(command, stdout=subprocess.PIPE, env=environment, text=True) as process:
        try:
            assert process.stdout and any(line == "ready\n" for line in process.stdout)
            yield process
        finally:
            process.kill()


async def test_kill_9_of_a_generator_in_the_middle_is_a_503_and_the_next_one_serves(
    stage: Stage, redis_node: Server, redis: Redis, tmp_path: Path
) -> None:
    with generator(redis_node.url, tmp_path) as process:
        rendering = asyncio.create_task(stage.bench.render(inline("= Hi", simulate={"seconds": 25})))
        (child,) = psutil.Process(process.pid).children()
        async with asyncio.timeout(10):
            while not [key async for key in redis.scan_iter(match="*ask_held*")]:
                await asyncio.sleep(0.02)
        process.kill()
        async with asyncio.timeout(10):
            with pytest.raises(NoGenerator, match="lost while it worked"):
                await rendering
    psutil.wait_procs([child], timeout=5)
    assert not child.is_running(), "a render process dies with its generator"
    await stage.open()
    assert (await stage.bench.render(inline("= Next")))[0].pages == 1


@dataclass
class SlowPool:
    """Four render processes that render until they are let go. `begun`: for whom."""

    size: int = 4
    begun: list[str] = field(default_factory=list)
    go: asyncio.Event = field(default_factory=asyncio.Event)

    async def render(self, request: RenderRequest, timeout_s: float) -> Rendered:
        self.begun.append(request.locale or "")
        await self.go.wait()
        return Rendered(b"%PDF-", 1)


async def test_one_user_takes_neither_all_processes_nor_all_turns(stage: Stage) -> None:
    pool, stop = SlowPool(), asyncio.Event()
    metrics = AskMetrics(CollectorRegistry())
    server = WorkbenchServer(stage.asks, GuestPool(cast(RenderPool, pool)), stage.blobs, metrics, drain_s=0)
    serving = asyncio.create_task(server.run(stop, asyncio.Event()))
    greedy, modest = new_id(), new_id()
    jobs = [inline("= Hi").model_copy(update={"user_id": greedy, "locale": "greedy"})] * 5
    asked = [asyncio.create_task(stage.bench.render(job)) for job in jobs]
    async with asyncio.timeout(5):
        while not pool.begun:
            await asyncio.sleep(0.01)
    job = inline("= Hi").model_copy(update={"user_id": modest, "locale": "modest"})
    asked.append(asyncio.create_task(stage.bench.render(job)))
    async with asyncio.timeout(5):
        while len(pool.begun) < 2:
            await asyncio.sleep(0.01)
    assert pool.begun == ["greedy", "modest"], "two of four processes, one for each"
    pool.go.set()
    made = await asyncio.gather(*asked)
    assert len(made) == 6 and pool.begun.count("greedy") == 5
    stop.set()
    await serving


async def test_a_blob_store_that_is_away_is_a_503(stage: Stage) -> None:
    pool, stop = SlowPool(), asyncio.Event()
    pool.go.set()

    class Away(FileBlobStore):
        async def put(self, key: str, content: bytes) -> None:
            raise BlobUnavailable()

    server = WorkbenchServer(
        stage.asks,
        GuestPool(cast(RenderPool, pool)),
        Away(stage.blobs.root),
        AskMetrics(CollectorRegistry()),
        drain_s=0,
    )
    serving = asyncio.create_task(server.run(stop, asyncio.Event()))
    with pytest.raises(BlobUnavailable):
        await stage.bench.render(inline("= Hi"))
    stop.set()
    await serving
