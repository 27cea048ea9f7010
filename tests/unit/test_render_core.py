"""The core: one call from data to a checked document, errors that name what they can."""

import json

import pytest

from contracts.data_paths import absent, near_names
from contracts.errors import DocumentFailed
from contracts.jobs import Simulate
from contracts.templates import TemplateBundle, TemplateManifest, TemplateSource
from generator.core import Engines, RenderRequest, generate


@pytest.fixture(scope="module")
def engines() -> Engines:
    return Engines()


def requiring(*paths: str) -> TemplateBundle:
    source = TemplateSource(engine="typst", file="main.typ", formats=("pdf", "png", "svg"))
    return TemplateBundle(TemplateManifest(sources=(source,), requires=paths), {"main.typ": b"Hello"})


def request(
    bundle: TemplateBundle, data: object = None, output_format: str = "pdf", **options: object
) -> RenderRequest:
    return RenderRequest(bundle, json.dumps(data or {}).encode(), output_format, **options)  # type: ignore[arg-type]


def test_a_format_without_source_names_those_that_there_are(engines: Engines) -> None:
    with pytest.raises(DocumentFailed) as failure:
        generate(request(requiring(), output_format="docx", template="letter", version=3), engines)
    error = failure.value.error
    assert (error.code, error.template, error.version) == ("unsupported_format", "letter", 3)
    assert error.hint == "Ask for one of: pdf, png, svg."


def test_missing_data_is_a_warning(engines: Engines) -> None:
    rendered = generate(request(requiring("number", "items[].name"), {"items": [{"name": "a"}, {}]}), engines)
    assert [warning.message for warning in rendered.warnings] == [
        "The data has no `number`: it was left blank.",
        "The data has no `items[1].name`: it was left blank.",
    ]


def test_missing_data_is_an_error_if_strict(engines: Engines) -> None:
    with pytest.raises(DocumentFailed) as failure:
        generate(request(requiring("buyer.name"), {"buyer": {"nmae": "A"}}, strict=True), engines)
    error = failure.value.error
    assert (error.code, error.data_path) == ("data_missing", "buyer.name")
    assert error.hint == "The data has `buyer.nmae`: is that meant?"


def test_the_same_request_makes_the_same_bytes(engines: Engines) -> None:
    once = request(TemplateBundle.of_file("typst", b"#datetime.today().display()"), created_at_ms=1_770_000_000_123)
    assert generate(once, engines).content == generate(once, Engines()).content


@pytest.mark.parametrize("pages", [0, 1, 2, 7])
def test_simulated_pages_are_the_least(engines: Engines, pages: int) -> None:
    rendered = generate(request(requiring(), simulate=Simulate(pages=pages)), engines)
    assert rendered.pages == max(pages, 1)


@pytest.mark.parametrize(("output_format", "start"), [("png", b"\x89PNG"), ("svg", b"<svg")])
def test_previews_show_the_first_page(engines: Engines, output_format: str, start: bytes) -> None:
    bundle = TemplateBundle.of_file("typst", b"#set page(width: 50mm, height: 50mm)\nA #pagebreak() B")
    rendered = generate(request(bundle, output_format=output_format), engines)
    assert rendered.content.startswith(start)
    assert rendered.pages == 2


def test_absent_paths_name_the_first_row_and_the_highest_gap() -> None:
    data = {"rows": [{"a": 1}, {"a": None}], "empty": [], "deep": {"b": {}}}
    assert absent(data, ["rows[].a", "empty[].x", "deep.b.c", "gone.x", "rows"]) == ["rows[1].a", "deep.b.c", "gone.x"]
    assert absent({}, ["sections", "sections[].title"]) == ["sections"]


def test_near_names_look_beside_and_then_anywhere() -> None:
    data = {"seller": {"name": "A"}, "items": [{"prise": 1}]}
    assert near_names(data, "seler.name") == ["seller"]
    assert near_names(data, "items[].price") == ["items[].prise"]
    assert near_names(data, "prise") == ["items[].prise"]
    assert near_names(data, "zzz") == []
