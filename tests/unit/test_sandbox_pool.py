"""The pool: whatever a document does, it fails alone, with the right code, and the next one renders."""

import asyncio
import contextlib
import json
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest

from contracts.errors import DocumentError, DocumentFailed, ProcessKilled
from contracts.jobs import Simulate
from contracts.templates import TemplateBundle, TemplateManifest
from generator.core import RenderRequest
from generator.renderers.registry import FONTS
from generator.sandbox import RenderPool, SandboxLimits, SandboxUnavailable, answers
from generator.sandbox.scratch import Scratch
from generator.sandbox.verdicts import verdict
from tests.unit.test_typst_fonts_and_standards import renamed

MIB = 1024 * 1024


def typst(source: str, data: str = "{}", **options: Any) -> RenderRequest:
    return RenderRequest(TemplateBundle.of_file("typst", source.encode()), data.encode(), "pdf", **options)


async def wait_until(condition: Callable[[], bool], seconds: float = 20) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not come true in time"
        await asyncio.sleep(0.02)


async def failure_of(pool: RenderPool, request: RenderRequest, timeout_s: float = 20) -> DocumentError:
    with pytest.raises(DocumentFailed) as failure:
        await pool.render(request, timeout_s)
    return failure.value.error


@pytest.fixture
async def pool() -> AsyncIterator[RenderPool]:
    made = RenderPool(SandboxLimits(workers=1, spare=0))
    await made.start()
    yield made
    assert (await made.render(typst("The next one renders."))).pages == 1
    await made.close()


async def test_fonts_that_come_beside_a_source_are_sent_once_and_are_no_neighbours(pool: RenderPool) -> None:
    fonts = TemplateBundle(TemplateManifest(sources=()), {"brand.otf": renamed("Wnter")})
    for text in ("One", "Two"):
        rendered = await pool.render(typst(f'#set text(font: "Wnter")\n{text}', fonts=fonts))
        assert b"Wnter" in rendered.content and rendered.warnings == ()
    (child,) = pool._children
    assert list(child._bundles).count(fonts.sha256) == 1 and len(child._bundles) == 3
    assert (await pool.render(typst('#set text(font: "Wnter")\nThree'))).warnings


async def test_documents_are_rendered_and_processes_stay(pool: RenderPool) -> None:
    assert (await pool.render(typst("Hello"))).content.startswith(b"%PDF")
    [before] = pool.children
    assert (await pool.render(typst('#json("data.json").x', '{"x": "y"}'))).pages == 1
    [after] = pool.children
    assert (after.pid, after.renders, after.busy) == (before.pid, 2, False)
    assert pool.confined and pool.size == 1 and after.rss_bytes > MIB


async def test_a_template_error_is_the_documents_alone(pool: RenderPool) -> None:
    [before] = pool.children
    error = await failure_of(pool, typst("#nothing", template="letter", version=2))
    assert (error.code, error.line, error.template, error.version) == ("template_error", 1, "letter", 2)
    assert [child.pid for child in pool.children] == [before.pid]


async def test_a_render_that_takes_too_long_is_killed(pool: RenderPool) -> None:
    [before] = pool.children
    error = await failure_of(pool, typst("#for i in range(100000) { for j in range(100000) {} }"), 0.4)
    assert (error.code, error.retryable) == ("render_timeout", False)
    await wait_until(lambda: [child.pid for child in pool.children] not in ([], [before.pid]))


async def test_a_render_that_needs_too_much_memory_is_told_so() -> None:
    pool = RenderPool(SandboxLimits(workers=1, spare=0, memory_bytes=256 * MIB))
    await pool.start()
    try:
        assert (await failure_of(pool, typst('#("a" * 4000000000)'))).code == "memory_limit"
        assert (await failure_of(pool, typst("#range(10000000).map(x => str(x) * 100)"))).code == "memory_limit"
        assert (await pool.render(typst("fine"))).pages == 1
    finally:
        await pool.close()


async def test_a_document_is_not_blamed_for_memory_that_others_used(pool: RenderPool) -> None:
    """A full process answers memory_limit for an innocent document: it gets a second try in a fresh one."""
    await pool.render(typst("used"))
    [child] = pool._children

    async def full(request: RenderRequest, timeout_s: float) -> object:
        child.usable = False
        raise DocumentFailed(DocumentError(code="memory_limit", message="full"))

    child.render = full  # type: ignore[method-assign, assignment]
    assert (await pool.render(typst("innocent"))).pages == 1
    assert child not in pool._children


async def test_a_stack_overflow_fails_only_its_document(pool: RenderPool) -> None:
    error = await failure_of(pool, typst("#let x = [a]\n#for i in range(100000) { x = box(x) }\n#x"))
    assert (error.code, error.retryable) == ("render_crashed", False)


async def test_a_killed_child_fails_only_its_document_and_may_be_retried(pool: RenderPool) -> None:
    rendering = asyncio.create_task(pool.render(typst("slow", simulate=Simulate(seconds=60)), 60))
    await wait_until(lambda: any(child.busy for child in pool.children))
    os.kill(pool.children[0].pid, signal.SIGKILL)
    with pytest.raises(ProcessKilled) as killed:
        await rendering
    assert (killed.value.error.code, killed.value.error.retryable) == ("render_crashed", True)


async def test_a_cancelled_render_frees_its_process(pool: RenderPool) -> None:
    [before] = pool.children
    rendering = asyncio.create_task(pool.render(typst("slow", simulate=Simulate(seconds=60)), 60))
    await wait_until(lambda: any(child.busy for child in pool.children))
    rendering.cancel()
    with pytest.raises(asyncio.CancelledError):
        await rendering
    await wait_until(lambda: [child.pid for child in pool.children] not in ([], [before.pid]))


async def test_an_idle_child_that_dies_is_replaced_without_failing_a_document(pool: RenderPool) -> None:
    [before] = pool.children
    os.kill(before.pid, signal.SIGKILL)
    await wait_until(lambda: [child.pid for child in pool.children] not in ([], [before.pid]))
    assert (await pool.render(typst("fine"))).pages == 1


async def test_simulated_seconds_and_pages_are_kept(pool: RenderPool) -> None:
    began = time.monotonic()
    rendered = await pool.render(typst("x", simulate=Simulate(seconds=0.3, pages=4)))
    assert rendered.pages == 4
    assert time.monotonic() - began >= 0.3


async def test_warnings_come_back(pool: RenderPool) -> None:
    rendered = await pool.render(typst('#set text(font: "No Such Font")\nx'))
    assert [warning.code for warning in rendered.warnings] == ["template_warning"]


async def test_a_document_larger_than_the_limit_is_refused() -> None:
    pool = RenderPool(SandboxLimits(workers=1, spare=0, output_bytes=20_000))
    await pool.start()
    try:
        error = await failure_of(pool, typst("#for i in range(200) [#lorem(300)]"))
        assert error.code == "output_too_large" and "20000" in error.message
        assert (await pool.render(typst("small"))).pages == 1
    finally:
        await pool.close()


async def test_a_process_is_replaced_after_its_share_of_documents() -> None:
    pool = RenderPool(SandboxLimits(workers=1, spare=0, renders=2))
    await pool.start()
    try:
        pids = set()
        for _ in range(4):
            await wait_until(lambda: bool(pool.children))
            pids.add(pool.children[0].pid)
            await pool.render(typst("x"))
        assert len(pids) == 2
    finally:
        await pool.close()


async def test_a_hot_process_is_cooled_or_replaced() -> None:
    pool = RenderPool(SandboxLimits(workers=1, spare=0, cool_rss_bytes=MIB))
    await pool.start()
    try:
        [before] = pool.children
        await pool.render(typst("x"))
        await wait_until(lambda: [child.pid for child in pool.children] not in ([], [before.pid]))
    finally:
        await pool.close()


async def test_bundles_are_sent_once_and_forgotten_in_order() -> None:
    pool = RenderPool(SandboxLimits(workers=1, spare=0, bundle_bytes=3_000))
    await pool.start()
    try:
        first, second = typst("first" + " " * 1_000), typst("second" + " " * 1_000)
        for request in (first, second, first, typst("third" + " " * 1_000), second, first):
            assert (await pool.render(request)).pages == 1
        [child] = pool._children
        assert list(child._bundles) == [second.bundle.sha256, first.bundle.sha256]
    finally:
        await pool.close()


async def test_documents_beyond_the_workers_wait_their_turn() -> None:
    pool = RenderPool(SandboxLimits(workers=2, spare=1))
    await pool.start()
    try:
        rendered = await asyncio.gather(*(pool.render(typst(f"Document {number}")) for number in range(12)))
        assert all(document.pages == 1 for document in rendered)
        assert sum(child.renders for child in pool.children) == 12 and len(pool.children) == 3
    finally:
        await pool.close()


async def test_children_have_none_of_our_environment(pool: RenderPool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PRESSWORK_SECRET_KEY", "canary")
    made = RenderPool(SandboxLimits(workers=1, spare=0))
    await made.start()
    try:
        environment = Path(f"/proc/{made.children[0].pid}/environ").read_bytes()
        assert b"canary" not in environment and b"PRESSWORK" not in environment and b"PATH" not in environment
    finally:
        await made.close()


async def test_closing_leaves_no_process_and_no_files() -> None:
    pool = RenderPool(SandboxLimits(workers=1, spare=1))
    await pool.start()
    assert pool._scratch is not None
    pids, scratch = [child.pid for child in pool.children], pool._scratch.path
    await pool.close()
    await pool.close()
    assert not scratch.exists()
    assert [pid for pid in pids if Path(f"/proc/{pid}").exists()] == []


def test_folders_of_killed_pools_are_swept_and_those_of_living_ones_kept(tmp_path: Path) -> None:
    code = (
        "import os, pathlib, sys; from generator.sandbox.scratch import Scratch\n"
        "Scratch.make(pathlib.Path(sys.argv[1])); os._exit(9)"
    )
    subprocess.run([sys.executable, "-c", code, str(tmp_path)], check=False, timeout=30)
    [left] = tmp_path.iterdir()
    living = Scratch.make(tmp_path)
    other = Scratch.make(tmp_path)
    assert set(tmp_path.iterdir()) == {living.path, other.path} and left not in tmp_path.iterdir()
    living.remove()
    other.remove()
    assert list(tmp_path.iterdir()) == []


async def test_closing_fails_what_waits_and_what_runs_so_that_others_may_do_it() -> None:
    pool = RenderPool(SandboxLimits(workers=1, spare=0))
    await pool.start()
    slow = typst("slow", simulate=Simulate(seconds=60))
    renders = [asyncio.create_task(failure_of(pool, slow, 60)) for _ in range(3)]
    await wait_until(lambda: any(child.busy for child in pool.children))
    await pool.close()
    assert {(error.code, error.retryable) for error in await asyncio.gather(*renders)} == {("render_crashed", True)}


async def test_children_die_with_their_parent() -> None:
    code = (
        "import asyncio, os, sys\n"
        "from generator.sandbox import RenderPool, SandboxLimits\n"
        "async def main():\n"
        "    pool = RenderPool(SandboxLimits(workers=1, spare=0))\n"
        "    await pool.start()\n"
        "    print('pid', pool.children[0].pid, flush=True)\n"
        "    await asyncio.sleep(60)\n"
        "asyncio.run(main())\n"
    )
    parent = await asyncio.create_subprocess_exec(sys.executable, "-c", code, stdout=asyncio.subprocess.PIPE)
    assert parent.stdout is not None
    child = 0
    while not child:
        word, _, rest = (await parent.stdout.readline()).decode().partition(" ")
        child = int(rest) if word == "pid" else 0
    parent.kill()
    await parent.wait()
    await wait_until(lambda: not _alive(child))


def _alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


async def test_without_confinement_only_trusted_templates_are_rendered() -> None:
    pool = RenderPool(SandboxLimits(workers=1, spare=0, mode="unsafe"))
    await pool.start()
    try:
        assert not pool.confined
        error = await failure_of(pool, typst("mine"))
        assert error.code == "template_error" and "PRESSWORK_SANDBOX" in (error.hint or "")
        assert (await pool.render(typst("ours", trusted=True))).pages == 1
    finally:
        await pool.close()


async def test_without_confinement_an_operator_may_allow_all() -> None:
    pool = RenderPool(SandboxLimits(workers=1, spare=0, mode="unsafe", untrusted_unconfined=True))
    await pool.start()
    try:
        assert (await pool.render(typst("mine"))).pages == 1
    finally:
        await pool.close()


async def test_a_pool_that_cannot_start_says_why(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "executable", "/bin/false")
    pool = RenderPool(SandboxLimits(workers=1, spare=0))
    with pytest.raises(SandboxUnavailable, match="PRESSWORK_SANDBOX=unsafe"):
        await pool.start()


async def test_an_answer_that_makes_no_sense_is_not_trusted(pool: RenderPool) -> None:
    [child] = pool._children
    for header in ({"kind": "rendered"}, {"kind": "failed", "error": 7}):
        with pytest.raises(DocumentFailed) as failure:
            child._meant(answers.rendered, (header, b""))  # type: ignore[arg-type]
        assert failure.value.error.code == "render_crashed"
    assert not child.usable
    pool._replace(child)


async def test_binary_files_of_a_bundle_are_there_in_the_sandbox(pool: RenderPool) -> None:
    for number in range(1, 20):  # more than are kept on disk
        bundle = TemplateBundle.of_file("typst", b'#assert.eq(read("a/b.bin", encoding: none).len(), %d)' % number)
        both = TemplateBundle(bundle.manifest, {**bundle.files, "a/b.bin": b"\xff" * number})
        assert (await pool.render(RenderRequest(both, b"{}", "pdf"))).pages == 1


async def test_docx_renders_in_the_sandbox_too(pool: RenderPool) -> None:
    source = (Path(__file__).parents[2] / "generator_service/templates/invoice/invoice.docx").read_bytes()
    data = {"number": "7", "date": "2026-03-01", "items": [], "seller": {"name": "A"}, "buyer": {"name": "B"}}
    bundle = TemplateBundle.of_file("docx", source)
    rendered = await pool.render(RenderRequest(bundle, json.dumps(data).encode(), "docx"))
    assert rendered.content.startswith(b"PK") and rendered.pages is None


@pytest.mark.parametrize(
    ("returncode", "stderr", "code", "retryable"),
    [
        (-signal.SIGABRT, "memory allocation of 64 bytes failed", "memory_limit", False),
        (-signal.SIGABRT, "thread panicked", "render_crashed", False),
        (-signal.SIGSEGV, "", "render_crashed", False),
        (-signal.SIGXCPU, "", "render_timeout", False),
        (-signal.SIGKILL, "", "render_crashed", True),
        (-signal.SIGTERM, "", "render_crashed", True),
        (1, "MemoryError", "memory_limit", False),
        (3, "", "render_crashed", False),
    ],
)
def test_a_death_is_judged_by_its_signal_and_last_words(
    returncode: int, stderr: str, code: str, retryable: bool
) -> None:
    error = verdict(returncode, stderr).error
    assert (error.code, error.retryable) == (code, retryable)


async def test_a_pool_that_is_closed_from_two_sides_removes_its_folder_once(monkeypatch: pytest.MonkeyPatch) -> None:
    removed: list[Path] = []
    remove = Scratch.remove
    monkeypatch.setattr(Scratch, "remove", lambda scratch: (removed.append(scratch.path), remove(scratch)))
    pool = RenderPool(SandboxLimits(workers=1, spare=0))
    await pool.start()
    await asyncio.gather(pool.close(), pool.close())
    assert len(removed) == 1


async def test_packages_of_the_operators_folder_reach_the_render_processes(tmp_path: Path) -> None:
    package = tmp_path / "preview" / "greet" / "1.0.0"
    package.mkdir(parents=True)
    (package / "typst.toml").write_text('[package]\nname = "greet"\nversion = "1.0.0"\nentrypoint = "lib.typ"\n')
    (package / "lib.typ").write_text("#let hi = [Hi]")
    pool = RenderPool(SandboxLimits(workers=1, spare=0, packages=tmp_path))
    await pool.start()
    try:
        bundle = TemplateBundle.of_file("typst", b'#import "@preview/greet:1.0.0": hi\n#hi')
        assert (await pool.render(RenderRequest(bundle, b"{}", "pdf"))).pages == 1
    finally:
        await pool.close()


async def test_a_hostile_font_takes_down_its_own_document_only(pool: RenderPool) -> None:
    """Random damage: the compiler refuses it, panics, hangs or eats memory, and the next document renders."""
    font, chance = (FONTS / "Inter-Bold.otf").read_bytes(), random.Random(5)
    for _ in range(6):
        broken = bytearray(font)
        for _ in range(chance.choice((5, 500, 5_000))):
            broken[chance.randrange(len(broken))] = chance.randrange(256)
        source = TemplateBundle.of_file("typst", b'#set text(font: "Inter", weight: "bold")\nHello')
        bundle = TemplateBundle(source.manifest, {**source.files, "a.otf": bytes(broken)})
        with contextlib.suppress(DocumentFailed):
            await pool.render(RenderRequest(bundle, b"{}", "pdf"), 2)
        assert (await pool.render(typst("Hello"), 20)).pages == 1


async def test_fonts_and_pictures_reach_a_confined_process(pool: RenderPool) -> None:
    font = (FONTS / "Inter-Bold.otf").read_bytes().replace(b"Inter", b"Xnter")
    font = font.replace("Inter".encode("utf-16-be"), "Xnter".encode("utf-16-be"))
    drawing = b'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 1 1"/>'
    source = TemplateBundle.of_file(
        "typst", b'#set text(font: "Xnter")\nHello #image(json("data.json").logo, width: 1cm) #image("own.svg")'
    )
    bundle = TemplateBundle(source.manifest, {**source.files, "a.otf": font, "own.svg": drawing})
    for _ in range(2):
        request = RenderRequest(
            bundle, b'{"logo": {"$asset": "sha256:ab"}}', "pdf", assets={"ab": drawing}, strict=True
        )
        assert (await pool.render(request)).warnings == ()
