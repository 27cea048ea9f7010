"""Tags that change their table cell, in branches of the cell."""

import re

import pytest

from generator.core import Engines
from tests.unit.docx_files import error, part, render, rows

RED_OR_GREEN = "{% if bad %}{% cellbg 'FF0000' %}bad{% elif good %}{% cellbg colour %}good{% endif %}"


@pytest.mark.parametrize(
    ("data", "fill"),
    [
        ({"bad": True}, "FF0000"),
        ({"good": True, "colour": "00FF00"}, "00FF00"),
        ({"bad": False, "good": False}, "auto"),
    ],
)
@pytest.mark.parametrize("missing", ["error", "blank"])
def test_the_colour_of_the_branch_that_is_taken_counts(
    engines: Engines, data: dict[str, object], fill: str, missing: str
) -> None:
    rendered = render(engines, rows((RED_OR_GREEN, "b")), {"good": None, **data}, missing=missing)
    assert re.findall('w:fill="(.*?)"', part(rendered.content)) == [fill]


def test_branches_are_chosen_anew_in_each_row(engines: Engines) -> None:
    cell = (
        "{% if i.n > 1 %}{% if i.n > 2 %}{% cellbg 'AA0000' %}{% else %}{% cellbg i.c %}{% endif %}{% endif %}{{ i.n }}"
    )
    source = rows(("{%tr for i in items %}",), (cell,), ("{%tr endfor %}",))
    data = {"items": [{"n": 1}, {"n": 2, "c": "BB0000"}, {"n": 3}]}
    assert re.findall('w:fill="(.*?)"', part(render(engines, source, data).content)) == ["auto", "BB0000", "AA0000"]


def test_branches_that_trim_leave_the_markup_whole(engines: Engines) -> None:
    source = rows(("a{%- if bad -%}{%- cellbg 'FF0000' -%}b{%- endif -%}c", "d"))
    assert re.findall('w:fill="(.*?)"', part(render(engines, source, {"bad": 1}).content)) == ["FF0000"]


@pytest.mark.parametrize(("wide", "span"), [(True, "2"), (False, "1")])
def test_a_cell_may_span_in_one_branch_alone(engines: Engines, wide: bool, span: str) -> None:
    source = rows(("{% if wide %}{% colspan 2 %}x{% else %}y{% endif %}",))
    assert re.findall('gridSpan w:val="(.*?)"', part(render(engines, source, {"wide": wide}).content)) == [span]


def test_what_is_missing_in_a_branch_is_told_by_its_name(engines: Engines) -> None:
    found = error(engines, rows((RED_OR_GREEN,)), {"good": True}, missing="error")
    assert (found.code, found.data_path, found.tag) == ("data_missing", "colour", "{% cellbg colour %}")


@pytest.mark.parametrize(
    ("cell", "tag"),
    [
        ("{% for i in items %}{% cellbg i %}{% endfor %}", "{% cellbg i %}"),
        ("{% if a %}{% vm %}{% endif %}", "{% vm %}"),
    ],
)
def test_a_tag_that_no_branch_can_have_is_located(engines: Engines, cell: str, tag: str) -> None:
    found = error(engines, rows((cell,)), {"items": ["FF0000"]})
    assert (found.code, found.line, found.tag) == ("template_error", 1, tag) and "its cell" in found.message
