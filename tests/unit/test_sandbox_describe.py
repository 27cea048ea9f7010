"""Templates are looked at in the sandbox: what refuses an upload, what only warns; assets travel with a job."""

import json
from collections.abc import AsyncIterator
from dataclasses import replace

import pytest
import pytest_asyncio

from contracts.errors import DocumentError, DocumentFailed
from contracts.templates import TemplateBundle
from generator.renderers.port import RenderRequest
from generator.sandbox import RenderPool, SandboxLimits, answers
from tests.unit.docx_files import paragraphs, texts


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


async def test_standards_that_exclude_each_other_are_refused_without_a_sample(pool: RenderPool) -> None:
    bundle = TemplateBundle.of_file("typst", b"= Hi")
    manifest = bundle.manifest.model_copy(update={"pdf_standards": ("a-2b", "a-3b")})
    with pytest.raises(DocumentFailed) as failure:
        await pool.describe(TemplateBundle(manifest, bundle.files), 10)
    assert failure.value.error.message.startswith("These PDF standards exclude each other")
    assert "pdf_standards" in (failure.value.error.hint or "")


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


async def test_assets_come_with_a_job_and_stay_with_it(pool: RenderPool) -> None:
    source = b"""#let data = json("data.json")
#assert.eq(read(data.one).len(), 40)
#assert.eq(read(data.other).len(), 90)
"""
    pictures = [
        f"<svg xmlns='http://www.w3.org/2000/svg'>{' ' * 200}"[: size - 6].encode() + b"</svg>" for size in (40, 90)
    ]
    assets = {digest * 32: picture for digest, picture in zip(("aa", "bb"), pictures, strict=True)}
    data = {"one": {"$asset": f"sha256:{'aa' * 32}"}, "other": {"$asset": f"sha256:{'bb' * 32}"}}
    bundle = TemplateBundle.of_file("typst", source)
    request = RenderRequest(bundle, json.dumps(data).encode(), "pdf", assets=assets)
    assert (await pool.render(request)).pages == 1
    with pytest.raises(DocumentFailed):
        await pool.render(replace(request, assets={}))


async def test_the_policy_for_missing_values_comes_with_a_job(pool: RenderPool) -> None:
    bundle = TemplateBundle.of_file("docx", paragraphs("Dear {{ name }}!"))
    blank = await pool.render(RenderRequest(bundle, b"{}", "docx", missing="blank"))
    marked = await pool.render(RenderRequest(bundle, b"{}", "docx", missing="mark"))
    assert (texts(blank.content), texts(marked.content)) == (["Dear !"], ["Dear \u00abname\u00bb!"])
    with pytest.raises(DocumentFailed):
        await pool.render(RenderRequest(bundle, b"{}", "docx", missing="error"))


async def test_a_verdict_that_is_too_long_or_makes_no_sense_is_not_trusted(pool: RenderPool) -> None:
    [child] = pool._children
    for body in (b"{", b'{"warnings": 7}', b'{"example": {"a": "' + bytes(2**20).replace(b"\0", b"x") + b'"}}'):
        with pytest.raises(DocumentFailed) as failure:
            child._meant(answers.described, ({"kind": "described"}, body))
        assert failure.value.error.code == "render_crashed" and not child.usable
    pool._replace(child)


async def test_what_is_said_about_the_data_is_bounded(pool: RenderPool) -> None:
    names = "".join(f'#d.at("field-{number}-{"x" * 40}", default: "")\n' for number in range(9000))
    verdict = await pool.describe(TemplateBundle.of_file("typst", f'#let d = json("data.json")\n{names}'.encode()), 30)
    assert len(verdict.model_dump_json()) < 300_000
