"""What a Word template does with its data, read from its tags."""

import io
import re
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass, field

from contracts.errors import DocumentFailed
from contracts.templates import ArchiveLimits, BadArchive, checked_members, read_member
from generator.renderers.docx.parts import compile_part
from generator.renderers.docx.tags import Tag, names_in
from generator.renderers.docx.values import OWN_NAMES
from generator.renderers.schema_uses import Use

#: What a loop takes: numbers, true and false stop it.
_LISTABLE = ("array", "object", "string", "null")
_KINDS = {
    **dict.fromkeys("money amount price number times plus percent_of cents round int float abs".split(), "number"),
    **dict.fromkeys(
        "text upper lower title capitalize trim replace e escape qr markdown rich link iban".split(), "text"
    ),
    "date": "date",
    "image": "picture",
}
_LISTS = frozenset("list_at lines table clauses".split())
_DEFAULTS = frozenset({"default", "d"})
_STRING = r"'(?:[^'\\]|\\.)*'|\"(?:[^\"\\]|\\.)*\""
_TOKEN = re.compile(
    rf"(?P<string>{_STRING})|(?P<filter>\|\s*\w+)|(?P<test>\bis\s+(?:not\s+)?\w+)|(?<![\w.])(?P<number>\d[\w.]*)"
    r"|(?<![\w.])(?P<path>[A-Za-z_]\w*(?:\s*\.\s*\w+|\[\s*(?:'[^']*'|\"[^\"]*\"|\d+)\s*\])*)"
    r"(?P<after>\s*\(|\s*=(?!=))?"
)
_STEP = re.compile(r"\.\s*(?P<name>\w+)|\[\s*(?:'(?P<single>[^']*)'|\"(?P<double>[^\"]*)\"|\d+)\s*\]")
_FILTERS = re.compile(r"\s*\|\s*(\w+)(?:\s*\([^()]*\))?")
_TESTED = re.compile(r"\s+is\s+(?:not\s+)?(?:defined|undefined|none)\b")
_UNSURE = re.compile(r"\b(?:if|or|and|not|in)\b|\|\s*(?:default|d)\b")
_LOOP = re.compile(
    r"for\s+(?P<names>[\w\s,]+?)\s+in\s+(?P<source>.+?)(?:\s+(?P<only>if\s.*)|\s+recursive)?$", re.DOTALL
)
_PATH = re.compile(r"[A-Za-z_]\w*(?:\.\w+|\[\s*(?:'[^']*'|\"[^\"]*\"|\d+)\s*\])*")
#: An object that is walked through: its path, and what of its entries is read.
_WALKED = re.compile(
    rf"(?P<path>{_PATH.pattern}?)\s*"
    r"(?:\.\s*(?P<method>items|keys|values)\(\s*\)|\|\s*(?:items|dictsort)\b[^|]*)"
    r"(?:\s*\|\s*(?:sort|list|reverse)\b[^|]*)*"
)
#: What reads the rows of the loops around it by another name.
_OTHER_ROWS = re.compile(r"\bloop\s*\.\s*(?:previtem|nextitem)\b")
_OPENING = frozenset({"if", "for", "macro", "call", "filter", "with", "set"})


def uses_in_docx(content: bytes) -> Use | None:
    """Return the uses of a template's data, None if it cannot be read."""
    root = Use()
    try:
        for tags in _tags(content):
            _Reader(root).read(tags)
    except (DocumentFailed, BadArchive, zipfile.BadZipFile):
        return None
    return root


def _tags(content: bytes) -> Iterator[tuple[Tag, ...]]:
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        members = checked_members(archive, ArchiveLimits())
        for info in members:
            if info.filename.endswith(".xml") and info.filename != "[Content_Types].xml":
                text = read_member(archive, info)
                part = compile_part(info.filename, text) if b"{" in text else None
                if part is not None:
                    yield tuple(part.tags[piece] for piece in part.pieces if isinstance(piece, int))


@dataclass
class _Scope:
    """An open statement: `names` are its variables, None for what is no data. `unsure`: it may not be run."""

    keyword: str
    names: dict[str, Use | None] = field(default_factory=dict)
    unsure: bool = False


class _Reader:
    def __init__(self, root: Use) -> None:
        self._root = root
        self._scopes = [_Scope("")]

    def read(self, tags: tuple[Tag, ...]) -> None:
        breaks = any(tag.keyword in ("break", "continue") for tag in tags)
        self._scopes[0].unsure = breaks
        for tag in tags:
            if tag.kind == "{":
                self._expression(tag.code, printed=True)
            elif tag.kind == "%":
                self._statement(tag.keyword, tag.code)

    @property
    def _unsure(self) -> bool:
        return any(scope.unsure for scope in self._scopes)

    def _statement(self, keyword: str, code: str) -> None:
        if keyword.startswith("end"):
            if len(self._scopes) > 1:
                self._scopes.pop()
        elif keyword == "for":
            self._loop(code)
        elif keyword in ("if", "elif"):
            self._expression(code[len(keyword) :], sure=False, flag=True)
            if keyword == "if":
                self._scopes.append(_Scope(keyword, unsure=True))
        elif keyword == "set":
            self._set(code)
        elif keyword in _OPENING:
            if keyword != "macro":
                self._expression(code[len(keyword) :], sure=False)
            names = names_in(code) if keyword in ("macro", "with", "call") else set()
            self._scopes.append(_Scope(keyword, dict.fromkeys(names), unsure=keyword in ("macro", "call")))
        elif keyword != "else":
            self._expression(code[len(keyword) :])

    def _set(self, code: str) -> None:
        target, equals, value = code[3:].partition("=")
        if not equals:
            self._scopes.append(_Scope("set"))
        self._expression(value)
        # A condition is no scope of its own: what it sets is seen behind it.
        holder = next(scope for scope in reversed(self._scopes) if scope.keyword not in ("if", "set"))
        holder.names.update(dict.fromkeys(names_in(target)))

    def _loop(self, code: str) -> None:
        found = _LOOP.match(code)
        if found is None:
            self._expression(code[3:], sure=False)
            self._scopes.append(_Scope("for", unsure=True))
            return
        names = [name.strip() for name in found["names"].split(",")]
        scope: dict[str, Use | None] = dict.fromkeys(names)
        if _PATH.fullmatch(found["source"].strip()):
            use = self._resolved(found["source"].strip(), needed=not self._unsure)
            if use is not None and len(names) == 1:
                scope[names[0]] = use.each()
                use.listable = use.listable or (() if self._unsure else _LISTABLE)
            elif use is not None:
                use.unclear = True
        elif walked := _WALKED.fullmatch(found["source"].strip()):
            scope[names[-1]] = self._walk(walked, names)
        else:
            self._expression(found["source"], sure=False)
        self._scopes.append(_Scope("for", scope, unsure=bool(found["only"])))
        if found["only"]:
            self._expression(found["only"][2:], sure=False)

    def _walk(self, walked: re.Match[str], names: list[str]) -> Use | None:
        """Return the use of an object's values, None if the loop has no name for one."""
        use = self._resolved(walked["path"], needed=not self._unsure)
        if use is None:
            return None
        entry = use.every()
        named = len(names) == 1 if walked["method"] == "values" else len(names) == 2 and walked["method"] != "keys"
        entry.unclear = entry.unclear or not (named or walked["method"] == "keys")
        return entry if named else None

    def _expression(self, code: str, *, sure: bool = True, flag: bool = False, printed: bool = False) -> None:
        if _OTHER_ROWS.search(code):
            self._open_rows()
        sure = sure and not self._unsure and not _UNSURE.search(re.sub(_STRING, "", code))
        for found in _TOKEN.finditer(code):
            if found["path"] and not (found["after"] or "").strip() == "=":
                self._path(found, code, sure, flag, printed)

    def _open_rows(self) -> None:
        for use in (use for scope in self._scopes for use in scope.names.values() if use is not None):
            use.open()

    def _path(self, found: re.Match[str], code: str, sure: bool, flag: bool, printed: bool) -> None:
        path, called = found["path"], (found["after"] or "").strip() == "("
        if called:
            holder = list(_STEP.finditer(path))
            if not holder:
                return
            path = path[: holder[-1].start()]
        rest = code[found.end("path") :]
        filters = _following(rest)
        tested = _TESTED.match(rest) is not None or not _DEFAULTS.isdisjoint(filters)
        use = self._resolved(path, needed=sure and not tested)
        if use is None:
            return
        kinds = [_KINDS.get(name, "") for name in filters if name not in _DEFAULTS]
        named = [name for name in filters if name not in _DEFAULTS][:1]
        if named and named[0] in _LISTS:
            use.each().unclear = True
        elif called or kinds and not kinds[0]:
            use.unclear = True
        elif kinds:
            use.kinds.add(kinds[0])
        elif flag:
            use.kinds.add("flag")
        elif printed and found.start("path") == 0 and not rest.strip() or tested:
            use.kinds.add("printed")
        else:
            use.unclear = True

    def _resolved(self, path: str, *, needed: bool) -> Use | None:
        first = re.match(r"\w+", path)
        assert first is not None
        name = first[0]
        known, use = self._named(name)
        if known and use is None or not known and (name in OWN_NAMES or name not in names_in(name)):
            return None
        if use is None:
            use = self._root.at(name)
            use.required |= needed
        for step in _STEP.finditer(path, first.end()):
            field_name = step["name"] or step["single"] or step["double"]
            use = use.at(field_name) if field_name else use.each()
            use.required |= needed
        return use

    def _named(self, name: str) -> tuple[bool, Use | None]:
        for scope in reversed(self._scopes):
            if name in scope.names:
                return True, scope.names[name]
        return False, None


def _following(rest: str) -> list[str]:
    """Return the filters that stand behind a path."""
    names, at = [], 0
    while found := _FILTERS.match(rest, at):
        names.append(found[1])
        at = found.end()
    return names
