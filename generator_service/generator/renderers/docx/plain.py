"""Templates whose tags only print, loop over and ask for what the data has: rendered without MiniJinja, whose reading
of the data takes longer than everything else together.

All or nothing: a filter, an expression, a missing value, a null that is printed, and MiniJinja renders the document.
"""

import re
from collections.abc import Callable, Hashable, Iterable, Iterator
from dataclasses import dataclass, field
from itertools import count
from operator import itemgetter
from typing import cast

from pydantic_core import from_json

from generator.renderers.docx.inserts import LIKELY, Inserts
from generator.renderers.docx.parts import Part
from generator.renderers.docx.passes import completed
from generator.renderers.docx.tags import Tag, is_data
from generator.renderers.docx.values import OWN_NAMES
from generator.renderers.port import Shape

#: Rows that all loops of a part may have together; MiniJinja's fuel is for more.
_MOST_ROWS = 1_000_000
#: Kinds of rows in a part with a shape, for each document may have others.
_MOST_KINDS = 200
_PATH = r"[A-Za-z_]\w*(?:\.[A-Za-z_]\w*)*"
_PRINTED = re.compile(_PATH, re.ASCII)
_FOR = re.compile(rf"for\s+(?P<name>[A-Za-z_]\w*)\s+in\s+(?P<path>{_PATH})", re.ASCII)
_IF = re.compile(rf"if\s+(?P<path>{_PATH})", re.ASCII)
#: JSON's escapes of controls, but for line breaks and tabs, and of what XML escapes.
_ESCAPES = re.compile(rb"\\(?:[bf]|u00[0-3])")
#: With this byte begin U+F000 to U+FFFF.
_NONCHARACTERS = b"\xef"
#: Numbers with decimals that Python and MiniJinja write alike.
_SMALLEST, _LARGEST = 1e-4, 1e16

Path = tuple[str, ...]
Scope = dict[str, object]


class NotPlain(Exception):
    """The template or the data needs MiniJinja."""


@dataclass
class _Run:
    """A render under way. `empty`: a loop had no rows. `markup`: the steps' numbers, a set of them for loops.

    `kinds`: from which piece to which one of each kind of row reaches.
    """

    pieces: list[bytes] = field(default_factory=list)
    rows: int = _MOST_ROWS
    empty: bool = False
    markup: list[Hashable] = field(default_factory=list)
    kinds: list[tuple[int, int]] = field(default_factory=list)


#: Writes a step's text for the names in force.
_Step = Callable[[Scope, _Run], None]


class Plain:
    """All parts of a template as steps. Raises NotPlain if one of them has other tags than plain ones."""

    def __init__(self, parts: list[Part]) -> None:
        self._parts = [(part, _Compiler(part).block()[0], object()) for part in parts]

    def render(self, data: Scope, inserts: Inserts) -> tuple[dict[str, bytes], set[str], dict[str, Shape]]:
        """Return the parts, which of them hold marks of inserts, and the shapes of those that have one.

        Raises NotPlain.
        """
        changed, marked, shapes = dict[str, bytes](), set[str](), dict[str, Shape]()
        for part, steps, itself in self._parts:
            run = _run(steps, data)
            content = changed[part.name] = b"".join(run.pieces)
            if part.to_finish or (run.empty and part.guard_tables) or _to_finish(content):
                changed[part.name], marks = completed(part, content.decode(), inserts)
                if marks:
                    marked.add(part.name)
            elif len(run.kinds) <= _MOST_KINDS:
                shapes[part.name] = Shape(run.pieces, content, (itself, *run.markup), tuple(run.kinds))
        return changed, marked, shapes


def _run(steps: tuple[_Step, ...], data: Scope) -> _Run:
    run = _Run()
    try:
        for step in steps:
            step(data, run)
    except (KeyError, TypeError, IndexError) as missing:
        raise NotPlain from missing
    return run


def _to_finish(content: bytes) -> bool:
    """Tell whether values have what `output` may write as markup or leave out; the declaration has a line feed."""
    return content.find(b"\n", 60) >= 0 or b"\t" in content or _NONCHARACTERS in content


def plain_or_none(parts: list[Part]) -> Plain | None:
    """Return the parts as steps, None if one of them is not plain, or nested too deeply."""
    try:
        return Plain(parts)
    except (NotPlain, RecursionError):
        return None


def plain_data(content: bytes) -> Scope | None:
    """Read JSON with its texts escaped for XML; None if it needs a closer look."""
    if _ESCAPES.search(content) or (b"$" in content and LIKELY.search(content)):
        return None
    escaped = content.replace(b"&", b"&amp;").replace(b"<", b"&lt;").replace(b">", b"&gt;")
    try:
        data = from_json(escaped, allow_inf_nan=False)
    except ValueError:
        return None
    return data if isinstance(data, dict) else None


def _line(text: str, paths: list[Path], number: int) -> list[_Step]:
    """Write text with values; the fields of one object, as in a table's row, are read at once.

    `number`: where in the part it stands.
    """
    if not text:
        return []
    form, holders = text.encode(), {path[:-1] for path in paths}
    if len(paths) > 1 and len(holders) == 1 and len(holder := holders.pop()) == 1:
        read = _fields(holder[0], tuple(path[-1] for path in paths))
    else:
        read = _values(tuple(paths))

    def write(scope: Scope, run: _Run) -> None:
        values = [
            value.encode() if type(value) is str else b"%d" % value if type(value) is int else _decimal(value)
            for value in read(scope)
        ]
        run.pieces.append(form % tuple(values))
        run.markup.append(number)

    return [write]


def _fields(holder: str, names: tuple[str, ...]) -> Callable[[Scope], Iterable[object]]:
    get = cast(Callable[[object], tuple[object, ...]], itemgetter(*names))
    return lambda scope: get(scope[holder])


def _values(paths: tuple[Path, ...]) -> Callable[[Scope], Iterable[object]]:
    return lambda scope: [_value(scope, path) for path in paths]


def _value(scope: Scope, path: Path) -> object:
    value: object = scope
    for name in path:
        value = value[name]  # type: ignore[index]  # what is no object raises what is caught
    return value


def _decimal(value: object) -> bytes:
    """Write a number with decimals that Python and MiniJinja print alike. Raises NotPlain for all else."""
    if type(value) is float and (not value or _SMALLEST <= abs(value) < _LARGEST):
        return b"%a" % value
    raise NotPlain


def _loop(name: str, path: Path, body: tuple[_Step, ...], *, alike: bool) -> _Step:
    """Write a body for each row; `alike`: it is made of lines, so that its rows are of one kind."""

    def write(scope: Scope, run: _Run) -> None:
        rows = _value(scope, path)
        if not isinstance(rows, list):
            raise NotPlain
        run.empty = run.empty or not rows
        run.rows -= len(rows)
        if run.rows < 0:
            raise NotPlain
        within, around = dict(scope), run.markup
        begins, known = len(run.pieces), len(run.kinds)
        kinds: dict[Hashable, tuple[int, int]] = {}
        run.markup = []
        for row in rows:
            within[name] = row
            for step in body:
                step(within, run)
            if not (alike and kinds):
                if kinds.setdefault(tuple(run.markup), (begins, len(run.pieces)))[0] != begins:
                    del run.kinds[known:]  # of the loops in it: those of the first of its kind are enough
                run.markup, begins, known = [], len(run.pieces), len(run.kinds)
        run.markup = [*around, frozenset(kinds)]
        run.kinds += kinds.values()

    return write


def _choice(path: Path, body: tuple[_Step, ...], otherwise: tuple[_Step, ...]) -> _Step:
    def write(scope: Scope, run: _Run) -> None:
        for step in body if _value(scope, path) else otherwise:
            step(scope, run)

    return write


class _Compiler:
    def __init__(self, part: Part) -> None:
        self._tags = part.tags
        self._pieces: Iterator[str | int] = iter(part.pieces)
        self._in_markup = False
        self._numbers = count()
        self._lines: set[_Step] = set()

    def block(self, *ends: str) -> tuple[tuple[_Step, ...], str]:
        """Compile up to one of the statements `ends`, or to the end of the part; return which one ended it."""
        steps: list[_Step] = []
        text, paths = "", list[Path]()
        for piece in self._pieces:
            if isinstance(piece, str):
                text += self._literal(piece)
                continue
            tag = self._tags[piece]
            if tag.kind != "%":
                text += self._printed(tag, paths)
                continue
            if self._in_markup or tag.trim_before or tag.trim_after:
                raise NotPlain
            steps += self._line(text, paths)
            text, paths = "", []
            if tag.keyword in ends and tag.code == tag.keyword:
                return tuple(steps), tag.keyword
            steps.append(self._statement(tag))
        if ends:
            raise NotPlain
        return (*steps, *self._line(text, paths)), ""

    def _line(self, text: str, paths: list[Path]) -> list[_Step]:
        lines = _line(text, paths, next(self._numbers))
        self._lines.update(lines)
        return lines

    def _literal(self, text: str) -> str:
        opened, closed = text.rfind("<"), text.rfind(">")
        if opened != closed:
            self._in_markup = opened > closed
        return text.replace("%", "%%")

    def _printed(self, tag: Tag, paths: list[Path]) -> str:
        """Take up a tag that prints. In an attribute quotes would want escapes that texts need not have."""
        if self._in_markup:
            raise NotPlain
        if tag.kind == "{":
            paths.append(_path(tag.code))
            return "%s"
        if tag.kind == "#":
            return ""
        return tag.code.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;").replace("%", "%%")

    def _statement(self, tag: Tag) -> _Step:
        loop, choice = _FOR.fullmatch(tag.code), _IF.fullmatch(tag.code)
        if loop and is_data(loop["name"]):
            body, _ = self.block("endfor")
            return _loop(loop["name"], _path(loop["path"]), body, alike=self._lines.issuperset(body))
        if choice:
            body, end = self.block("else", "endif")
            otherwise, _ = self.block("endif") if end == "else" else ((), "")
            return _choice(_path(choice["path"]), body, otherwise)
        raise NotPlain


def _path(code: str) -> Path:
    names = tuple(code.split("."))
    if not _PRINTED.fullmatch(code) or not is_data(names[0]) or names[0] in ("data", *OWN_NAMES):
        raise NotPlain
    return names
