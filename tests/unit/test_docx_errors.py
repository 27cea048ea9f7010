"""What is wrong with a Word template is told with its place and a remedy; missing data is met as asked for."""

import re

import pytest

from generator.core import Engines
from tests.unit.docx_files import error, paragraphs, part, render, rows, texts


@pytest.mark.parametrize(
    ("source", "line", "tag", "hint"),
    [
        (("a", "{{ x|upperr }}"), 2, "{{ x|upperr }}", "`upper`"),
        (("{{ x|mony }}",), 1, "{{ x|mony }}", "`money`"),
        (("{{ rnge(3) }}",), 1, "{{ rnge(3) }}", "`range`"),
        (("{% iff x %}", "{% endif %}"), 1, "{% iff x %}", "`if`"),
        (("{% for i in x %}", "{{ i }}", "{% endif %}"), 3, "{% endif %}", "endfor"),
        (("{%p if x %}", "{%p for i in x %}", "{%p endif %}", "{%p endfor %}"), 3, "{%p endif %}", "endfor"),
        (("a", "{%p for i in x %}", "{{ i }}"), 2, "{%p for i in x %}", "ends in one"),
        (("a", "{% endfor %}"), 2, "{% endfor %}", "Take it out"),
        (("{% else %}",), 1, "{% else %}", "Take it out"),
        (("{{ x|image(breadth=3) }}",), 1, "{{ x|image(breadth=3) }}", None),
        (("a", "b", "{{ x|qr(error='z') }}"), 3, "{{ x|qr(error='z') }}", "Levels"),
    ],
)
def test_a_broken_template_says_where_and_what_to_do(
    engines: Engines, source: tuple[str, ...], line: int, tag: str, hint: str | None
) -> None:
    found = error(engines, paragraphs(*source), {"x": "v"})
    assert (found.code, found.part, found.line, found.tag) == ("template_error", "word/document.xml", line, tag)
    assert tag in (found.excerpt or "")
    assert hint is None or hint in (found.hint or "")


@pytest.mark.parametrize(
    ("tag", "path"),
    [
        ("{{ i.n + 'a' }}", None),
        ("{{ i.n|round }}", "items[].n"),
        ("{% for j in i.k %}{% endfor %}", "items[].k"),
        ("{{ i.n|money('EUR', 'more', 3, 4) }}", "items[].n"),
    ],
)
def test_a_value_of_the_wrong_type_is_located(engines: Engines, tag: str, path: str | None) -> None:
    source = paragraphs("{%p for i in items %}", tag, "{%p endfor %}")
    found = error(engines, source, {"items": [{"n": {"a": 1}, "k": 7}]})
    assert (found.code, found.line, found.tag) == ("template_error", 2, tag if "{{" in tag else "{% for j in i.k %}")
    assert path is None or found.data_path == path


def test_an_error_of_a_filter_names_its_tag(engines: Engines) -> None:
    source = rows(("a", "{{ [{'amount': 'x'}]|lines|length }}"))
    found = error(engines, source)
    assert (found.code, found.line, found.tag) == ("data_invalid", 2, "{{ [{'amount': 'x'}]|lines|length }}")
    assert found.data_path


SOURCE = (
    "[{{ a }}]",
    "{%p for i in items %}",
    "[{{ i.n|upper }}]",
    "{%p endfor %}",
    "{{ b.c }}{% for x in y %}{{ x }}{% endfor %}",
)


def test_missing_values_may_be_marked(engines: Engines) -> None:
    rendered = render(engines, paragraphs(*SOURCE), {"items": [{}, {"n": "x"}]}, missing="mark")
    assert texts(rendered.content) == ["[«a»]", "[«items[].n»]", "[X]", "«b.c»«y»"]
    assert [re.findall("`(.*?)`", one.message)[0] for one in rendered.warnings] == ["a", "items[].n", "b.c", "y"]


def test_a_missing_list_of_rows_is_marked_in_the_warnings_alone(engines: Engines) -> None:
    rendered = render(engines, rows(("{%tr for i in y %}",), ("{{ i }}",), ("{%tr endfor %}",)), missing="mark")
    assert [one.message for one in rendered.warnings] == ["The data has no `y`: it was marked."]
    assert "«" not in part(rendered.content)


def test_no_mark_is_written_into_markup(engines: Engines) -> None:
    rendered = render(engines, rows(("{% colspan n %}wide", "{% cellbg c %}red")), missing="mark")
    assert "«" not in part(rendered.content) and len(rendered.warnings) == 2


def test_missing_values_may_be_errors(engines: Engines) -> None:
    found = error(engines, paragraphs("{{ total }}"), {"totl": 1}, missing="error")
    assert (found.code, found.data_path, found.hint) == (
        "data_missing",
        "total",
        "The data has `totl`: is that meant?",
    )
    assert found.excerpt == "{{ total }}"


def test_null_is_not_missing(engines: Engines) -> None:
    for missing in ("error", "blank", "mark"):
        rendered = render(engines, paragraphs("[{{ a }}]"), {"a": None}, missing=missing)
        assert (texts(rendered.content), rendered.warnings) == (["[]"], ())


@pytest.mark.parametrize("missing", ["blank", "mark"])
def test_a_template_that_calls_the_engine_s_own_function_harms_nobody(engines: Engines, missing: str) -> None:
    source = paragraphs("{{ a }}{{ __missing(99999) }}{{ __missing('x') }}{{ __missing(-1) }}b")
    rendered = render(engines, source, missing=missing)
    assert [one.message.split("`")[1] for one in rendered.warnings] == ["a"]
    assert texts(rendered.content)[0].endswith("b")
