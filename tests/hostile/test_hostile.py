"""Bad input by the hundred: nothing is read that is not its own, nobody else is harmed, and every error is clear."""

import json
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from contracts.errors import DocumentError
from contracts.templates import TemplateBundle
from generator.core import Rendered, RenderRequest
from tests.hostile.cases import Case, word
from tests.hostile.corpus import corpus
from tests.hostile.stage import LONG_S, Stage, opened

pytestmark = pytest.mark.asyncio(loop_scope="module")
CORPUS = corpus()


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def stage(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Stage]:
    async with opened(tmp_path_factory.mktemp("outside")) as made:
        yield made


async def test_the_corpus_has_every_case_once() -> None:
    names = [case.name for case in CORPUS]
    assert len(names) > 1_000 and len(set(names)) == len(names)


@pytest.mark.parametrize("case", CORPUS, ids=lambda case: case.name)
async def test_a_hostile_input_has_a_clear_end_and_harms_nobody(stage: Stage, case: Case) -> None:
    outcome, found = await stage.run(case)
    assert outcome in case.allowed, found


@pytest.mark.parametrize(
    ("engine", "source", "made"),
    [
        ("typst", b'#json("data.json").x', "pdf"),
        ("typst", b'#pdf.attach("a.txt", bytes(json("data.json").x))', "pdf"),
        ("docx", word("{{ x }}"), "docx"),
        ("typst", b'#panic(json("data.json").x)', "pdf"),
    ],
)
async def test_a_secret_that_gets_out_would_be_seen(stage: Stage, engine: str, source: bytes, made: str) -> None:
    """The search that the other tests rely on: printed, attached or quoted, it finds the canary."""
    data = json.dumps({"x": stage.secret.decode()}).encode()
    with pytest.raises(AssertionError, match="the canary was read"):
        await stage.rendered(RenderRequest(TemplateBundle.of_file(engine, source), data, made), LONG_S)


async def test_an_error_that_says_too_little_would_be_seen(stage: Stage) -> None:
    clear = DocumentError(code="template_error", message="It failed.", line=3)
    for unclear in ({"line": None}, {"message": " "}, {"code": "internal_error"}):
        with pytest.raises(AssertionError):
            stage.judge(clear.model_copy(update=unclear))
    stage.judge(clear)
    assert isinstance((await stage.rendered(stage.neighbour, LONG_S))[1], Rendered)
