"""Fonts that a Typst template brings, and the standards that its PDFs conform to."""

import io
import json
from pathlib import Path

import pikepdf
import pytest

from contracts.errors import DocumentError, DocumentFailed
from contracts.templates import PDF_STANDARDS, TemplateBundle, TemplateManifest, TemplateSource
from generator.core import Engines, RenderRequest, generate
from generator.renderers.registry import FONTS
from generator.renderers.typst import TypstRenderer
from generator.renderers.typst_compilers import KEPT

FONT = (FONTS / "Inter-Bold.otf").read_bytes()
TITLED = '#set document(title: "Report")\n'


def renamed(family: str) -> bytes:
    """Make a font of another family: its name has five letters, like Inter."""
    return FONT.replace("Inter".encode("utf-16-be"), family.encode("utf-16-be")).replace(b"Inter", family.encode())


def bundle(source: str, standards: tuple[str, ...] = (), tagged: bool = False, **files: bytes) -> TemplateBundle:
    own = TemplateSource(engine="typst", file="main.typ", formats=("pdf", "png", "svg"))
    manifest = TemplateManifest(sources=(own,), pdf_standards=standards, tagged=tagged)
    return TemplateBundle(
        manifest, {"main.typ": source.encode(), **{k.replace("__", "."): v for k, v in files.items()}}
    )


def made(engines: Engines, template: TemplateBundle, data: object = None) -> pikepdf.Pdf:
    content = generate(RenderRequest(template, json.dumps(data or {}).encode(), "pdf"), engines).content
    return pikepdf.open(io.BytesIO(content))


def error(engines: Engines, template: TemplateBundle) -> DocumentError:
    with pytest.raises(DocumentFailed) as failure:
        generate(RenderRequest(template, b"{}", "pdf"), engines)
    return failure.value.error


def fonts_of(pdf: pikepdf.Pdf) -> set[str]:
    return {str(font["/BaseFont"]) for font in pdf.pages[0]["/Resources"]["/Font"].values()}  # type: ignore[operator]


def test_a_template_prints_with_its_own_font(engines: Engines) -> None:
    pdf = made(engines, bundle('#set text(font: "Xnter")\nHello', brand__otf=renamed("Xnter")))
    assert any("Xnter" in name for name in fonts_of(pdf))


def test_a_font_is_seen_by_its_own_template_only(engines: Engines) -> None:
    source = '#set text(font: "Ynter")\nHello'
    assert generate(RenderRequest(bundle(source, brand__otf=renamed("Ynter")), b"{}", "pdf"), engines).warnings == ()
    warnings = generate(RenderRequest(bundle(source), b"{}", "pdf"), engines).warnings
    assert [one.message for one in warnings] == ["unknown font family: ynter"]


def test_a_file_that_is_no_font_is_named(engines: Engines) -> None:
    warnings = generate(RenderRequest(bundle("Hello", odd__ttf=b"no font"), b"{}", "pdf"), engines).warnings
    assert [one.message for one in warnings] == ["odd.ttf is no font that can be read."]


def test_a_font_that_is_cut_off_costs_no_more_than_its_document(engines: Engines) -> None:
    for length in (4, 100, 5_000, len(FONT) // 2):
        cut = bundle('#set text(font: "Znter")\nHello', brand__otf=renamed("Znter")[:length])
        assert generate(RenderRequest(cut, b"{}", "pdf"), engines).pages == 1
    assert made(engines, bundle("Hello")).pages


def test_few_compilers_with_fonts_of_templates_are_kept(tmp_path: Path) -> None:
    renderer = TypstRenderer(FONTS, tmp_path)
    for letter in "ABCDEFG":
        template = bundle(f'#set text(font: "{letter}nter")\nHello', brand__otf=renamed(f"{letter}nter"))
        rendered = renderer.render(template.manifest.sources[0], RenderRequest(template, b"{}", "pdf"))
        assert rendered.warnings == ()
    assert len(list(tmp_path.glob("fonts-*"))) == KEPT
    renderer.cool()
    assert list(tmp_path.glob("fonts-*")) == []


@pytest.mark.parametrize("standard", PDF_STANDARDS)
def test_every_standard_is_declared_in_the_file(engines: Engines, standard: str) -> None:
    pdf = made(engines, bundle(f"{TITLED}Hello", (standard,)))
    with pdf.open_metadata() as metadata:
        if standard.startswith("a-"):
            assert f"a-{metadata['pdfaid:part']}{str(metadata.get('pdfaid:conformance', '')).lower()}" == standard
            assert [str(one["/S"]) for one in pdf.Root["/OutputIntents"]] == ["/GTS_PDFA1"]  # type: ignore[union-attr]
        elif standard == "ua-1":
            assert metadata["pdfuaid:part"] == "1"
        else:
            assert pdf.pdf_version == standard


@pytest.mark.parametrize("standard", ["a-1a", "a-2a", "a-3a", "ua-1"])
def test_accessible_standards_are_tagged(engines: Engines, standard: str) -> None:
    assert "/StructTreeRoot" in made(engines, bundle(f"{TITLED}Hello", (standard,))).Root


def test_tags_are_written_if_the_manifest_says_so(engines: Engines) -> None:
    assert "/StructTreeRoot" in made(engines, bundle("Hello", tagged=True)).Root
    assert "/StructTreeRoot" not in made(engines, bundle("Hello")).Root


def test_archive_and_accessibility_go_together(engines: Engines) -> None:
    with made(engines, bundle(f"{TITLED}Hello", ("a-2a", "ua-1"))).open_metadata() as metadata:
        assert (metadata["pdfaid:part"], metadata["pdfuaid:part"]) == ("2", "1")


def test_text_without_a_glyph_is_refused_by_the_archive(engines: Engines) -> None:
    found = error(engines, bundle("Hello\n\n日本", ("a-2b",)))
    assert (found.code, found.line, found.excerpt) == ("missing_glyphs", 3, "日本")
    assert "日" in found.message and found.hint and found.hint.startswith("Give the template a font that has it")


def test_a_picture_without_words_is_refused_by_ua(engines: Engines) -> None:
    found = error(engines, bundle(f"{TITLED}#image(bytes(\"<svg xmlns='http://www.w3.org/2000/svg'/>\"))", ("ua-1",)))
    assert (found.code, found.line) == ("template_error", 2)
    assert found.message == "PDF/UA-1 does not allow this: missing alt text."
    assert found.hint == 'Say what the picture shows: `image(path, alt: "...")`.'


def test_a_document_without_title_is_refused_by_ua(engines: Engines) -> None:
    assert error(engines, bundle("Hello", ("ua-1",))).hint == "Give it a title: `#set document(title: [...])`."


def test_standards_that_exclude_each_other_say_so(engines: Engines) -> None:
    found = error(engines, bundle("Hello", ("a-2b", "2.0")))
    assert found.message.startswith("These PDF standards exclude each other: PDF 2.0 is not compatible with PDF/A-2b.")
