"""Typst's compilers: one for the fonts that ship, further ones for the templates that bring fonts of their own."""

import hashlib
import shutil
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path, PurePosixPath
from typing import Protocol, TypedDict, Unpack, cast

import typst

from contracts.documents import Warned
from contracts.templates import FONT_SUFFIXES, TemplateBundle
from generator.renderers.typst_glyphs import GlyphCheck

PREVIEW_PPI = 144.0
#: Compilers with fonts of templates that are kept, and the bytes of fonts that they may hold together.
KEPT, KEPT_BYTES = 4, 64 * 1024 * 1024
DIGESTS_KEPT = 1000
UNREADABLE_FONT = "template_warning"


class Options(TypedDict, total=False):
    """What a compilation is told besides its files."""

    sys_inputs: dict[str, str]
    timestamp: datetime
    pdf_tags: bool
    pdf_standards: list[str]
    root: str


_DEFAULTS: Options = {
    "sys_inputs": {},
    "timestamp": datetime.fromtimestamp(0, UTC),
    "pdf_tags": False,
    "pdf_standards": [],
}


class _Compile(Protocol):
    def __call__(
        self, *, input: dict[str, bytes], format: str, ppi: float, **options: Unpack[Options]
    ) -> tuple[bytes | list[bytes], list[typst.TypstWarning]]: ...


class FontSet:
    """A compiler with certain fonts, and what they can show. `unread`: files that are no fonts."""

    def __init__(self, folders: list[Path], root: Path, packages: Path, fetched: Path) -> None:
        available = typst.Fonts(include_system_fonts=False, font_paths=[str(folder) for folder in folders])
        self.families = sorted(set(available.families()))
        self.font_files = {Path(font.path).name for font in available.fonts() if font.path}
        self.glyphs = GlyphCheck(self.objections)
        self._compiler = typst.Compiler(
            root=str(root), font_paths=available, package_path=str(packages), package_cache_path=str(fetched)
        )

    def compile(
        self, files: dict[str, bytes], output_format: str, **options: Unpack[Options]
    ) -> tuple[list[bytes], list[typst.TypstWarning]]:
        """Return the pages (a PDF is one) and warnings. Raises typst.TypstError."""
        # The stubs know neither virtual files as input nor that SVG and PNG of several pages come as a list.
        compile_ = cast(_Compile, self._compiler.compile_with_warnings)
        made, warnings = compile_(input=files, format=output_format, ppi=PREVIEW_PPI, **_DEFAULTS | options)
        return made if isinstance(made, list) else [made], warnings

    def objections(self, files: Mapping[str, bytes], **options: Unpack[Options]) -> str:
        """Export for the archive, which refuses text without glyphs: what it refuses, "" if nothing."""
        archive: Options = {"pdf_standards": ["a-2b"]}
        try:
            self.compile(dict(files), "pdf", **options | archive)
        except typst.TypstError as error:
            return error.diagnostic
        return ""


@dataclass(frozen=True)
class _Kept:
    fonts: FontSet
    warned: tuple[Warned, ...]
    size: int
    folder: Path


class Compilers:
    """Compilers by the fonts of bundles; those used least recently go. `shipped` is always there."""

    def __init__(self, shipped: Path, scratch: Path, empty: Path, packages: Path | None) -> None:
        self._folder, self._scratch = shipped, scratch
        self._empty, self._packages = empty, packages or empty
        self._own: OrderedDict[str, _Kept] = OrderedDict()
        self._digests: dict[str, str] = {}
        self.shipped = self._with([shipped])

    def of(self, bundle: TemplateBundle) -> tuple[FontSet, tuple[Warned, ...]]:
        """Return the compiler with a bundle's fonts beside the shipped ones, and a warning for each that is none."""
        fonts = [(name, content) for name, content in sorted(bundle.files.items()) if is_font(name)]
        if not fonts:
            return self.shipped, ()
        digest = self._digest(bundle.sha256, fonts)
        if digest not in self._own:
            self._own[digest] = self._make(digest, fonts)
            self._forget()
        self._own.move_to_end(digest)
        return self._own[digest].fonts, self._own[digest].warned

    def forget(self) -> None:
        """Drop all compilers with fonts of templates, to give memory back."""
        self._forget(kept=0)

    def _digest(self, sha256: str, fonts: list[tuple[str, bytes]]) -> str:
        """Return the digest of a bundle's fonts alone, which versions share; megabytes are read for it only once."""
        if sha256 not in self._digests:
            if len(self._digests) >= DIGESTS_KEPT:
                self._digests.clear()
            joined = b"".join(hashlib.sha256(content).digest() for _, content in fonts)
            self._digests[sha256] = hashlib.sha256(joined).hexdigest()
        return self._digests[sha256]

    def _make(self, digest: str, fonts: list[tuple[str, bytes]]) -> _Kept:
        folder = self._scratch / f"fonts-{digest}"
        folder.mkdir(exist_ok=True)
        written = {f"{at}{PurePosixPath(name).suffix.lower()}": name for at, (name, _) in enumerate(fonts)}
        for file, (_, content) in zip(written, fonts, strict=True):
            (folder / file).write_bytes(content)
        made = self._with([self._folder, folder])
        unread = [name for file, name in written.items() if file not in made.font_files]
        warned = tuple(Warned(code=UNREADABLE_FONT, message=f"{name} is no font that can be read.") for name in unread)
        return _Kept(made, warned, sum(len(content) for _, content in fonts), folder)

    def _with(self, folders: list[Path]) -> FontSet:
        return FontSet(folders, self._empty, self._packages, self._empty)

    def _forget(self, kept: int = KEPT) -> None:
        """Let the oldest go, their fonts with them: a compiler reads a font file when it first needs it."""
        while len(self._own) > kept or (len(self._own) > 1 and sum(k.size for k in self._own.values()) > KEPT_BYTES):
            _, gone = self._own.popitem(last=False)
            shutil.rmtree(gone.folder)


def is_font(name: str) -> bool:
    """Whether a file of a bundle is a font, by its name."""
    return PurePosixPath(name).suffix.lower() in FONT_SUFFIXES
