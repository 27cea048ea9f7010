"""Values that are more than text: a JSON object with a `$` key of ours becomes a mark that the template prints.

The marks are numbers between noncharacters, with a number before them that no data can guess, so that only a shape of
the data or a filter's answer ever becomes markup. `expand` puts what they stand for in their place.
"""

import re
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field

from contracts.errors import DocumentFailed
from generator.renderers.port import failed

OPEN, CLOSE = "\ufdd4", "\ufdd5"
MARK = re.compile(f"{OPEN}(\\d+){CLOSE}")

#: The key that makes an object one of ours, and the kind that it is.
SHAPES = {
    "$rich": "rich",
    "$paragraphs": "paragraphs",
    "$markdown": "markdown",
    "$docx": "docx",
    "$image": "image",
    "$asset": "image",
}
#: Kinds that are paragraphs and tables, not a part of one.
BLOCKS = frozenset({"paragraphs", "markdown", "docx", "break"})
#: Finds in raw JSON what may be a shape: data without one is not walked through.
LIKELY = re.compile(rb'"\$(?:rich|paragraphs|markdown|docx|image|asset|pictures)"')
#: Within these the objects belong to the shape itself.
_WHOLE = frozenset({"image", "docx"})
#: Top-level key: pictures of the template by name, and what replaces them.
PICTURES = "$pictures"


@dataclass(frozen=True)
class Insert:
    """One value that is more than text; `path` is where it lies in the data ("" if a filter made it)."""

    kind: str
    value: Mapping[str, object]
    path: str = ""

    def refused(self, message: str, hint: str | None = None, part: str | None = None) -> DocumentFailed:
        """Make the error of a value that cannot be inserted."""
        return failed("data_invalid", message, data_path=self.path or None, hint=hint, part=part)


@dataclass
class Inserts:
    """What the document at hand inserts, by the numbers of its marks. One per renderer: documents take turns."""

    assets: Mapping[str, bytes] = field(default_factory=dict)
    pictures: Mapping[str, Insert] = field(default_factory=dict)
    _known: dict[str, Insert] = field(default_factory=dict)
    _secret: str = field(default_factory=lambda: str(10**11 + secrets.randbelow(9 * 10**11)))

    def begin(self, assets: Mapping[str, bytes]) -> None:
        """Forget the document before."""
        self.assets, self.pictures = assets, {}
        self._known.clear()

    def put(self, insert: Insert) -> str:
        """Remember an insert and return its mark, which is text for the template."""
        number = f"{self._secret}{len(self._known)}"
        self._known[number] = insert
        return f"{OPEN}{number}{CLOSE}"

    def find(self, number: str) -> Insert | None:
        """Return what a mark's number stands for, None for a mark that is not ours."""
        return self._known.get(number)

    def of(self, value: object) -> Insert | None:
        """Return the insert whose mark a value is, wholly."""
        found = MARK.fullmatch(value) if isinstance(value, str) else None
        return self._known.get(found[1]) if found else None

    def plain(self, text: str) -> str:
        """Write text that holds marks where no markup can stand: in a document's title, in a picture's description."""
        return MARK.sub(lambda found: self._plain(found), text)

    def _plain(self, found: re.Match[str]) -> str:
        insert = self._known.get(found[1])
        return found[0] if insert is None else plain_text(insert)

    def taken(self, data: dict[str, object]) -> dict[str, object]:
        """Return the data with marks in place of all shapes."""
        pictures = data.get(PICTURES)
        if isinstance(pictures, dict):
            named = {name: shape_of(value, f"{PICTURES}.{name}") for name, value in pictures.items()}
            self.pictures = {name: insert for name, insert in named.items() if insert}
        return {key: self._taken(value, key) for key, value in data.items() if key != PICTURES}

    def _taken(self, value: object, path: str) -> object:
        if isinstance(value, list):
            return [self._taken(item, f"{path}[{index}]") for index, item in enumerate(value)]
        if not isinstance(value, dict):
            return value
        insert = shape_of(value, path)
        if insert is None:
            return {key: self._taken(item, f"{path}.{key}") for key, item in value.items()}
        if insert.kind not in _WHOLE:
            inner = {key: self._taken(item, f"{path}.{key}") for key, item in value.items()}
            insert = Insert(insert.kind, inner, path)
        return self.put(insert)


def shape_of(value: object, path: str) -> Insert | None:
    """Return the insert that a JSON value describes, None for plain data."""
    kind = next((SHAPES[key] for key in SHAPES if key in value), None) if isinstance(value, dict) else None
    return Insert(kind, value, path) if kind and isinstance(value, dict) else None


def plain_text(insert: Insert) -> str:
    """Return the words of an insert: of rich text its texts, of a picture its description."""
    if insert.kind == "markdown":
        return str(insert.value.get("$markdown") or "")
    if insert.kind == "image":
        return str(insert.value.get("alt") or "")
    return _words(insert.value.get("$rich", insert.value.get("$paragraphs")))


def _words(value: object) -> str:
    if isinstance(value, list):
        return "".join(_words(item) for item in value)
    if isinstance(value, dict):
        return _words(value.get("text"))
    return "" if value is None else str(value)
