"""The schema that is inferred from a template: it tells what is read, and what it calls certain to fail fails."""

import copy
import json
import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from app.services.data_schema import DataSchemas
from contracts.errors import DocumentFailed
from contracts.templates import TemplateBundle, TemplateManifest
from generator.core import Engines, RenderRequest, generate
from generator.renderers.schema import describe
from tests.shipped_templates import SHIPPED
from tests.unit.docx_files import paragraphs

SCHEMAS = DataSchemas()
READ = '#let d = json("data.json")\n'
DOCS = Path(__file__).resolve().parents[2] / "docs"


def typst(source: str) -> TemplateBundle:
    return TemplateBundle.of_file("typst", source.encode())


def docx(*texts: str) -> TemplateBundle:
    return TemplateBundle.of_file("docx", paragraphs(*texts))


def schema(bundle: TemplateBundle) -> Any:
    found, _ = describe(bundle)
    assert found is not None
    return found


def example(bundle: TemplateBundle) -> Any:
    return describe(bundle)[1]


def certain(bundle: TemplateBundle, data: dict[str, object]) -> list[str]:
    """Return the pointers of what is certain to fail."""
    return [flaw.pointer for flaw, sure in SCHEMAS.flaws(schema(bundle), data) if sure]


def warned(bundle: TemplateBundle, data: dict[str, object]) -> list[tuple[str, str]]:
    return [(flaw.code, flaw.pointer) for flaw, sure in SCHEMAS.flaws(schema(bundle), data) if not sure]


def renders(engines: Engines, bundle: TemplateBundle, data: object) -> bool:
    output_format = "svg" if bundle.manifest.sources[0].engine == "typst" else "docx"
    try:
        generate(RenderRequest(bundle, json.dumps(data).encode(), output_format), engines)
    except DocumentFailed:
        return False
    return True


# ---- Typst


@pytest.mark.parametrize(
    ("source", "data"),
    [
        ("#d.name", {}),
        ("#d.seller.name", {"seller": {}}),
        ("#d.seller.name", {"seller": "Acme"}),
        ("#d.seller.name", {"seller": None}),
        ('#d.at("name")', {}),
        ("#let s = d.seller\n#s.name", {"seller": {}}),
        ("#let (a, b: c) = d\n#c.x", {"a": 1, "b": {}}),
        ("#for row in d.rows [#row]", {"rows": 7}),
        ("#for row in d.rows [#row]", {}),
        ("#set text(lang: d.lang)", {}),
        ("= Dear #d.name", {}),
        ("- #d.name", {}),
        ("#[a #d.name b]", {}),
    ],
)
def test_a_key_that_every_document_reads_is_certain(engines: Engines, source: str, data: dict[str, object]) -> None:
    assert certain(typst(READ + source), data) and not renders(engines, typst(READ + source), data)


@pytest.mark.parametrize(
    "source",
    [
        '#d.at("name", default: "")',
        '#if "name" in d [#d.name]',
        "#if false { d.name }",
        "#let f() = d.name",
        "#let f() = { d.name }",
        "#show heading: it => d.name",
        '#import "/presswork.typ": *\n#get(d, "name")',
        "`#d.name`",
        "// #d.name",
        "/* #d.name */",
        "\\#d.name and d.name",
        "#let e = (name: 1)\n#let d = e\n#d.name",
        "#let f(d) = d.name\n#f((name: 1))",
        "#(1,).map(d => d + 1)",
        "#let x = true or d.name",
        "#for x in () [#d.name]",
        "#for d in ((name: 1),) [#d.name]",
        '#import "/presswork/layout.typ": fits as d\n#repr(d)',
    ],
)
def test_what_may_not_be_read_is_not_certain(engines: Engines, source: str) -> None:
    assert certain(typst(READ + source), {}) == [] and renders(engines, typst(READ + source), {})


def test_loops_are_arrays_of_what_is_read_of_their_rows() -> None:
    found = schema(typst(f"{READ}#for row in d.items [#row.name #row.price]"))
    assert list(found["properties"]["items"]["items"]["properties"]) == ["name", "price"]
    for source in ("#d.items.map(row => row.name).join()", "#for (i, row) in d.items.enumerate() [#row.name]"):
        inner = schema(typst(READ + source))["properties"]["items"]["items"]
        assert list(inner["properties"]) == ["name"]


def test_functions_of_the_library_say_what_values_are() -> None:
    bundle = typst(f'#import "/presswork.typ": *\n{READ}#money(d.total, "EUR") #date(d.day) #data-table(d.rows)')
    found = schema(bundle)["properties"]
    assert found["total"]["format"] == "amount" and found["day"]["type"] == ["string", "null"]
    assert found["rows"]["type"] == ["array", "null"]
    assert warned(bundle, {"total": "much", "day": "", "rows": []}) == [("data_invalid", "/data/total")]


def test_unknown_fields_warn_with_what_was_near() -> None:
    [(flaw, sure)] = SCHEMAS.flaws(schema(typst(f'{READ}#d.at("buyer", default: 1)')), {"buyr": 1})
    assert (flaw.code, flaw.pointer, sure) == ("unknown_field", "/data/buyr", False)
    assert flaw.detail == "The template does not know `buyr`. Is `buyer` meant?"


@pytest.mark.parametrize("source", ["#f(d)", "#let f(x) = x.y\n#f(d)", "#d.keys()", "#(..d)", "#repr(d).len()"])
def test_data_that_are_handed_on_whole_have_no_unknown_fields(source: str) -> None:
    assert "additionalProperties" not in schema(typst(READ + source))


def test_a_source_that_reads_no_data_has_no_schema() -> None:
    assert describe(typst("Hello")) == (None, None)


def test_data_that_are_chosen_by_a_condition_are_still_followed() -> None:
    chosen = (
        '#let d = if "data" in sys.inputs { json(bytes(sys.inputs.data)) } else { json("data.json") }\n#d.name #d.a.b'
    )
    assert set(schema(typst(chosen))["properties"]) == {"name", "a"} and certain(typst(chosen), {}) == []


def test_what_another_file_may_have_named_alike_is_not_certain() -> None:
    other = typst(f'{READ}#import "other.typ": *\n#d.name')
    assert certain(other, {}) == []


@pytest.mark.parametrize(
    "source", ["(" * 50_000, READ + '"' * 20_000, READ + "#f(" * 5_000 + "d", READ + "#d" + ".a" * 20_000, "#let ("]
)
def test_strange_sources_do_not_stop_it(source: str) -> None:
    assert len(describe(typst(source))) == 2


# ---- DOCX


def test_tags_become_objects_lists_and_types() -> None:
    bundle = docx(
        "{{ buyer.name }} {{ total | money }} {{ day | date }} {{ logo | image(width='40mm') }}",
        "{% for row in rows %}{{ row.name }}{% for sub in row.subs %}{{ sub }}{% endfor %}{% endfor %}",
        "{% if note %}{{ note }}{% endif %}{{ vat | default('') }}",
    )
    found = schema(bundle)
    assert found["required"] == ["buyer", "total", "day", "logo", "rows"]
    assert found["properties"]["buyer"]["properties"].keys() == {"name"}
    assert found["properties"]["rows"]["items"]["required"] == ["name", "subs"]
    assert set(found["properties"]) == {"buyer", "total", "day", "logo", "rows", "note", "vat"}
    assert warned(bundle, {**example(bundle), "total": "much"}) == [("data_invalid", "/data/total")]


@pytest.mark.parametrize(
    ("loop", "value"),
    [
        ("for k, v in d.items()", "{{ k }}{{ v.n|money }}"),
        ("for v in d.values()", "{{ v.n|money }}"),
        ("for k, v in d|dictsort", "{{ k }}{{ v.n|money }}"),
        ("for k, v in d|items|sort", "{{ k }}{{ v.n|money }}"),
    ],
)
def test_an_object_that_is_walked_through_has_values_of_any_name(engines: Engines, loop: str, value: str) -> None:
    bundle = docx(f"{{% {loop} %}}", value, "{% endfor %}")
    found = schema(bundle)["properties"]["d"]
    assert (found["type"], found["properties"]) == (["object", "null"], {})
    assert list(found["additionalProperties"]["properties"]) == ["n"]
    assert list(example(bundle)["d"].values()) == [{"n": 120.5}] * 2
    assert renders(engines, bundle, example(bundle))
    assert warned(bundle, {"d": {"any": {"n": 1}, "name": {"n": 2}}}) == []
    assert [pointer for _, pointer in warned(bundle, {"d": {"any": {"m": 1}}})] != []


def test_an_object_whose_names_are_read_may_hold_anything(engines: Engines) -> None:
    bundle = docx(
        "{{ d.title }}{% for k in d.keys() %}{{ k }}{% endfor %}{% for e in e.x.items() %}{{ e[1] }}{% endfor %}"
    )
    assert set(example(bundle)["d"]) == {"title", "first", "second"}
    assert renders(engines, bundle, example(bundle))
    assert warned(bundle, {"d": {"title": "a", "b": [1]}, "e": {"x": {"c": {}}}}) == []


def test_only_a_loop_over_what_is_no_list_is_certain(engines: Engines) -> None:
    bundle = docx("{{ a.b }}{% for row in rows %}{{ row.x }}{% endfor %}")
    assert certain(bundle, {"rows": 7}) == ["/data/rows"] and not renders(engines, bundle, {"a": {"b": 1}, "rows": 7})
    assert certain(bundle, {"a": {}, "rows": None}) == []
    assert warned(bundle, {}) == [("data_missing", "/data/a"), ("data_missing", "/data/rows")]


@pytest.mark.parametrize(
    "text",
    [
        "{% if a %}{% for row in rows %}{{ row }}{% endfor %}{% endif %}",
        "{% macro m() %}{% for row in rows %}{{ row }}{% endfor %}{% endmacro %}",
        "{% set rows = [1] %}{% for row in rows %}{{ row }}{% endfor %}",
    ],
)
def test_a_loop_that_may_not_run_is_not_certain(engines: Engines, text: str) -> None:
    assert certain(docx(text), {"rows": 7}) == [] and renders(engines, docx(text), {"rows": 7})


def test_names_that_the_template_makes_are_no_data() -> None:
    bundle = docx(
        "{% set x = 1 %}{{ x }}{{ locale }}{{ today }}{% for a in rows %}{{ loop.index }}{{ a }}{% endfor %}"
        "{% if rows %}{% set y = 2 %}{% endif %}{{ y }}"
        "{% macro m(p) %}{{ p }}{% endmacro %}{% with w = 1 %}{{ w }}{% endwith %}"
    )
    assert set(schema(bundle)["properties"]) == {"rows"}


# ---- both


@pytest.mark.parametrize("name", SHIPPED)
def test_every_shipped_sample_is_accepted(engines: Engines, name: str) -> None:
    shipped = SHIPPED[name]
    for source in shipped.bundle.manifest.sources:
        alone = TemplateBundle(TemplateManifest(sources=(source,)), shipped.bundle.files)
        assert SCHEMAS.flaws(schema(alone), shipped.sample) == [], source.file
    assert SCHEMAS.flaws(schema(shipped.bundle), shipped.sample) == []


SOURCES = (
    typst(
        f'{READ}Dear #d.name #d.seller.name #d.at("x", default: "")\n#if "note" in d [#d.note]\n'
        "#for r in d.items [#r.price]"
    ),
    typst('#let (a, b: c, ..) = json("data.json")\n#a #c.x\n#let f(x) = x.y\n#let s = c.seller\n#s.name #s.iban'),
    typst(
        f"{READ}#let total(d) = d.sum\n#total((sum: 1)) #d.a\n#show heading: it => [#d.h #it.body]\n"
        "#{ let e = d.deep; e.x }"
    ),
    typst(
        f'#import "/presswork.typ": *\n{READ}#show: letterhead.with(name: d.seller.name)\n'
        '#money(d.total, "EUR")\n#data-table(d.rows)'
    ),
    typst(f"{READ}#table(columns: 2, ..d.cells.map(c => [#c.t]).flatten())\n$ #d.m $\n= #d.h\n- #d.one\n  - #d.two"),
    docx(
        "{% for r in rows %}{{ r.name }}{% for q in r.subs %}{{ q }}{% endfor %}{% endfor %}",
        "{{ total|money }}{{ when|date }}",
    ),
    docx("{% if a %}{% for r in rows %}{{ r.name }}{% endfor %}{% endif %}{{ x or y }}{% set k = b.c %}{{ k }}"),
    docx("{% for r in rows %}{{ loop.index }}{{ r }}{% else %}none{% endfor %}{{ names|join(', ') }}{{ a['b c'] }}"),
)
VALUES = (1, True, None, "text", [], [1], ["a"], {"a": 1}, {}, [{}], 1.5)


def places(value: object, at: tuple[str | int, ...] = ()) -> Iterator[tuple[str | int, ...]]:
    inner = value.items() if isinstance(value, dict) else enumerate(value[:1]) if isinstance(value, list) else ()
    for key, one in inner:
        yield (*at, key)
        yield from places(one, (*at, key))


def changed(data: Any, at: tuple[str | int, ...], value: object) -> Any:
    """Return the data with another value at a place; without it if the value is Ellipsis."""
    other = copy.deepcopy(data)
    holder = other
    for key in at[:-1]:
        holder = holder[key]
    if value is ...:
        del holder[at[-1]]
    else:
        holder[at[-1]] = value
    return other


@pytest.mark.parametrize("number", range(len(SOURCES)))
def test_the_example_renders_and_what_is_certain_to_fail_fails(engines: Engines, number: int) -> None:
    bundle, chance = SOURCES[number], random.Random(number)
    data = example(bundle)
    assert renders(engines, bundle, data) and SCHEMAS.flaws(schema(bundle), data) == []
    refused = 0
    for _ in range(60):
        other = changed(data, chance.choice(list(places(data))), chance.choice((..., *VALUES)))
        if certain(bundle, other):
            refused += 1
            assert not renders(engines, bundle, other), other
    assert refused or number == 6


def test_with_several_sources_only_what_all_need_is_certain() -> None:
    both = SHIPPED["invoice"].bundle
    assert "x-certain" not in json.dumps(schema(both))


def test_the_template_of_the_docs_renders_with_its_example(engines: Engines) -> None:
    source = (DOCS / "typst.md").read_text(encoding="utf-8").split("```typst\n")[1].split("```")[0]
    assert renders(engines, typst(source), example(typst(source)))
