"""Typst: PDF, PNG and SVG by long-lived compilers.

Templates see their own files, the library, `data.json` and `sys.inputs`; nothing else on disk, and never the network.
"""

import json
import shutil
import tempfile
import weakref
from collections.abc import Callable
from functools import partial
from pathlib import Path

import typst

from contracts.documents import Warned
from contracts.templates import TemplateSource
from generator.renderers.port import Rendered, RenderRequest, failed, local_moment
from generator.renderers.typst_assets import Pictures, with_pictures
from generator.renderers.typst_compilers import Compilers, FontSet, Options
from generator.renderers.typst_errors import located
from generator.renderers.typst_files import Roots, is_text, library, placed
from generator.renderers.typst_glyphs import GlyphCheck
from generator.renderers.typst_numbers import inexact
from generator.renderers.typst_packages import refuse_packages

#: File names are interned for the life of the process and there are 65,535 ids: the names of a job never vary.
MAIN, DATA = "main.typ", "data.json"
#: Those of templates do: a process that has seen so many gives up, and the document is rendered in a new one.
MOST_NAMES = 50_000
WARNINGS_KEPT = 20
COMPILES_TO_FORGET = 12
#: Standards that cannot be met without structure tags.
_TAGGED = frozenset({"a-1a", "a-2a", "a-3a", "ua-1"})

_SIMULATED = "\n#for _ in range({count}) {{ pagebreak(); lorem(320) }}\n"


class TypstRenderer:
    """Renders `.typ` sources with the fonts in `fonts`, those inside Typst and those of the template.

    System fonts are never scanned. `packages`: a folder of Typst packages (`preview/cetz/0.4.2/...`), None for none.
    """

    def __init__(self, fonts: Path, scratch: Path | None = None, packages: Path | None = None) -> None:
        self._scratch = scratch or Path(tempfile.mkdtemp(prefix="presswork-typst-"))
        if scratch is None:
            weakref.finalize(self, shutil.rmtree, self._scratch, ignore_errors=True)
        self._empty = self._scratch / "empty"
        self._empty.mkdir(parents=True, exist_ok=True)
        self._packages = packages
        self._names: set[str] = set()
        self._library = library()
        self._roots = Roots(self._scratch)
        self._compilers = Compilers(fonts, self._scratch, self._empty, packages)

    @property
    def glyphs(self) -> GlyphCheck:
        """What the shipped fonts can show."""
        return self._compilers.shipped.glyphs

    def warm_up(self) -> None:
        """Compile a line in each style, so that font files are mapped before the sandbox closes."""
        line = b'#set text(font: "Inter")\nA *B* _C_ *_D_*'
        self._compilers.shipped.compile({MAIN: line, DATA: b"{}"}, "pdf")
        self.glyphs.warm_up()

    def cool(self) -> None:
        """Evict the memoised layouts: entries that ten compilations did not use are dropped."""
        self._compilers.forget()
        for _ in range(COMPILES_TO_FORGET):
            self._compilers.shipped.compile({MAIN: b"", DATA: b"{}"}, "pdf")

    def render(self, source: TemplateSource, request: RenderRequest) -> Rendered:
        """Compile one document; PNG and SVG show the first page.

        Raises DocumentFailed, and MemoryError in a process that has seen too many file names.
        """
        self._names.update(request.bundle.files)
        if len(self._names) > MOST_NAMES:
            raise MemoryError("The file names of templates are used up in this process.")
        fonts, unread = self._compilers.of(request.fonts or request.bundle)
        shown, rounded = request.data, inexact(request)
        request, pictures = with_pictures(request)
        files = _text_files(source, request)
        refuse_packages(files, self._packages)
        root = self._roots.whole(request.bundle) if request.trusted else self._roots.of(request.bundle)
        given = files if not request.trusted else {MAIN: files[MAIN], DATA: request.data}
        compiled = partial(fonts.compile, given, request.format, **_options(request, root, pictures))
        objections = partial(fonts.objections, given, **_options(request, root, pictures))
        with placed(root, pictures.files):
            try:
                pages, warnings = compiled()
            except typst.TypstError as error:
                raise located(error, source.file, {**self._library, **files}, shown, fonts.families) from error
            warned = _warned(warnings) + _missing_glyphs(fonts, files, request, objections)
        return Rendered(pages[0], None if request.format == "pdf" else len(pages), unread + rounded + warned)


def _missing_glyphs(
    fonts: FontSet, files: dict[str, bytes], request: RenderRequest, objections: Callable[[], str]
) -> tuple[Warned, ...]:
    """Warn of characters that were printed as boxes. Raises DocumentFailed missing_glyphs if strict."""
    missing = fonts.glyphs.missing(request.bundle.sha256, files, DATA, objections)
    if missing is None:
        return ()
    if request.strict:
        raise missing.refused(fonts.families)
    return (missing.warned(),)


def _options(request: RenderRequest, root: Path, pictures: Pictures) -> Options:
    manifest = request.bundle.manifest
    return {
        "sys_inputs": _inputs(request, pictures),
        "timestamp": local_moment(request),
        "pdf_tags": manifest.tagged or not _TAGGED.isdisjoint(manifest.pdf_standards),
        "pdf_standards": list(manifest.pdf_standards),
        "root": str(root),
    }


def _text_files(source: TemplateSource, request: RenderRequest) -> dict[str, bytes]:
    """Name the source `main.typ` and keep other text files; shipped sources, and those in folders, are included."""
    bundle = request.bundle.files
    if not is_text(source.file, bundle[source.file]):
        raise failed("template_error", f"{source.file} is not UTF-8 text.", part=source.file)
    files = {name: content for name, content in bundle.items() if name != source.file and is_text(name, content)}
    if source.file != MAIN and (request.trusted or "/" in source.file or MAIN in files):
        files[source.file] = bundle[source.file]
        main = f'#include "/{source.file}"'.encode()
    else:
        main = bundle[source.file]
    if request.extra_pages:
        main += _SIMULATED.format(count=request.extra_pages).encode()
    return {**files, MAIN: main, DATA: request.data}


def _inputs(request: RenderRequest, pictures: Pictures) -> dict[str, str]:
    return {
        "today": local_moment(request).date().isoformat(),
        "locale": request.locale or "en",
        "timezone": request.timezone or "UTC",
        "format": request.format,
        "strict": "true" if request.strict else "false",
        **({"pictures": json.dumps(pictures.said)} if pictures.said else {}),
    }


def _warned(warnings: list[typst.TypstWarning]) -> tuple[Warned, ...]:
    return tuple(Warned(code="template_warning", message=_worded(warning)) for warning in warnings[:WARNINGS_KEPT])


def _worded(warning: typst.TypstWarning) -> str:
    return "; ".join([warning.message, *warning.hints])
