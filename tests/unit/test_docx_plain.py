"""Plain Word templates are rendered without MiniJinja, and nobody can tell the difference."""

import io
import json
import zipfile

import pytest
from docx.document import Document
from lxml import etree

from contracts.errors import DocumentFailed
from generator.core import Engines
from generator.renderers.check import OutputCheck
from generator.renderers.check.xml import well_formed
from generator.renderers.docx import template
from generator.renderers.docx.passes import Pass
from generator.renderers.port import Shape
from tests.unit.docx_files import error, paragraphs, part, render, rows
from tests.unit.docx_files import template as template_of
from tests.unit.docx_files import texts
from tests.unit.pictures import picture

LOOP = rows(
    ("{%tr for r in rows %}", "", ""),
    ("{{ r.name }}", "100 % {{ r.n }} % s", "{{ r.name }}{{ top }}"),
    ("{%tr endfor %}", "", ""),
)
NESTED = paragraphs(
    "{{ a.b.c }} and {_{ no tag }_} {# nor this #}",
    "{%p for s in sections %}",
    "{{ s.title }}: {% for p in s.paras %}{{ p }}, {% endfor %}{{ p }}",
    "{%p if s.more %}",
    "more {{ s.more }}",
    "{%p else %}",
    "no more",
    "{%p endif %}",
    "{%p endfor %}",
    "{% if a %}{% if none_of_it %}x{% endif %}{% endif %}",
)
DATA = {
    "a": {"b": {"c": "Ж <&> \"q\" 's' / \\ %s %% {{ x }}"}},
    "p": "outer",
    "none_of_it": 0,
    "sections": [{"title": "T\nt\tu", "paras": [1, 2.5, "x"], "more": "m"}, {"title": "", "paras": [], "more": []}],
    "top": -7,
    "rows": [{"name": "a", "n": 0.0001}, {"name": "b", "n": 9007199254740993}, {"name": "c", "n": -0.0}],
    "unused": [None, True, {"a": None}],
}


@pytest.fixture
def alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have MiniJinja fail, so that what is made was made without it."""

    def refuse(*_: object) -> None:
        raise AssertionError("MiniJinja was used")

    monkeypatch.setattr(Pass, "render", refuse)


def with_minijinja(monkeypatch: pytest.MonkeyPatch, source: bytes, data: object) -> bytes:
    monkeypatch.setattr(template, "plain_or_none", lambda parts: None)
    return render(Engines(), source, data).content


@pytest.mark.parametrize("source", [LOOP, NESTED])
@pytest.mark.parametrize("escapes", [False, True])
def test_plain_templates_are_the_same_with_and_without_minijinja(
    monkeypatch: pytest.MonkeyPatch, source: bytes, escapes: bool
) -> None:
    raw = json.dumps(DATA, ensure_ascii=escapes).encode()
    with monkeypatch.context() as alone:
        alone.setattr(Pass, "render", None)
        plain = part(render(Engines(), source, raw).content)
    slow = part(with_minijinja(monkeypatch, source, raw))
    assert etree.canonicalize(plain) == etree.canonicalize(slow)


NUMBERS = (0, -1, 2**63 - 1, -(2**63), 2**64, 0.5, 100.0, 1e15, 1e16, 1e-4, 1e-5, 0.1 + 0.2, 5e-324, 1.7e308, -2.50)


@pytest.mark.parametrize("value", [*NUMBERS, True, False, "", "\u2028", "a\u00a0b", [], [1, "a"], {"k": 1}])
def test_every_value_prints_alike(monkeypatch: pytest.MonkeyPatch, value: object) -> None:
    source = paragraphs("[{{ x }}]", "{% if x %}yes{% else %}no{% endif %}")
    assert texts(render(Engines(), source, {"x": value}).content) == texts(
        with_minijinja(monkeypatch, source, {"x": value})
    )


@pytest.mark.usefixtures("alone")
def test_nulls_that_are_not_printed_want_no_minijinja() -> None:
    assert texts(render(Engines(), paragraphs("{{ a }}"), {"a": "A", "b": None}).content) == ["A"]


@pytest.mark.usefixtures("alone")
@pytest.mark.parametrize(
    ("source", "data"),
    [
        (paragraphs("{{ a | upper }}"), {"a": "x"}),
        (paragraphs("{{ a + 1 }}"), {"a": 1}),
        (paragraphs("{% for a in b %}{{ loop.index }}{% endfor %}"), {"b": [1]}),
        (paragraphs("{% for a in b if a %}{{ a }}{% endfor %}"), {"b": [1]}),
        (paragraphs("{% for a in b %}x{% else %}y{% endfor %}"), {"b": []}),
        (paragraphs("{% if not a %}x{% endif %}"), {"a": 1}),
        (paragraphs("{% set a = 1 %}{{ a }}"), {}),
        (paragraphs("{%- if a %}x{% endif %}"), {"a": 1}),
        (paragraphs("{{ today }}{{ data.a }}"), {"a": 1}),
        (paragraphs("{{ a }}"), {"a": None}),
        (paragraphs("{{ a }}"), {"a": "\x07"}),
        (paragraphs("{{ a }}"), {}),
        (paragraphs("{{ a.items }}"), {"a": {}}),
        (paragraphs("{{ a.b }}"), {"a": ["b"]}),
        (paragraphs("{% for a in b %}{{ a }}{% endfor %}"), {"b": "text"}),
        (paragraphs("{{ a }}"), {"a": {"$rich": ["x"]}}),
        (paragraphs("{{ a }}"), b'{"a": "\\u003cb\\u003e"}'),
        (paragraphs("{{ a }}"), b'{"a": "\\ud800"}'),
    ],
)
def test_what_is_not_plain_goes_to_minijinja(source: bytes, data: object) -> None:
    with pytest.raises(AssertionError, match="MiniJinja was used"):
        render(Engines(), source, data)


def test_what_is_missing_is_told_as_ever(engines: Engines) -> None:
    told = error(engines, LOOP, {"top": 1, "rows": [{"name": "a", "n": 1}, {"name": "b"}]}, missing="error")
    assert (told.code, told.data_path) == ("data_missing", "rows[].n")


def test_values_in_attributes_keep_their_quotes(engines: Engines) -> None:
    def build(document: Document) -> None:
        document.add_picture(io.BytesIO(picture()))
        document.inline_shapes[0]._inline.docPr.set("descr", "{{ a }}")

    made = part(render(engines, template_of(build), {"a": "\"<'>&"}).content)
    [described] = etree.fromstring(made.encode()).iter("{*}docPr")
    assert described.get("descr") == "\"<'>&"


def test_loops_without_end_are_stopped(engines: Engines) -> None:
    nest = "{% for a in b %}" * 6 + "{% endfor %}" * 6
    assert error(engines, paragraphs(nest), {"b": list(range(100))}).code == "render_timeout"


def test_what_is_nested_too_deeply_is_left_to_minijinja(engines: Engines) -> None:
    deep = paragraphs(*["{% if a %}"] * 1_000, *["{% endif %}"] * 1_000)
    assert error(engines, deep, {"a": 1}).code == "template_error"


@pytest.mark.parametrize("digits", [19, 39, 4_300, 4_301, 5_000])
def test_numbers_of_any_length_are_printed_or_refused(engines: Engines, digits: int) -> None:
    raw = b'{"a": ' + b"9" * digits + b"}"
    try:
        assert texts(render(engines, paragraphs("{{ a }}"), raw).content) == ["9" * digits]
    except DocumentFailed as failure:
        assert digits > 4_300 and failure.code == "template_error"


@pytest.mark.parametrize("raw", [b"{", b"[1]", b'{"a": NaN}', b'{"a": 01}', b'{"a": b | upper}', b'"a"'])
def test_data_that_are_no_json_object_are_refused(engines: Engines, raw: bytes) -> None:
    with pytest.raises(DocumentFailed, match="JSON"):
        render(engines, paragraphs("{{ a }}"), raw)


ROWS_IF = rows(
    ("{%tr for r in rows %}", "", ""),
    ("{{ r.name }}", "{{ r.n }}", ""),
    ("{%tr if r.n %}", "", ""),
    ("{{ r.n }}", "{{ top }}", ""),
    ("{%tr endif %}", "", ""),
    ("{%tr endfor %}", "", ""),
)


def _rows(*numbers: int) -> dict[str, object]:
    return {"top": "&<>", "rows": [{"name": f"<{number}>", "n": number} for number in numbers]}


@pytest.fixture
def parsed(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The names of the parts that the check parses."""
    names: list[str] = []

    def told(content: bytes, name: str) -> None:
        names.append(name)
        well_formed(content, name)

    monkeypatch.setattr("generator.renderers.check.docx.well_formed", told)
    return names


@pytest.mark.usefixtures("alone")
def test_documents_that_differ_in_texts_and_numbers_of_rows_are_parsed_once(parsed: list[str]) -> None:
    engines = Engines()
    for document, known in ((_rows(0, 1), False), (_rows(1, 0, 0, 7, 0), True), (_rows(2, 3), False), (_rows(5), True)):
        parsed.clear()
        render(engines, ROWS_IF, document)
        assert ("word/document.xml" in parsed) is not known


@pytest.mark.usefixtures("alone")
def test_numbers_of_rows_that_close_what_others_open_are_each_parsed(parsed: list[str]) -> None:
    source = paragraphs("{% for r in rows %}{{ r }}", "{% endfor %}")
    engines = Engines()
    for number in range(1, 4):
        render(engines, source, {"rows": [7] * number})
        assert parsed.count("word/document.xml") == number


def test_a_part_that_is_not_as_it_was_rendered_is_looked_through() -> None:
    engines = Engines()
    made = render(engines, LOOP, {"top": 1, "rows": [{"name": "a", "n": 1}]})
    shape = Shape([], part(made.content).encode(), ("known",), ())
    check = OutputCheck()
    check("docx", made.content, {"word/document.xml": shape})
    damaged = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(made.content)) as archive, zipfile.ZipFile(damaged, "w") as other:
        for name in archive.namelist():
            other.writestr(name, archive.read(name).replace(b"</w:tbl>", b""))
    with pytest.raises(DocumentFailed, match="well-formed"):
        check("docx", damaged.getvalue(), {"word/document.xml": shape})
