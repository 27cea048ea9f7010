"""Typst sources: what they can see, and errors that point at the line, the expression and the data."""

import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from contracts.errors import DocumentError, DocumentFailed
from contracts.templates import TemplateBundle, TemplateManifest, TemplateSource
from generator.core import Engines, Rendered, RenderRequest, generate
from generator.renderers.registry import FONTS
from generator.renderers.typst import TypstRenderer
from generator.renderers.typst_compilers import FontSet
from generator.renderers.typst_files import BUNDLES_ON_DISK
from generator.sandbox import RenderPool, SandboxLimits


def render(engines: Engines, source: str, data: object = None, **files: bytes) -> Rendered:
    bundle = TemplateBundle.of_file("typst", source.encode())
    both = TemplateBundle(
        bundle.manifest, {**bundle.files, **{name.replace("__", "."): text for name, text in files.items()}}
    )
    return generate(RenderRequest(both, json.dumps(data or {}).encode(), "pdf", template="letter", version=2), engines)


def error(engines: Engines, source: str, data: object = None, **files: bytes) -> DocumentError:
    with pytest.raises(DocumentFailed) as failure:
        render(engines, source, data, **files)
    return failure.value.error


def test_a_broken_expression_is_located(engines: Engines) -> None:
    found = error(engines, "First\n\nHello #(d + 1)")
    assert (found.code, found.line, found.column, found.tag) == ("template_error", 3, 9, "d")
    assert (found.part, found.excerpt) == ("main.typ", "Hello #(d + 1)")
    assert (found.template, found.version, found.retryable) == ("letter", 2, False)


def test_a_missing_key_names_its_path_and_near_names(engines: Engines) -> None:
    found = error(engines, '#let d = json("data.json")\n#d.buyer.name', {"buyer": {"nam": 1}})
    assert (found.code, found.data_path, found.line) == ("data_missing", "buyer.name", 2)
    assert found.hint == "The data has `buyer.nam`: is that meant?"


@pytest.mark.parametrize(
    ("source", "path", "line"),
    [
        ("#for row in d.items [\n#row.price ]", "items[].price", 3),
        ('#for (i, row) in d.items.enumerate() [#row.at("price")]', "items[].price", 2),
        ("#d.items.map(row => row.price).sum()", "items[].price", 2),
        ("#let first = d.buyer\n#first.price", "buyer.price", 3),
        ('#let first = d.buyer\n#first.at("price")', "buyer.price", 3),
        ("#for row in d.items { for sub in row.subs [#sub.deep.price] }", "items[].subs[].deep.price", 2),
    ],
)
def test_a_missing_key_of_a_row_is_named_from_the_top(engines: Engines, source: str, path: str, line: int) -> None:
    data = {"items": [{"prize": 1, "subs": [{"deep": {"prize": 1}}]}], "buyer": {"prize": 2}}
    found = error(engines, f'#let d = json("data.json")\n{source}', data)
    assert (found.code, found.data_path, found.line) == ("data_missing", path, line)
    assert found.hint == f"The data has `{path.replace('price', 'prize')}`: is that meant?"


def test_a_missing_key_inside_a_function_is_still_missing_data(engines: Engines) -> None:
    found = error(engines, '#let d = json("data.json")\n#let f(x) = x.price\n#f(d)', {"prices": 1})
    assert (found.code, found.data_path, found.line) == ("data_missing", "price", 2)
    assert found.hint == "The data has `prices`: is that meant?"


@pytest.mark.parametrize(
    "source",
    ["#let f(c) = c.nmae\n#f(d.customer)", "#let (nmae,) = d.customer", "#for r in d.rows { let (nmae,) = r }"],
)
def test_a_missing_key_of_an_argument_or_of_parts_names_what_is_near(engines: Engines, source: str) -> None:
    data = {"customer": {"name": "A"}, "rows": [{"name": "B"}]}
    found = error(engines, f'#let d = json("data.json")\n{source}', data)
    assert (found.code, found.hint) == (
        "data_missing",
        "The data has `customer.name` and `rows[].name`: is that meant?",
    )


@pytest.mark.parametrize("refuse", ['#panic("{}")', '#assert(false, message: "{}")'])
def test_a_template_that_refuses_data_itself_can_name_the_place(engines: Engines, refuse: str) -> None:
    found = error(engines, "\n" + refuse.format("`items[0].price` is odd: no."), {"items": [{"prise": 1}]})
    assert (found.code, found.data_path, found.line) == ("data_invalid", "items[0].price", 2)
    assert found.message == "`items[0].price` is odd: no."
    assert found.hint == "The data has `items[0].prise`: is that meant?"


def test_an_error_in_another_file_names_that_file(engines: Engines) -> None:
    found = error(engines, '#import "part.typ": *', part__typ=b"\n#let x = 1 +")
    assert (found.part, found.line) == ("part.typ", 2)


def test_values_are_text_and_never_code(engines: Engines) -> None:
    assert render(engines, '#json("data.json").x', {"x": "#panic() $ _ * \\ <b>"}).pages == 1


def test_packages_are_not_fetched(engines: Engines) -> None:
    found = error(engines, '#import "@preview/cetz:0.1.0": *')
    assert (found.code, found.line, found.column) == ("template_error", 1, 9)
    assert found.message == 'Packages are not fetched: "@preview/cetz:0.1.0".'
    assert found.hint and found.hint.startswith("Put the package's files beside the template and import them by path.")


def test_a_package_that_is_imported_by_a_made_up_name_is_not_fetched_either(engines: Engines) -> None:
    assert error(engines, '#import ("@preview/" + "cetz:0.1.0"): *').message == "Packages are not fetched."


def test_packages_of_the_operators_folder_can_be_imported(tmp_path: Path) -> None:
    package = tmp_path / "preview" / "greet" / "1.0.0"
    package.mkdir(parents=True)
    manifest = '[package]\nname = "greet"\nversion = "1.0.0"\nentrypoint = "lib.typ"\n'
    (package / "typst.toml").write_text(manifest)
    (package / "lib.typ").write_text("#let hi = [Hi]")
    engines = Engines(packages=tmp_path)
    assert render(engines, '#import "@preview/greet:1.0.0": hi\n#hi').pages == 1
    found = error(engines, '#import "@preview/greet:2.0.0": hi\n#hi')
    assert found.message.startswith('The package "@preview/greet:2.0.0" is not in the folder of packages')


@pytest.mark.parametrize("path", ["/etc/passwd", "../../../etc/passwd", "missing.txt"])
def test_nothing_outside_the_bundle_can_be_read(engines: Engines, path: str) -> None:
    found = error(engines, f'#read("{path}")')
    assert found.code == "template_error"
    assert "searched at" not in found.message and "--root" not in (found.hint or "")


def test_images_of_the_bundle_can_be_used(engines: Engines) -> None:
    pixel = bytes.fromhex(
        "89504e470d0a1a0a0000000d49484452000000010000000108000000003a7e9b550000000a49444154789c63680000008200"
        "8177cd72b60000000049454e44ae426082"
    )
    assert render(engines, '#image("logo.png")', logo__png=pixel).pages == 1
    assert error(engines, '#image("logo.png")').code == "template_error"


def test_a_source_that_is_no_text_is_refused(engines: Engines) -> None:
    with pytest.raises(DocumentFailed, match="not UTF-8"):
        generate(RenderRequest(TemplateBundle.of_file("typst", b"\xff\xfe"), b"{}", "pdf"), engines)


def test_other_files_need_not_be_utf8(engines: Engines) -> None:
    source = '#read("latin.txt", encoding: none).len()'
    assert render(engines, source, latin__txt="Ünïcode".encode("latin-1")).pages == 1


def test_a_source_in_a_folder_finds_its_neighbours(engines: Engines) -> None:
    source = TemplateSource(engine="typst", file="src/letter.typ", formats=("pdf",))
    files = {"src/letter.typ": b'#import "part.typ": x\n#x\n#nothing', "src/part.typ": b"#let x = 1"}
    with pytest.raises(DocumentFailed) as failure:
        generate(RenderRequest(TemplateBundle(TemplateManifest(sources=(source,)), files), b"{}", "pdf"), engines)
    assert (failure.value.error.part, failure.value.error.line) == ("letter.typ", 3)


def test_warnings_are_carried(engines: Engines) -> None:
    warned = render(engines, '#set text(font: "No Such Font")\nHi').warnings
    assert [(one.code, one.message) for one in warned] == [("template_warning", "unknown font family: no such font")]


def test_the_clock_is_the_documents_own_in_its_zone(engines: Engines) -> None:
    source = b'#assert.eq(sys.inputs.today, "2026-03-02")'
    bundle = TemplateBundle.of_file("typst", source)
    late = 1_772_407_800_000  # 2026-03-01T23:30:00Z
    assert generate(RenderRequest(bundle, b"{}", "pdf", late, timezone="Europe/Moscow"), engines).pages == 1
    with pytest.raises(DocumentFailed):
        generate(RenderRequest(bundle, b"{}", "pdf", late, timezone="UTC"), engines)


def test_the_names_of_virtual_files_never_vary(monkeypatch: pytest.MonkeyPatch) -> None:
    """The compiler interns file names for good and there are 65,535 ids: a name per document would use them up."""
    renderer = TypstRenderer(FONTS)
    seen: set[str] = set()
    compile_ = FontSet.compile

    def watched(fonts: FontSet, files: dict[str, bytes], *rest: Any, **options: Any) -> Any:
        seen.update(files)
        return compile_(fonts, files, *rest, **options)

    monkeypatch.setattr(FontSet, "compile", watched)
    source = TemplateSource(engine="typst", file="main.typ", formats=("svg",))
    for number in range(5):
        bundle = TemplateBundle(TemplateManifest(sources=(source,)), {"main.typ": b"%d" % number})
        renderer.render(source, RenderRequest(bundle, b"{}", "svg"))
    assert seen == {"main.typ", "data.json"}


@pytest.fixture
async def pool() -> AsyncIterator[RenderPool]:
    made = RenderPool(SandboxLimits(workers=1, spare=0))
    await made.start()
    yield made
    await made.close()


async def test_names_of_files_that_are_used_up_cost_a_process_and_no_document(pool: RenderPool) -> None:
    """Thirty-five zips of so many files would make the compiler panic on somebody else's document."""
    first = pool.children[0].pid
    for zip_number in range(35):
        bundle = TemplateBundle.of_file("typst", b"Hello")
        parts = {f"{zip_number}/{number}.typ": b"" for number in range(1_990)}
        many = TemplateBundle(bundle.manifest, {**bundle.files, **parts})
        assert (await pool.render(RenderRequest(many, b"{}", "svg"))).pages == 1
    assert [child.pid for child in pool.children] != [first]


def test_files_of_equal_name_in_different_bundles_are_never_mixed_up(engines: Engines) -> None:
    """Also after a bundle was evicted from disk and comes back."""
    for number in [1, 2, 1, *range(3, 40), 1, 2]:
        content = b"\xff" * number
        source = f'#assert.eq(read("data.bin", encoding: none).len(), {number})'
        assert render(engines, source, data__bin=content).pages == 1


def test_the_files_of_many_bundles_do_not_fill_the_disk(tmp_path: Path) -> None:
    renderer = TypstRenderer(FONTS, tmp_path)
    source = TemplateSource(engine="typst", file="main.typ", formats=("svg",))
    for number in range(BUNDLES_ON_DISK + 5):
        files = {"main.typ": b"x", "data.bin": b"%d" % number}
        renderer.render(source, RenderRequest(TemplateBundle(TemplateManifest(sources=(source,)), files), b"{}", "svg"))
    assert len(list(tmp_path.iterdir())) == BUNDLES_ON_DISK + 2


@pytest.mark.parametrize(
    ("data", "path"),
    [({"id": 2**63}, "id"), ({"rows": [{"n": 1}, {"n": -(2**64)}]}, "rows[1].n")],
)
def test_a_whole_number_that_would_lose_digits_is_warned_of_and_strictly_refused(
    engines: Engines, data: dict[str, object], path: str
) -> None:
    (warned,) = render(engines, '#json("data.json")', data).warnings
    assert warned.code == "data_invalid" and f"`{path}` is " in warned.message and "as a text" in warned.message
    bundle = TemplateBundle.of_file("typst", b"Hello")
    with pytest.raises(DocumentFailed) as failure:
        generate(RenderRequest(bundle, json.dumps(data).encode(), "pdf", strict=True), engines)
    assert (failure.value.error.code, failure.value.error.data_path) == ("data_invalid", path)


def test_a_whole_number_beyond_all_floats_is_an_error_of_the_data(engines: Engines) -> None:
    found = error(engines, '#json("data.json")', {"a": 2**64, "b": 10**400})
    assert (found.code, found.data_path) == ("data_invalid", "b") and found.hint


def test_numbers_that_fit_and_long_texts_are_not_warned_of(engines: Engines) -> None:
    data = {"id": 2**63 - 1, "low": -(2**63), "iban": "1" * 40, "pi": 3.1415926535897932384626}
    assert render(engines, '#json("data.json")', data).warnings == ()
