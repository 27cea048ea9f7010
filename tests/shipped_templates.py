"""The shipped templates as tests render them, and what is wrong with a page that they printed."""

import json

import pytest

from contracts.errors import DocumentFailed
from generator.core import Engines, Rendered, RenderRequest, generate
from generator.shipped import load_shipped
from tests.pdf_layout import Layout, layout_of

SHIPPED = {template.name: template for template in load_shipped()}
#: 2026-03-01 in UTC, the day on which all documents of the tests are made.
MADE_AT_MS = 1_772_323_200_000
MARGIN_PT = 18 / 25.4 * 72
#: The footer stands in the margin at the bottom.
BOTTOM_PT = 20


def render(engines: Engines, name: str, data: object, output_format: str = "pdf", locale: str = "en") -> Rendered:
    content = json.dumps(data).encode()
    return generate(RenderRequest(SHIPPED[name].bundle, content, output_format, MADE_AT_MS, locale), engines)


def refused_at(engines: Engines, name: str, data: object, output_format: str = "pdf") -> str | None:
    """Return the path at which the data are refused, in words that name it and what is needed there."""
    with pytest.raises(DocumentFailed) as refused:
        render(engines, name, data, output_format)
    path = refused.value.error.data_path
    assert refused.value.code == "data_invalid"
    assert refused.value.message.startswith(f"`{path}` is ") and refused.value.message.endswith(" is needed.")
    return path


def printed(engines: Engines, name: str, data: object, locale: str) -> Layout:
    return layout_of(render(engines, name, data, "pdf", locale).content)


def flaws(layout: Layout) -> list[str]:
    """Name what is printed over something else, or in the margins."""
    over = [f"page {one.page + 1}: {one.text!r} over {other.text!r}" for one, other in layout.overlapping()]
    out = [f"page {run.page + 1}: {run.text!r} in the margin" for run in layout.outside(BOTTOM_PT)]
    beside = [f"page {run.page + 1}: {run.text!r} beside the text" for run in layout.beside(MARGIN_PT)]
    return over + out + beside
