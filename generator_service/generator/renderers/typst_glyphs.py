"""Characters that no font can show, and that a document would print as boxes. The compiler itself is asked.

An export as PDF/A refuses them and names each one. Ordinary documents cost a set difference: what the fonts can show is
asked once per character and process, and only a document that holds something else is exported a second time.
"""

import json
import re
import unicodedata
from collections import OrderedDict
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from contracts.documents import Warned
from contracts.errors import DocumentFailed
from generator.renderers.port import failed

#: Exports files as PDF/A-2b and returns all that the compiler has against it, "" if nothing.
Objections = Callable[[Mapping[str, bytes]], str]

CODE = "missing_glyphs"
SHOWN = 10
_ASKED_AT_ONCE = 2048
_SOURCES_REMEMBERED = 64
#: The compiler repeats the source line with every character it names: beyond this the document is not verified.
_MOST_OBJECTIONS_BYTES = 16 * 1024 * 1024
#: Latin, Greek, Cyrillic, punctuation, currencies, arrows: asked at warm-up.
_USUAL = ((0xA1, 0x530), (0x1E00, 0x2000), (0x2010, 0x2300))

#: A paragraph each: a fallback font is chosen for a whole run by its first character.
_QUESTION = b'#set page(width: auto, height: auto)\n#for one in json("data.json") { par(one) }'
_NAMED = re.compile(r'^error: PDF/A-2b error: the text `"(.*)"` could not be displayed', re.MULTILINE)
_RUST_ESCAPE = re.compile(r"\\(?:u\{([0-9a-f]+)\}|(.))")
_JSON_ESCAPE = re.compile(r"\\u([0-9a-fA-F]{4})")
_TYPST_ESCAPE = re.compile(r"\\u\{([0-9a-fA-F]{1,6})\}")
#: Source that can print what is written nowhere, or that turns fallback fonts off.
_UNFORESEEN = re.compile(r"\bemoji\b|from-unicode|\bfallback\b|&#")
#: Control and format characters, combining marks, spaces, surrogates: they are not printed, or not alone.
_INVISIBLE = frozenset({"Cc", "Cf", "Cs", "Mn", "Me", "Zs", "Zl", "Zp"})


@dataclass(frozen=True)
class _Written:
    """What a template's own text files can print: their characters; `unforeseen`: and maybe others."""

    characters: frozenset[str]
    unforeseen: bool


@dataclass(frozen=True)
class Missing:
    """Characters without a glyph, in code point order. `sure`: each of them is on the page."""

    characters: tuple[str, ...]
    sure: bool = True

    def message(self) -> str:
        """Name the first characters and their code points."""
        shown = self.characters[:SHOWN]
        more = f" and {len(self.characters) - SHOWN} more" if len(self.characters) > SHOWN else ""
        points = ", ".join(f"U+{ord(one):04X}" for one in shown)
        boxes = "are printed" if self.sure else "may be printed"
        named = " ".join(one for one in shown if one.isprintable())
        return f"The fonts have no glyphs for: {named} ({points}){more}; boxes {boxes} instead."

    def warned(self) -> Warned:
        """Return the warning for a document that is made all the same."""
        return Warned(code=CODE, message=self.message())

    def refused(self, families: Iterable[str]) -> DocumentFailed:
        """Return the failure of a strict document; `families` are the fonts that there are."""
        hint = (
            f"The fonts are {', '.join(families)}. Leave these characters out, ask for docx (the reader's fonts show "
            "it), upload the template as a zip with a font that has them, or have one put into the generator's `fonts` "
            "folder."
        )
        return failed(CODE, self.message(), hint=hint)


@dataclass
class GlyphCheck:
    """Knows which characters the fonts of one compiler lack. One per renderer, kept between documents."""

    objections: Objections
    _shown: set[str] = field(default_factory=lambda: {chr(point) for point in range(0x20, 0x7F)})
    _lacking: set[str] = field(default_factory=set)
    _sources: "OrderedDict[str, _Written]" = field(default_factory=OrderedDict)

    def warm_up(self) -> None:
        """Ask about the characters that most documents use: 30 ms once per process."""
        self._ask({chr(point) for first, last in _USUAL for point in range(first, last)})

    def missing(
        self, bundle: str, files: Mapping[str, bytes], data: str, objections: Callable[[], str]
    ) -> Missing | None:
        """Return what a document prints as boxes, None if nothing.

        `bundle` is the digest of `files` without the file `data`; `objections` exports the document as it was made.
        """
        written = self._written(bundle, files, data)
        candidates = self.lacking(written.characters | _characters_of(files[data]))
        if not candidates and not written.unforeseen:
            return None
        if _too_long(files, len(candidates)):
            return _named(candidates, sure=False)
        objected = objections()
        printed = list(_texts_in(objected))
        if objected and not printed:
            return _named(candidates, sure=False)  # another objection came before the fonts were looked at
        return _named(self._within(printed))

    def lacking(self, characters: Iterable[str]) -> set[str]:
        """Return those of the characters that no font has."""
        unknown = set(characters) - self._shown
        self._ask(unknown - self._lacking)
        return unknown & self._lacking

    def _ask(self, characters: set[str]) -> None:
        visible = sorted(one for one in characters if unicodedata.category(one) not in _INVISIBLE)
        for start in range(0, len(visible), _ASKED_AT_ONCE):
            asked = json.dumps(visible[start : start + _ASKED_AT_ONCE]).encode()
            objected = self.objections({"main.typ": _QUESTION, "data.json": asked})
            self._lacking.update(*_texts_in(objected))
        self._shown |= characters - self._lacking

    def _written(self, bundle: str, files: Mapping[str, bytes], data: str) -> _Written:
        if bundle in self._sources:
            self._sources.move_to_end(bundle)
            return self._sources[bundle]
        text = b"\n".join(content for name, content in files.items() if name != data).decode("utf-8", "replace")
        escaped = {int(found, 16) for found in _TYPST_ESCAPE.findall(text)}
        characters = set(text) | {chr(point) for point in escaped if point <= 0x10FFFF}
        written = _Written(frozenset(characters), _UNFORESEEN.search(text) is not None)
        self._sources[bundle] = written
        if len(self._sources) > _SOURCES_REMEMBERED:
            self._sources.popitem(last=False)
        return written

    def _within(self, texts: list[str]) -> set[str]:
        """Reduce clusters to the characters that are to blame: all of them where each has a glyph somewhere."""
        return set().union(*(self.lacking(text) or {text[:1]} for text in texts))


def _characters_of(data: bytes) -> set[str]:
    if data.isascii() and rb"\u" not in data:
        return set()
    text = data.decode("utf-8", "replace")
    units = "".join(chr(int(found, 16)) for found in _JSON_ESCAPE.findall(text))
    return set(text) | set(units.encode("utf-16", "surrogatepass").decode("utf-16", "replace"))


def _texts_in(objected: str) -> Iterator[str]:
    return (_RUST_ESCAPE.sub(_unescaped, found) for found in _NAMED.findall(objected))


def _unescaped(escape: re.Match[str]) -> str:
    return chr(int(escape[1], 16)) if escape[1] else escape[2]


def _too_long(files: Mapping[str, bytes], candidates: int) -> bool:
    sources = (content for name, content in files.items() if name.endswith(".typ"))
    longest = max(len(line) for source in sources for line in source.split(b"\n"))
    return longest * candidates > _MOST_OBJECTIONS_BYTES


def _named(characters: set[str], *, sure: bool = True) -> Missing | None:
    visible = sorted(one for one in characters if unicodedata.category(one) not in _INVISIBLE)
    return Missing(tuple(visible), sure) if visible else None
