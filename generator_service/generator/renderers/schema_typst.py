"""What a Typst template does with its data, read from its source: `d.a.b`, `d.at("x", default: ...)`, loops, aliases.

Code that is run for every document is at the top level, without conditions and functions: only there is a missing key
certain to fail. Whatever is handed to a function of the template's own may be used in any way.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache

from generator.renderers.schema_uses import Use
from generator.renderers.typst_code import TypstCode, read_code

#: Longer sources are not read: a schema is a help, and must not cost a second.
LONGEST = 128 * 1024
#: What a loop takes; null, numbers, true and false stop it.
_LISTABLE = ("array", "object", "string")
#: The data themselves, wherever they are read; filled up to the length of what it stands for.
_WHOLE = "data__whole"
_READ = re.compile(r'\bjson\(\s*(?:path\()?\s*"/?data\.json"\s*\)?\s*\)')
_NAME = re.compile(r"(?:(?<![\w.\-\"])|(?<=\.\.))(?P<name>[A-Za-z_](?:[\w-]*\w)?)(?![\w-])")
_STEP = re.compile(
    r'\s*\.\s*at\(\s*"(?P<at>[^"\\]*)"\s*(?P<default>,\s*default\s*:)?'
    r"|\.\s*(?P<field>[A-Za-z_](?:[\w-]*\w)?)(?P<call>\s*\()?"
    r"|\.\s*(?P<item>first|last)\(\)"
)
_LET = re.compile(r"\blet\s+(?P<name>[A-Za-z_][\w-]*)\s*=\s*$")
#: `let d = if "data" in sys.inputs { ... } else { json("data.json") }`: what the data are read into, maybe.
_CHOSEN = re.compile(r"\s*#let\s+(?P<name>[A-Za-z_][\w-]*)\s*=\s*if\b")
_FUNCTION = re.compile(r"\blet\s+[A-Za-z_][\w-]*\((?P<names>[^()]*(?:\([^()]*\)[^()]*)*)\)\s*=")
_DESTRUCTURED = re.compile(r"\blet\s+\((?P<names>[^()]*)\)\s*=\s*$")
_FOR = re.compile(r"\bfor\s+(?P<names>[\w-]+|\([^()]*\))\s+in\s+$")
_DEFINED = re.compile(r"\b(?:let\s+([\w-]+|\([^()]*\))\s*=|import\s+[^\n:]*:([^\n]*))")
_ALL_IMPORTED = re.compile(r"\bimport\b[^\n]*:\s*\*")
_ANY_FOR = re.compile(r"\bfor\s+(?P<names>[\w-]+|\([^()]*\))\s+in\b")
_LAMBDA = re.compile(r"(?:(?P<one>[A-Za-z_][\w-]*)|\((?P<more>[^()]*(?:\([^()]*\)[^()]*)*)\))\s*=>")
_EACH = re.compile(r"\.\s*(?:map|filter|any|all|find|position)\(\s*(?P<name>[A-Za-z_][\w-]*)\s*=>")
_TESTED = re.compile(r'"(?P<name>[^"\\]*)"\s+(?:not\s+)?in\s+$')
_GOT = re.compile(r"\bget\(\s*$")
_GOT_NAME = re.compile(r'\s*,\s*"(?P<name>[^"\\]*)"')
_CALLED = re.compile(r"(?<![\w.])(?P<name>[A-Za-z_][\w-]*)\(\s*$")
_KINDS = {
    "money": "number",
    "number": "number",
    "amount": "number",
    "date": "date",
    "picture": "picture",
    "image": "picture",
}
_HARMLESS = frozenset(
    {"str", "int", "float", "show-text", "upper", "lower", "strong", "emph", "text", "link", "raw", "repr"}
)
_QUOTED = re.compile(r'"(?:[^"\\\n]|\\.)*"')
_CONDITIONS = re.compile(r"\b(?:if|else|while|and|or|not)\b|=>|\bcontext\b")
_LOOPS = re.compile(r"\bfor\b")
_EXPRESSION_ENDS = re.compile(r"(?P<spaces>[ \t]*)(?:[\n,;)\]}]|$)")


@dataclass(frozen=True)
class _Bound:
    """A name from `start` to `end` stands for a value of the data; None for anything else. `soft`: or for a default."""

    name: str
    start: int
    end: int
    use: Use | None
    soft: bool = False


def uses_in_typst(main: str, others: list[str]) -> Use | None:
    """Return the uses of the data in the main source and in others that read them too; None if no source does."""
    if not any(_READ.search(source) for source in (main, *others)):
        return None
    root = Use()
    _Reader(root, main, leading=True).read()
    for source in others:
        _Reader(root, source, leading=False).read()
    if any(_READ.search(source) for source in others):  # what they read may be imported under any name
        root.open()
    return root


def path_at(source: str, at: int) -> str | None:
    """Return the data path (`items[].price`) of the variable that stands at a place of a source, None if it is none."""
    name = _NAME.match(source, at)
    if name is None or len(source) > LONGEST or not _READ.search(source):
        return None
    root = Use()
    reader = _Reader(root, source, leading=False)
    reader.read()
    bound = reader.meaning(name["name"], at)
    try:
        return _path_to(bound.use, root) if bound and bound.use else None
    except RecursionError:
        return None


def _path_to(wanted: Use, holder: Use, walked: str = "") -> str | None:
    """Find a use in the tree below another."""
    if wanted is holder:
        return walked
    inner = [(f"{walked}.{name}".removeprefix("."), use) for name, use in holder.fields.items()]
    inner += [(f"{walked}[]", holder.items)] if holder.items else []
    return next((path for at, use in inner if (path := _path_to(wanted, use, at)) is not None), None)


class _Reader:
    def __init__(self, root: Use, source: str, *, leading: bool) -> None:
        whole = _READ.sub(lambda found: _WHOLE.ljust(len(found[0]), "_"), source)
        self._source: TypstCode = read_code(whole)
        self._text = self._source.text
        # What is imported whole behind the data may take their name.
        read = _READ.search(source)
        self._leading = leading and not (read and _ALL_IMPORTED.search(source, read.end()))
        returned = re.search(r"#return\b", self._text)
        self._returns = returned.start() if returned else len(whole) + 1
        self._root = root
        names = {_WHOLE.ljust(len(found[0]), "_") for found in _READ.finditer(source)}
        self._bound: dict[str, list[_Bound]] = {}
        self._bind(*(_Bound(name, 0, len(self._text), root) for name in names), *self._others_names())

    def read(self) -> None:
        quoted = [found.span() for found in _QUOTED.finditer(self._text) if self._source.code[found.start()]]
        strings = {at for start, end in quoted for at in range(start + 1, end)}
        for found in _NAME.finditer(self._text):
            at = found.start()
            if self._source.code[at] and at not in strings:
                bound = self.meaning(found["name"], at)
                if bound is not None and bound.use is not None and not self._is_key(found):
                    self._access(found, bound, bound.use)

    def _others_names(self) -> list[_Bound]:
        """Return names that are no data, or not surely: those of definitions, loops, parameters."""
        bound = [*self._rebound()]
        for found in _FUNCTION.finditer(self._text):
            end = self._source.block_of(found.start())[1]
            following = self._source.block_after(found.end())
            end = (
                following[1]
                if following[0] - found.end() < 3 and following[1] > following[0]
                else self._line_end(found.end(), end)
            )
            bound += [_Bound(name, found.start("names"), end, None) for name in _names(found["names"])]
        for found in _LAMBDA.finditer(self._text):
            end = self._source.block_of(found.start())[1]
            bound += [_Bound(name, found.start(), end, None) for name in _names(found["one"] or found["more"])]
        return bound

    def _rebound(self) -> Iterator[_Bound]:
        """Yield names that are defined, imported or looped over: what they stand for is found later, if it is data."""
        for found in _DEFINED.finditer(self._text):
            end = self._source.block_of(found.start())[1]
            for name in _names(found[1] or found[2]):
                yield _Bound(name, self._line_end(found.end(), end), end, None)
        for found in _ANY_FOR.finditer(self._text):
            for name in _names(found["names"]):
                yield _Bound(name, found.start("names"), self._source.block_after(found.end())[1], None)

    def _line_end(self, at: int, limit: int) -> int:
        end = self._text.find("\n", at)
        return min(limit, end if end >= 0 else limit)

    def _bind(self, *bound: _Bound) -> None:
        for one in bound:
            self._bound.setdefault(one.name, []).append(one)

    def meaning(self, name: str, at: int) -> _Bound | None:
        """Return what a name means here: the binding that began last."""
        known = [one for one in self._bound.get(name, ()) if one.start <= at < one.end]
        return max(known, key=lambda one: (one.start, one.use is not None), default=None)

    def _is_key(self, found: re.Match[str]) -> bool:
        """Whether a name is that of an argument, a parameter or a key, not a variable; or is being defined."""
        before = self._text[max(found.start() - 8, 0) : found.start()]
        return (
            re.match(r"\s*(?::(?!=)|=>)", self._text[found.end() :]) is not None
            or re.search(r"\blet\s+$", before) is not None
        )

    def _certainty(self, at: int) -> tuple[bool, bool]:
        """Whether code here is run for each document, and whether a missing key is worth a warning."""
        start, end = self._source.statement_of(at)
        plain, loop_body = self._judged(start, end)
        return self._leading and plain and at < loop_body, plain

    @cache  # noqa: B019 - a reader lives for one source
    def _judged(self, start: int, end: int) -> tuple[bool, int]:
        """Whether a statement has no conditions and functions, and where what may not be run begins."""
        marks = zip(self._text[start:end], self._source.code[start:end], strict=True)
        code = "".join(one if is_code else " " for one, is_code in marks)
        code = _QUOTED.sub(lambda found: '"' + " " * (len(found[0]) - 2) + '"', code)
        if not code or _CONDITIONS.search(code) or _FUNCTION.search(code) or self._returns <= start:
            return False, start
        if _LOOPS.search(code) is None:
            return True, end
        return True, start + (_body(code) if code.lstrip().startswith("for ") else 0)

    def _access(self, found: re.Match[str], bound: _Bound, use: Use) -> None:
        certain, needed = self._certainty(found.start())
        certain, needed, soft = certain and not bound.soft, needed and not bound.soft, bound.soft
        at, called = found.end(), False
        while step := _STEP.match(self._text, at):
            if step["call"] and not step["at"]:
                called = True
                break
            name = step["at"] if step["at"] is not None else step["field"]
            if step["default"]:
                certain = needed = False
                soft = True
            if name is None:
                use = use.each()
            else:
                use.certain_object |= certain and use is not self._root
                use = use.at(name)
                use.required |= needed or certain
                use.certain |= certain
            at = step.end() if step["at"] is None else self._source_end(step.end())
        self._follow(found.start(), at, use, certain=certain, soft=soft, called=called, bare=at == found.end())

    def _source_end(self, at: int) -> int:
        """Return the place behind the bracket that is open here."""
        return self._source.block_of(at)[1] + 1

    def _follow(self, start: int, at: int, use: Use, *, certain: bool, soft: bool, called: bool, bare: bool) -> None:
        """See what is done with the value that ends here."""
        before, after = self._text[max(start - 120, 0) : start], self._text[at : at + 200]
        looped, let = _FOR.search(before), _LET.search(before)
        chosen = _CHOSEN.match(self._text, self._source.statement_of(start)[0]) if bare and use is self._root else None
        if tested := _TESTED.search(before):
            use.at(tested["name"])
        elif _GOT.search(before) and (got := _GOT_NAME.match(after)):
            self._get(use.at(got["name"]), start)
        elif looped:
            self._loop(looped["names"], start, at, use, certain)
        elif each := _EACH.match(after):
            end = self._source.block_of(at + each.end() - 1)[1]
            self._bind(_Bound(each["name"], at + each.start("name"), end, use.each()))
        elif let and (ends := _EXPRESSION_ENDS.match(after)):
            self._bind(_Bound(let["name"], at + len(ends["spaces"]), self._source.block_of(start)[1], use, soft))
        elif bare and (names := _DESTRUCTURED.search(before)):
            self._destructured(names["names"], start, self._line_end(at, len(self._text)), use)
        elif chosen:
            self._bind(_Bound(chosen["name"], self._source.statement_of(start)[1], len(self._text), use, soft=True))
        elif called:
            use.unclear = True
        else:
            self._handed(before, use, printed=before.endswith("#"))

    def _get(self, use: Use, start: int) -> None:
        """Follow the library's `get(d, "x", default: ...)`, also into a name that it is given."""
        call = self._source.block_of(start)
        let = re.search(r"\blet\s+([A-Za-z_][\w-]*)\s*=\s*get$", self._text[: call[0]].rstrip())
        if let:
            self._bind(_Bound(let[1], call[1], self._source.block_of(call[0])[1], use, soft=True))
        else:
            self._handed(self._text[max(call[0] - 120, 0) : call[0]].removesuffix("get"), use, printed=False)

    def _loop(self, names: str, start: int, at: int, use: Use, certain: bool) -> None:
        body = self._source.block_after(at)
        plain = self._text[at : body[0]].strip() == ""
        if names.startswith("("):
            numbered = self._text[at : body[0]].strip() == ".enumerate()"
            both = _names(names[1:-1])
            if not numbered or len(both) != 2:
                use.unclear = True
                return
            names, plain = both[1], False
        if not plain and self._text[at : body[0]].strip() != ".enumerate()":
            use.unclear = True
            return
        self._bind(_Bound(names, body[0], body[1], use.each()))
        if certain and plain:
            use.listable = _LISTABLE

    def _destructured(self, names: str, start: int, at: int, use: Use) -> None:
        certain, needed = self._certainty(start)
        end = self._source.block_of(start)[1]
        for one in filter(None, (part.strip() for part in names.split(","))):
            if not one.startswith(".."):
                key, _, alias = (part.strip() for part in one.partition(":"))
                inner = use.at(key)
                inner.certain |= certain
                inner.required |= needed
                self._bind(_Bound(alias or key, at, end, inner))
            elif one != "..":
                use.unclear = True

    def _handed(self, before: str, use: Use, *, printed: bool) -> None:
        """A value that is printed, or given to a function: one of ours says what it is, others may do anything."""
        called = _CALLED.search(before)
        if use is self._root:
            use.unclear = True
        elif called and called["name"] == "data-table":
            use.each().unclear = True
        elif called and called["name"] in _KINDS:
            use.kinds.add(_KINDS[called["name"]])
        elif not printed and not (called and called["name"] in _HARMLESS):
            use.unclear = True
        else:
            use.whole = True


def _body(code: str) -> int:
    """Return where the body of a loop begins in its statement."""
    found = re.search(r"[{\[]", code)
    return found.start() if found else len(code)


def _names(parameters: str) -> list[str]:
    return [found[0] for found in re.finditer(r"[A-Za-z_][\w-]*", re.sub(r":[^,]*", "", parameters))]
