"""Typst: PDF, PNG and SVG by one long-lived compiler per process.

Templates see their own files, `data.json` and `sys.inputs`; the root is an empty directory, packages are not fetched.
"""

import shutil
import tempfile
import weakref
from collections import OrderedDict
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from functools import partial
from pathlib import Path, PurePosixPath
from typing import Protocol, TypedDict, Unpack, cast

import typst

from contracts.documents import Warned
from contracts.templates import TemplateSource
from generator.renderers.port import Rendered, RenderRequest, failed, local_moment
from generator.renderers.typst_errors import located
from generator.renderers.typst_glyphs import GlyphCheck

#: File names are interned for the life of the process and there are 65,535 ids: the names of a job never vary.
MAIN, DATA = "main.typ", "data.json"
PREVIEW_PPI = 144.0
WARNINGS_KEPT = 20
_TEXT_SUFFIXES = frozenset({".typ", ".json", ".csv", ".txt", ".toml", ".yaml", ".yml", ".xml", ".svg"})
COMPILES_TO_FORGET = 12
BUNDLES_ON_DISK = 16

_SIMULATED = "\n#for _ in range({count}) {{ pagebreak(); lorem(320) }}\n"


class _Options(TypedDict, total=False):
    sys_inputs: dict[str, str]
    timestamp: datetime
    pdf_tags: bool
    pdf_standards: str | list[str]
    root: str


_DEFAULTS: _Options = {
    "sys_inputs": {},
    "timestamp": datetime.fromtimestamp(0, UTC),
    "pdf_tags": False,
    "pdf_standards": [],
}


class _Compile(Protocol):
    def __call__(
        self, *, input: dict[str, bytes], format: str, ppi: float, **options: Unpack[_Options]
    ) -> tuple[bytes | list[bytes], list[typst.TypstWarning]]: ...


class TypstRenderer:
    """Renders `.typ` sources with the fonts in `fonts` and those inside Typst; system fonts are never scanned."""

    def __init__(self, fonts: Path, scratch: Path | None = None) -> None:
        self._scratch = scratch or Path(tempfile.mkdtemp(prefix="presswork-typst-"))
        if scratch is None:
            weakref.finalize(self, shutil.rmtree, self._scratch, ignore_errors=True)
        self._empty = self._scratch / "empty"
        self._empty.mkdir(parents=True, exist_ok=True)
        self._written: OrderedDict[str, None] = OrderedDict()
        available = typst.Fonts(include_system_fonts=False, font_paths=[str(fonts)])
        self._families = sorted(set(available.families()))
        self._glyphs = GlyphCheck(self._objections)
        self._compiler = typst.Compiler(
            root=str(self._empty),
            font_paths=available,
            package_path=str(self._empty),
            package_cache_path=str(self._empty),
        )

    def warm_up(self) -> None:
        """Compile a line in each style, so that font files are mapped before the sandbox closes."""
        self._compile({MAIN: b'#set text(font: "Inter")\nA *B* _C_ *_D_*', DATA: b"{}"}, "pdf")
        self._glyphs.warm_up()

    def cool(self) -> None:
        """Evict the memoised layouts: entries that ten compilations did not use are dropped."""
        for _ in range(COMPILES_TO_FORGET):
            self._compile({MAIN: b"", DATA: b"{}"}, "pdf")

    def render(self, source: TemplateSource, request: RenderRequest) -> Rendered:
        """Compile one document; PNG and SVG show the first page. Raises DocumentFailed."""
        files = _text_files(source, request)
        given = files if not request.trusted else {MAIN: files[MAIN], DATA: request.data}
        options: _Options = {
            "sys_inputs": _inputs(request),
            "timestamp": local_moment(request),
            "pdf_tags": request.bundle.manifest.tagged,
            "root": str(self._root(request)),
        }
        try:
            pages, warnings = self._compile(given, request.format, **options)
        except typst.TypstError as error:
            raise located(error, source.file, files, request.data) from error
        objections = partial(self._objections, given, **options)
        warned = _warned(warnings) + self._missing_glyphs(files, request, objections)
        return Rendered(pages[0], None if request.format == "pdf" else len(pages), warned)

    def _missing_glyphs(
        self, files: dict[str, bytes], request: RenderRequest, objections: Callable[[], str]
    ) -> tuple[Warned, ...]:
        """Warn of characters that were printed as boxes. Raises DocumentFailed missing_glyphs if strict."""
        missing = self._glyphs.missing(request.bundle.sha256, files, DATA, objections)
        if missing is None:
            return ()
        if request.strict:
            raise missing.refused(self._families)
        return (missing.warned(),)

    def _objections(self, files: Mapping[str, bytes], **options: Unpack[_Options]) -> str:
        """Export for the archive, which refuses text without glyphs: what it refuses, "" if nothing."""
        try:
            self._compile(dict(files), "pdf", **options | {"pdf_standards": "a-2b"})
        except typst.TypstError as error:
            return error.diagnostic
        return ""

    def _compile(
        self, files: dict[str, bytes], output_format: str, **options: Unpack[_Options]
    ) -> tuple[list[bytes], list[typst.TypstWarning]]:
        # The stubs know neither virtual files as input nor that SVG and PNG of several pages come as a list.
        compile_ = cast(_Compile, self._compiler.compile_with_warnings)
        made, warnings = compile_(input=files, format=output_format, ppi=PREVIEW_PPI, **_DEFAULTS | options)
        return made if isinstance(made, list) else [made], warnings

    def _root(self, request: RenderRequest) -> Path:
        """Return where the bundle's binary files are: the empty directory if it has none.

        Shipped templates are there as a whole: the compiler keeps what it parsed while a file on disk stays the same.
        """
        if request.trusted:
            return self._on_disk(request.bundle.sha256, request.bundle.files)
        binary = {name: content for name, content in request.bundle.files.items() if not _is_text(name, content)}
        if not any(not name.endswith(".docx") for name in binary):
            return self._empty
        return self._on_disk(request.bundle.sha256, binary)

    def _on_disk(self, sha256: str, files: Mapping[str, bytes]) -> Path:
        """Write a bundle's files once; the folders of the bundles used least recently go."""
        root = self._scratch / sha256
        if sha256 in self._written:
            self._written.move_to_end(sha256)
            return root
        for name, content in files.items():
            path = root / PurePosixPath(name)
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)
        self._written[sha256] = None
        if len(self._written) > BUNDLES_ON_DISK:
            shutil.rmtree(self._scratch / self._written.popitem(last=False)[0])
        return root


def _is_text(name: str, content: bytes) -> bool:
    """Whether a file can be virtual: the compiler takes those as UTF-8 only, and interns each name for good."""
    if PurePosixPath(name).suffix.lower() not in _TEXT_SUFFIXES:
        return False
    try:
        content.decode()
    except UnicodeDecodeError:
        return False
    return True


def _text_files(source: TemplateSource, request: RenderRequest) -> dict[str, bytes]:
    """Name the source `main.typ` and keep other text files; shipped sources, and those in folders, are included."""
    bundle = request.bundle.files
    if not _is_text(source.file, bundle[source.file]):
        raise failed("template_error", f"{source.file} is not UTF-8 text.", part=source.file)
    files = {name: content for name, content in bundle.items() if name != source.file and _is_text(name, content)}
    if source.file != MAIN and (request.trusted or "/" in source.file or MAIN in files):
        files[source.file] = bundle[source.file]
        main = f'#include "/{source.file}"'.encode()
    else:
        main = bundle[source.file]
    if request.extra_pages:
        main += _SIMULATED.format(count=request.extra_pages).encode()
    return {**files, MAIN: main, DATA: request.data}


def _inputs(request: RenderRequest) -> dict[str, str]:
    return {
        "today": local_moment(request).date().isoformat(),
        "locale": request.locale or "en",
        "timezone": request.timezone or "UTC",
        "format": request.format,
        "strict": "true" if request.strict else "false",
    }


def _warned(warnings: list[typst.TypstWarning]) -> tuple[Warned, ...]:
    return tuple(Warned(code="template_warning", message=_worded(warning)) for warning in warnings[:WARNINGS_KEPT])


def _worded(warning: typst.TypstWarning) -> str:
    return "; ".join([warning.message, *warning.hints])
