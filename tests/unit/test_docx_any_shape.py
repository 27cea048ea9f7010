"""Whatever JSON stands where a shape may stand: a document that opens, or an error of the data. Never anything else."""

import json

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from contracts.errors import DocumentFailed
from contracts.templates import TemplateBundle
from generator.core import Engines, RenderRequest, generate
from tests.unit.docx_files import paragraphs, rows, template
from tests.unit.pictures import data_uri, picture

KEYS = (
    "$rich $paragraphs $markdown $docx $image $asset text bold size color href style width height alt font underline"
    " highlight lang align"
).split()
TEXTS = (
    "",
    "x",
    "#FF0000",
    "12",
    "40mm",
    "https://example.org",
    "javascript:x",
    data_uri(picture()),
    data_uri(template(lambda document: document.add_paragraph("x"))),
    "\ud800",
    "a\x07b\fc\nd\te\x01\ufffe",
    "# t\n\n- a\n\n| a |\n|---|\n| b |",
    "<w:p/>",
    "\ufdd4\ufdd5",
    "sha256:" + "0" * 64,
)
ATOMS = st.none() | st.booleans() | st.sampled_from([0, -1, 1.5, 10**30]) | st.sampled_from(TEXTS)
VALUES = st.recursive(
    ATOMS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(KEYS), inner, max_size=4)
)
SOURCES = [
    paragraphs("{{ x }}", "a {{r x }} b", "{{p x }}"),
    rows(("{{p x }}", "{{ x }}")),
    paragraphs("{{ x|image(width='3mm') }}"),
    paragraphs("{{ x|markdown }}"),
    paragraphs("{{ x|qr }}{{ x|link('https://example.org') }}{{ x|rich(bold=true) }}"),
    paragraphs("{{ x|link(x) }}"),
]


@pytest.mark.parametrize("source", SOURCES, ids=["print", "cells", "image", "markdown", "filters", "link"])
@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
@given(value=VALUES)
def test_any_json_makes_a_document_or_an_error_of_the_data(engines: Engines, source: bytes, value: object) -> None:
    request = RenderRequest(TemplateBundle.of_file("docx", source), json.dumps({"x": value}).encode(), "docx")
    try:
        generate(request, engines)
    except DocumentFailed as failure:
        assert failure.error.code == "data_invalid", failure.error
