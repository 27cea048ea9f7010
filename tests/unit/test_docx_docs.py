"""What docs/docx.md says holds: its examples are rendered, its tables name every property, filter and tag."""

import io
import json
import re
from pathlib import Path

import docx
import pytest

from generator.core import Engines
from generator.renderers.docx.filters import filters
from generator.renderers.docx.links import SAFE_SCHEMES
from generator.renderers.docx.richtext import PARAGRAPH_PROPERTIES, PROPERTIES
from generator.renderers.docx.tags import CELL_STATEMENTS
from generator.renderers.formatting import locale_for
from tests.unit.docx_files import paragraphs, render, template
from tests.unit.pictures import data_uri, picture

TEXT = (Path(__file__).parents[2] / "docs" / "docx.md").read_text()
EXAMPLES = [line for block in re.findall(r"```json\n(.*?)```", TEXT, re.DOTALL) for line in block.splitlines()]
#: Those that the shipped templates alone use.
OWN = {"given", "list_at", "paragraphs", "lines", "table", "bars", "clauses", "priced", "rows"}


@pytest.mark.parametrize("example", EXAMPLES)
def test_examples_are_rendered(engines: Engines, example: str) -> None:
    logo, document = picture(), template(lambda made: made.add_paragraph("sub"))
    held = document if "$docx" in example else logo
    example = example.replace("data:image/png;base64,...", data_uri(logo)).replace("sha256:...", "sha256:" + "0" * 64)
    shape = json.loads(example)
    data = shape if "$pictures" in shape else {"x": shape}
    rendered = render(engines, paragraphs("{{ x|default('') }}"), data, assets={"0" * 64: held})
    assert docx.Document(io.BytesIO(rendered.content)) and rendered.warnings == ()


def test_every_property_and_filter_is_named() -> None:
    prose = re.sub(r"```.*?```", "", TEXT, flags=re.DOTALL)
    named = set(re.findall(r"`([^`]+)`", prose))
    words = {word for name in named for word in re.findall(r"\w+", name)}
    assert PROPERTIES | PARAGRAPH_PROPERTIES <= named | {"text", "style"}
    assert filters(locale_for("en")).keys() - OWN <= words
    assert CELL_STATEMENTS | set(SAFE_SCHEMES) <= words
