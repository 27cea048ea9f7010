"""The engines of one process, made on first use: a DOCX worker never loads Typst's fonts."""

from pathlib import Path

from contracts.templates import ENGINES
from generator.renderers.check import OutputCheck
from generator.renderers.port import Renderer

#: Fonts of the shipped templates: the only ones besides those inside Typst.
FONTS = Path(__file__).resolve().parents[2] / "fonts"


class Engines:
    """Renderers by engine name, and the check of what they make. Not thread-safe: one per render process."""

    def __init__(self, *, fonts: Path = FONTS, scratch: Path | None = None, packages: Path | None = None) -> None:
        self._fonts = fonts
        self._packages = packages
        self._scratch = scratch
        self._made: dict[str, Renderer] = {}
        self.check = OutputCheck()

    def get(self, engine: str) -> Renderer:
        """Return the renderer of this engine. Raises KeyError if there is none."""
        if engine not in self._made:
            self._made[engine] = self._make(engine)
        return self._made[engine]

    def warm_up(self) -> None:
        """Load every engine, so that the first document finds them warm."""
        for engine in ENGINES:
            self.get(engine).warm_up()

    def cool(self) -> None:
        """Let every engine give back the memory it keeps for speed."""
        for renderer in self._made.values():
            renderer.cool()

    def _make(self, engine: str) -> Renderer:
        if engine == "typst":
            from generator.renderers.typst import TypstRenderer

            return TypstRenderer(self._fonts, self._scratch, self._packages)
        if engine == "docx":
            from generator.renderers.docx import DocxRenderer

            return DocxRenderer()
        if engine == "raster":  # previews; not in ENGINES, so no template can ask for it
            from generator.renderers.raster import RasterRenderer

            return RasterRenderer()
        raise KeyError(engine)
