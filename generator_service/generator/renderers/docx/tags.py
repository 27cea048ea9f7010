"""Tags of the docxtpl dialect: find them in text, take them apart, and write them as MiniJinja source.

Two ways of writing: `strict_code` runs at Rust speed and fails on what is missing; `careful_code` (in `careful`) leaves
it blank and reports it. A document is rendered strictly first, and carefully only if that failed.
"""

import difflib
import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from generator.renderers.port import failed

#: A tag, a raw block, or docxtpl's escapes for literal braces.
FIND = re.compile(
    r"\{%-?\s*raw\s*-?%\}(?P<raw>.*?)\{%-?\s*endraw\s*-?%\}"
    r"|(?P<tag>\{\{.*?\}\}|\{%.*?%\}|\{#.*?#\})"
    r"|(?P<escape>\{_\{|\}_\}|\{_%|%_\})",
    re.DOTALL,
)
UNCLOSED = re.compile(r"\{\{|\{%")
_INSIDE = re.compile(
    r"\{(?P<kind>[{%#])(?P<trim>-)?(?P<scope>tr|tc|p|r)?(?(scope)(?=\s))(?P<code>.*?)(?P<end>-)?[}%#]\}", re.DOTALL
)
_STRAIGHT = str.maketrans({"“": '"', "”": '"', "„": '"', "«": '"', "»": '"', "‘": "'", "’": "'", "\u00a0": " "})

#: A plain path, then nothing or filters: what can be tested for being defined without computing anything.
_PATH = re.compile(
    r"\s*(?P<path>[A-Za-z_]\w*(?:\.\w+|\[\s*(?:'[^']*'|\"[^\"]*\"|\d+)\s*\])*)\s*(?P<filters>\|.*)?$", re.DOTALL
)
_DEFAULTED = re.compile(r"\|\s*(?:default|d)\b")
_FOR = re.compile(
    r"\s*for\s+(?P<names>[\w\s,]+?)\s+in\s+(?P<path>[A-Za-z_][\w.]*)\s*(?P<rest>(?:if\s.*|recursive)?)$", re.DOTALL
)

_TEXT = re.compile(r"'(?:[^'\\]|\\.)*'|\"(?:[^\"\\]|\\.)*\"")
#: What is called is no data: JSON has no functions.
_NAME = re.compile(r"(?<![\w.])[A-Za-z_]\w*(?![\w]|\s*\()")
#: Words of the language and functions of MiniJinja: never looked up in the data.
_NOT_DATA = frozenset(
    "true false none True False None and or not in is if else elif endif for endfor recursive set endset macro"
    " endmacro call endcall filter endfilter do with endwith break continue loop caller self range namespace dict"
    " cycler joiner lipsum colspan cellbg vm hm __missing __absent __at".split()
)

STATEMENTS = frozenset(
    "for endfor if elif else endif set endset macro endmacro call endcall filter endfilter do with endwith"
    " break continue".split()
)
#: Characters shown on either side of a tag in errors.
_AROUND = 80
#: Tags that change their cell instead of printing.
CELL_STATEMENTS = frozenset({"colspan", "cellbg", "vm", "hm"})


@dataclass(frozen=True)
class Tag:
    """One tag: `scope` is the element it stands for (p, tr, tc, r or none); `paragraph` counts from 1 in its part.

    `loops` maps the loop variables in force to the lists they run over: {"i": "items[]"}. `excerpt` is the text around
    it. `quiet`: it writes an attribute of the markup, where no mark of a missing value may stand.
    """

    raw: str
    kind: str
    code: str
    part: str
    paragraph: int
    scope: str = ""
    trim_before: bool = False
    trim_after: bool = False
    loops: Mapping[str, str] = field(default_factory=dict)
    excerpt: str = ""
    quiet: bool = False

    @property
    def keyword(self) -> str:
        """The statement's first word; "" for what is not a statement."""
        return self.code.split(None, 1)[0] if self.kind == "%" and self.code.strip() else ""


def parse(found: re.Match[str], part: str, paragraph: int) -> Tag:
    """Take a match of FIND apart. Raises DocumentFailed template_error for a statement that templates do not have."""
    if found["tag"] is None:
        literal = found["raw"] if found["raw"] is not None else found["escape"].replace("_", "")
        return Tag(found.group(), "literal", literal, part, paragraph, excerpt=excerpt_of(found))
    inside = _INSIDE.fullmatch(found["tag"])
    if inside is None:
        raise failed(
            "template_error",
            "This tag is empty or broken.",
            part=part,
            line=paragraph,
            tag=found["tag"],
            excerpt=excerpt_of(found),
        )
    tag = Tag(
        raw=found["tag"],
        kind=inside["kind"],
        code=inside["code"].translate(_STRAIGHT).replace("\n", " ").strip(),
        part=part,
        paragraph=paragraph,
        scope=inside["scope"] or "",
        trim_before=bool(inside["trim"]) and inside["kind"] == "%",
        trim_after=bool(inside["end"]) and inside["kind"] == "%",
        excerpt=excerpt_of(found),
    )
    if tag.kind == "%" and tag.keyword not in STATEMENTS | CELL_STATEMENTS:
        raise failed(
            "template_error",
            f"`{tag.keyword}` is not a statement of DOCX templates.",
            hint=near(tag.keyword, STATEMENTS | CELL_STATEMENTS)
            or "Statements are: for, if, elif, else, set, macro, call, filter, with, colspan, cellbg, vm, hm.",
            part=part,
            line=paragraph,
            tag=tag.raw,
            excerpt=tag.excerpt,
        )
    return tag


def excerpt_of(found: re.Match[str]) -> str:
    """Return a tag with some of the text around it in its paragraph."""
    return found.string[max(found.start() - _AROUND, 0) : found.end() + _AROUND].strip()


def near(name: str, known: Iterable[str]) -> str | None:
    """Ask whether one of the known names is meant, None if none resembles this one."""
    close = difflib.get_close_matches(name, known, n=2, cutoff=0.6)
    return "Did you mean " + " or ".join(f"`{one}`" for one in close) + "?" if close else None


def strict_code(tag: Tag) -> str:
    """Write the tag so that anything missing stops the render."""
    if tag.kind == "literal":
        return "{{ " + json.dumps(tag.code, ensure_ascii=False) + " }}"
    if tag.kind == "#":
        return ""
    if tag.kind == "{":
        path = filtered_path(tag.code)
        return f"{_missing_stops(path) if path else ''}{{{{ {tag.code} }}}}"
    return f"{{%{'-' * tag.trim_before} {tag.code} {'-' * tag.trim_after}%}}"


def filtered_path(code: str) -> str | None:
    """Return the path that an expression gives to filters, none of them `default`."""
    found = _PATH.match(code)
    if found is None or found["filters"] is None or _DEFAULTED.search(found["filters"]):
        return None
    return found["path"]


def _missing_stops(path: str) -> str:
    """Write the check that filters need: they are Python and see None for what is missing as for what is null."""
    return f"{{% if {path} is not defined %}}{{{{ {path} }}}}{{% endif %}}"


def data_path(tag: Tag, expression: str | None = None) -> str:
    """Name the data that a tag reads, loop variables resolved: `i.name` in `for i in items` is `items[].name`."""
    path = expression or tag.code
    plain = _PATH.match(path)
    loop = _FOR.match(path)
    if plain:
        path = plain["path"]
    elif loop:
        path = loop["path"]
    first, dot, rest = path.partition(".")
    return f"{tag.loops[first]}{dot}{rest}" if first in tag.loops else path


def names_in(code: str) -> set[str]:
    """Return the names in an expression or statement that may stand for data."""
    return set(_NAME.findall(_TEXT.sub("", code))) - _NOT_DATA


def is_data(name: str) -> bool:
    """Tell whether a name may stand for data, and not for something of the language."""
    return name not in _NOT_DATA


def loops_after(tag: Tag, stack: list[dict[str, str]]) -> None:
    """Follow `for` and `endfor`: `stack` holds the loop variables of each open loop, resolved to data paths."""
    if tag.keyword == "endfor" and stack:
        stack.pop()
    loop = _FOR.match(tag.code) if tag.keyword == "for" else None
    if loop:
        names = [name.strip() for name in loop["names"].split(",")]
        stack.append({names[0]: f"{data_path(tag, loop['path'])}[]"} if len(names) == 1 else {})
    elif tag.keyword == "for":
        stack.append({})
