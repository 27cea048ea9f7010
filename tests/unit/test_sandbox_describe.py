"""Templates are looked at in the sandbox: what refuses an upload, what only warns; assets travel with a job."""

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from contracts.errors import DocumentError, DocumentFailed
from contracts.templates import TemplateBundle
from generator.renderers.port import RenderRequest
from generator.sandbox import RenderPool, SandboxLimits
from generator.sandbox.child import Child
from generator.sandbox_child.frames import Header
from generator.sandbox_child.serve import Server


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def pool() -> AsyncIterator[RenderPool]:
    pool = RenderPool(SandboxLimits(workers=1, spare=0))
    await pool.start()
    yield pool
    await pool.close()


pytestmark = pytest.mark.asyncio(loop_scope="module")


async def refused(pool: RenderPool, content: bytes, engine: str = "typst") -> DocumentError:
    with pytest.raises(DocumentFailed) as failure:
        await pool.describe(TemplateBundle.of_file(engine, content), 10)
    return failure.value.error


async def test_a_template_that_compiles_is_not_warned_of(pool: RenderPool) -> None:
    verdict = await pool.describe(TemplateBundle.of_file("typst", b'= Hello #sys.inputs.at("today")'), 10)
    assert verdict.warnings == ()


@pytest.mark.parametrize(
    ("source", "message", "line"),
    [
        (b"= Hi\n#let x = (\n", "unclosed delimiter", 2),
        (b'#let d = json("data.json")\n#d.name\n#foo.bar(', "unclosed delimiter", 3),
        (b"= Hi\n#totl", "unknown variable: totl", 2),
        (b'\n#import "/letterhead.typ": *', "file not found", 2),
    ],
)
async def test_what_is_wrong_with_any_data_refuses_a_typst_source(
    pool: RenderPool, source: bytes, message: str, line: int
) -> None:
    error = await refused(pool, source)
    assert error.code == "template_error" and error.message.startswith(message) and error.line == line


@pytest.mark.parametrize(
    "source",
    [
        b'#panic("the data has no total")',
        b'#let d = json("data.json")\n#assert(d.total > 1000000)',
        b'#let d = json("data.json")\n#d.at("na" + "me")',
    ],
)
async def test_what_may_be_the_datas_fault_only_warns(pool: RenderPool, source: bytes) -> None:
    verdict = await pool.describe(TemplateBundle.of_file("typst", source), 10)
    assert [warned.code for warned in verdict.warnings] == ["not_tried"]


async def test_the_data_that_a_template_asks_for_are_told_with_an_example_that_it_takes(pool: RenderPool) -> None:
    source = b'#let d = json("data.json")\n#d.name\n#for row in d.rows [#row.price]'
    verdict = await pool.describe(TemplateBundle.of_file("typst", source), 10)
    assert verdict.warnings == ()
    assert verdict.inferred_schema and list(verdict.inferred_schema["properties"]) == ["name", "rows"]  # type: ignore
    assert verdict.example == {"name": "Jane Doe", "rows": [{"price": 120.5}, {"price": 120.5}]}


async def test_a_docx_that_does_not_compile_says_so(pool: RenderPool) -> None:
    assert (await refused(pool, b"no zip at all", "docx")).code == "template_error"


async def test_a_hostile_template_dies_alone(pool: RenderPool) -> None:
    with pytest.raises(DocumentFailed) as failure:
        await pool.describe(TemplateBundle.of_file("typst", b"#lorem(30000000)"), 2)
    assert failure.value.error.code in ("render_timeout", "memory_limit", "render_crashed")
    assert (await pool.describe(TemplateBundle.of_file("typst", b"= Next"), 10)).warnings == ()


async def test_assets_stand_behind_the_data_of_a_job(monkeypatch: pytest.MonkeyPatch, pool: RenderPool) -> None:
    sent: list[tuple[Header, bytes]] = []

    async def capture(self: Child, order: Header, body: bytes, *_: object) -> tuple[Header, bytes]:
        sent.append((order, body))
        return {"kind": "rendered", "pages": 1, "warnings": []}, b"%PDF"

    monkeypatch.setattr(Child, "_done", capture)
    bundle = TemplateBundle.of_file("typst", b"= Hi")
    assets = {"aa" * 32: b"\x89PNG", "bb" * 32: b"", "cc" * 32: b"\xff\xd8"}
    await pool.render(RenderRequest(bundle, b'{"a": 1}', "pdf", assets=assets, missing="mark"))
    [(order, body)] = sent
    server = object.__new__(Server)
    server._bundles = {bundle.sha256: bundle}
    received = server._request({**order, "sha256": bundle.sha256}, body)
    assert received.data == b'{"a": 1}' and received.assets == assets and received.missing == "mark"
