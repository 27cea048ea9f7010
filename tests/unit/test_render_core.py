"""The core: one call from data to a checked document, errors that name what they can."""

import json

import pytest

from contracts.data_paths import near_names
from contracts.errors import DocumentFailed
from contracts.jobs import Simulate
from contracts.templates import TemplateBundle, TemplateManifest, TemplateSource
from generator.core import Engines, RenderRequest, generate


def hello() -> TemplateBundle:
    source = TemplateSource(engine="typst", file="main.typ", formats=("pdf", "png", "svg"))
    return TemplateBundle(TemplateManifest(sources=(source,)), {"main.typ": b"Hello"})


def request(
    bundle: TemplateBundle, data: object = None, output_format: str = "pdf", **options: object
) -> RenderRequest:
    return RenderRequest(bundle, json.dumps(data or {}).encode(), output_format, **options)  # type: ignore[arg-type]


def test_a_format_without_source_names_those_that_there_are(engines: Engines) -> None:
    with pytest.raises(DocumentFailed) as failure:
        generate(request(hello(), output_format="docx", template="letter", version=3), engines)
    error = failure.value.error
    assert (error.code, error.template, error.version) == ("unsupported_format", "letter", 3)
    assert error.hint == "Ask for one of: pdf, png, svg."


def test_the_same_request_makes_the_same_bytes(engines: Engines) -> None:
    once = request(TemplateBundle.of_file("typst", b"#datetime.today().display()"), created_at_ms=1_770_000_000_123)
    assert generate(once, engines).content == generate(once, Engines()).content


@pytest.mark.parametrize("pages", [0, 1, 2, 7])
def test_simulated_pages_are_the_least(engines: Engines, pages: int) -> None:
    rendered = generate(request(hello(), simulate=Simulate(pages=pages)), engines)
    assert rendered.pages == max(pages, 1)


@pytest.mark.parametrize(("output_format", "start"), [("png", b"\x89PNG"), ("svg", b"<svg")])
def test_previews_show_the_first_page(engines: Engines, output_format: str, start: bytes) -> None:
    bundle = TemplateBundle.of_file("typst", b"#set page(width: 50mm, height: 50mm)\nA #pagebreak() B")
    rendered = generate(request(bundle, output_format=output_format), engines)
    assert rendered.content.startswith(start)
    assert rendered.pages == 2


def test_near_names_look_beside_and_then_anywhere() -> None:
    data = {"seller": {"name": "A"}, "items": [{"prise": 1}]}
    assert near_names(data, "seler.name") == ["seller"]
    assert near_names(data, "items[].price") == ["items[].prise"]
    assert near_names(data, "items[0].price") == ["items[0].prise"]
    assert near_names(data, "items[7].price") == []
    assert near_names(data, "prise") == ["items[].prise"]
    assert near_names(data, "zzz") == []


CONTROLS = {"text": 'a\u0001b\u0008c\\u0002 \t\n"d" e\u001f\u0000'}


def test_control_characters_are_left_out_and_named(engines: Engines) -> None:
    shown = TemplateBundle.of_file("typst", b'#for one in json("data.json").text { [#one.to-unicode() ] }')
    clean = TemplateBundle.of_file("typst", b'#assert.eq(json("data.json").text, "abc\\\\u0002 \\t\\n\\"d\\" e")')
    rendered = generate(request(clean, CONTROLS), engines)
    named = "U+0000, U+0001, U+0008, U+001F"
    message = f"Control characters cannot be printed and were left out: {named}."
    assert [(one.code, one.message) for one in rendered.warnings] == [("control_characters", message)]
    assert generate(request(shown, {"text": "C:\\u0001\n"}), engines).warnings == ()


def test_a_strict_document_refuses_control_characters(engines: Engines) -> None:
    with pytest.raises(DocumentFailed) as failure:
        generate(request(hello(), CONTROLS, strict=True), engines)
    assert failure.value.code == "control_characters" and "U+0008" in failure.value.error.message


def test_a_strict_document_fails_where_another_is_warned(engines: Engines) -> None:
    odd = TemplateBundle.of_file("typst", b'#set text(font: "no such font")\nHello')
    assert [one.code for one in generate(request(odd), engines).warnings] == ["template_warning"]
    with pytest.raises(DocumentFailed) as failure:
        generate(request(odd, strict=True), engines)
    assert failure.value.code == "template_warning" and "no such font" in failure.value.error.message
