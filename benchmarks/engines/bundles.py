"""Our own templates of the comparison, as bundles."""

from pathlib import Path

from benchmarks.engines.contestants import OURS_DOCX, OURS_PDF, WORK
from contracts.templates import TemplateBundle, TemplateManifest, TemplateSource
from generator.renderers.port import RenderRequest

#: Where systems keep the font that the page of every contestant names; without it each takes another.
_FONTS = Path("/usr/share/fonts/truetype/liberation")
_EPOCH_MS = 1_772_323_200_000


def bundle_of(kind: str, output_format: str) -> TemplateBundle:
    """Make the bundle of an invoice or a report: with Typst come the logo and, if this machine has it, the font."""
    if output_format == "docx":
        return TemplateBundle.of_file("docx", OURS_DOCX.template_of(kind).read_bytes())
    fonts = [_FONTS / f"LiberationSans-{style}.ttf" for style in ("Regular", "Bold")]
    files = {font.name: font.read_bytes() for font in fonts if font.exists()}
    files |= {"main.typ": OURS_PDF.template_of(kind).read_bytes(), "logo.png": (WORK / "logo.png").read_bytes()}
    source = TemplateSource(engine="typst", file="main.typ", formats=("pdf",))
    return TemplateBundle(TemplateManifest(sources=(source,)), files)


def request_of(bundle: TemplateBundle, data: bytes, output_format: str, number: int = 0) -> RenderRequest:
    """Make a request of its own clock, as no two documents are made in the same millisecond."""
    return RenderRequest(bundle, data, output_format, _EPOCH_MS + number, "en")
