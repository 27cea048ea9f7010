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


@pytest.mark.parametrize(
    ("tag", "shown", "paths"),
    [
        ("[{{ a.b.c }}]", "[]", ["a.b.c"]),
        ("[{{ a.b|upper }}]", "[]", ["a.b"]),
        ("[{{ a.name.upper() }}]", "[]", ["a.name"]),
        ("[{{ (q * p)|money('EUR') }}]", "[]", ["q", "p"]),
        ("[{{ n ~ '-' ~ p }}]", "[2-]", ["p"]),
        ("{% set t = a.b * 2 %}[{{ t }}]", "[]", ["a.b", "t"]),
        ("[{% for i in a.b|sort %}{{ i }}{% endfor %}]", "[]", ["a.b"]),
        ("[{% for k, v in a.items() %}{{ k }}{% endfor %}]", "[]", ["a"]),
        ("{% for i in rows %}{{ i.n.m }}{% if i.n.m < 4 %}!{% endif %};{% endfor %}", "3!;;", ["rows[].n.m"]),
        ("{% if a.b > 3 %}y{% else %}n{% endif %}", "n", ["a.b"]),
        ("{% if a.b < 3 %}y{% else %}n{% endif %}", "n", ["a.b"]),
        ("{% if a.b == none %}y{% else %}n{% endif %}", "n", ["a.b"]),
        ("{% if a.b != 3 %}y{% else %}n{% endif %}", "y", ["a.b"]),
        ("{% if 'x' in a.b %}y{% elif 'x' not in a.b %}n{% endif %}", "n", ["a.b"]),
        ("{% if n > 1 and a.b * 2 <= n %}y{% else %}n{% endif %}", "n", ["a.b"]),
        ("{% if a.b|length %}y{% else %}n{% endif %}", "n", ["a.b"]),
        ("{{ 'y' if a.b > 3 else 'n' }}", "n", ["a.b"]),
        ("{{ 'n if a.b > 3' }}{{ a.b|default('') }}{% if a.b %}y{% endif %}", "n if a.b > 3", []),
        ("{% if a.b is defined and a.b > 3 %}y{% else %}n{% endif %}", "n", []),
    ],
)
def test_what_is_missing_deep_down_is_blank_wherever_it_stands(
    engines: Engines, tag: str, shown: str, paths: list[str]
) -> None:
    data = {"n": 2, "rows": [{"n": {"m": 3}}, {}]}
    rendered = render(engines, paragraphs(tag), data, missing="blank")
    assert texts(rendered.content) == [shown]
    assert [re.findall("`(.*?)`", one.message)[0] for one in rendered.warnings] == paths
    marked = render(engines, paragraphs(tag), data, missing="mark")
    assert [one.code for one in marked.warnings] == ["data_missing"] * len(paths)
    if paths:
        assert error(engines, paragraphs(tag), data, missing="error").code == "data_missing"


@pytest.mark.parametrize("tag", ["{{ a.b }}", "{% if a.b > 3 %}y{% endif %}", "{% if c == 3 %}y{% endif %}"])
def test_a_null_elsewhere_does_not_make_errors_blank(engines: Engines, tag: str) -> None:
    found = error(engines, paragraphs(tag, "{{ n }}"), {"n": None}, missing="error")
    assert (found.code, found.tag) == ("data_missing", tag.partition("y{%")[0])


def test_a_comparison_is_told_as_one(engines: Engines) -> None:
    rendered = render(engines, paragraphs("{% if a.b > 3 %}y{% endif %}"), missing="mark")
    assert [one.message for one in rendered.warnings] == ["The data has no `a.b`: a condition asks for it."]


@pytest.mark.parametrize("code", ["debug()", "debug", "__missing.__class__", "lipsum()"])
def test_templates_cannot_look_into_the_engine(engines: Engines, code: str) -> None:
    assert error(engines, paragraphs(f"{{{{ {code} }}}}"), missing="error").code in ("template_error", "data_missing")


def test_the_functions_of_the_dialect_stay(engines: Engines) -> None:
    source = paragraphs(
        "{% set n = namespace(sum=0) %}{% for i in range(4) %}{% set n.sum = n.sum + i %}{% endfor %}{{ n.sum }}",
        "{{ dict(a=1).a }}{% set c = cycler(['x', 'y']) %}{{ c.next() }}{{ c.next() }}",
        "{% set j = joiner('+') %}{% for i in range(3) %}{{ j() }}{{ i }}{% endfor %}",
    )
    assert texts(render(engines, source, missing="error").content) == ["6", "1xy", "0+1+2"]


@pytest.mark.parametrize("number", [2**127, -(2**127), 2**200])
def test_a_whole_number_that_cannot_be_held_is_located_in_the_data(engines: Engines, number: int) -> None:
    source = paragraphs("{{ rows[0].n }}{{ 1 + 1 }}")
    found = error(engines, source, {"rows": [{"n": number}]})
    assert (found.code, found.data_path) == ("data_invalid", "rows[0].n") and "text" in (found.hint or "")
    assert texts(render(engines, source, {"rows": [{"n": str(number)}]}).content) == [f"{number}2"]


@pytest.mark.parametrize("number", [2**127 - 1, 1 - 2**127, 2**64])
def test_long_whole_numbers_are_printed_exactly(engines: Engines, number: int) -> None:
    assert texts(render(engines, paragraphs("{{ n }}{{ 1 + 1 }}"), {"n": number}).content) == [f"{number}2"]
    assert texts(render(engines, paragraphs("{{ n }}"), {"n": number}).content) == [str(number)]
