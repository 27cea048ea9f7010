"""Markdown (CommonMark with tables and strikethrough) as Word's own paragraphs, lists, tables and links.

Styles of the template are used where it has them (Heading 1, Quote, Table Grid); HTML in the text stays text.
"""

from collections.abc import Iterator
from functools import cache
from html import unescape
from itertools import count

from markdown_it import MarkdownIt
from markdown_it.token import Token

from generator.renderers.docx.images import run_with_picture
from generator.renderers.docx.inserts import Insert
from generator.renderers.docx.links import hyperlink, is_safe
from generator.renderers.docx.place import Place
from generator.renderers.docx.richtext import link_look
from generator.renderers.docx.xml import (
    Element,
    holding,
    make,
    paragraph,
    paragraph_properties,
    run,
    run_properties,
    w,
)

#: Longer texts take more than a second.
LONGEST = 500_000
#: Each opening bracket may begin a link, and costs 25 µs to find out.
MOST_BRACKETS = 10_000
#: Headings without a style of the template, in half points.
_SIZES = (36, 30, 26, 24, 22, 22)
#: One step of indentation in lists and quotes, and the hanging of a list's marks, in twentieths of a point.
_STEP, _HANGING = 720, 360
_LEVELS = 9
_BULLETS = "•◦▪"
_MONO = "Courier New"
_SHADE = "F2F2F2"
_TASKS = {"[ ] ": "☐ ", "[x] ": "☒ ", "[X] ": "☒ "}


@cache
def _parser() -> MarkdownIt:
    return MarkdownIt("commonmark", {"html": False, "maxNesting": 40}).enable(["table", "strikethrough"])


def markdown_blocks(place: Place, insert: Insert, properties: Element | None, base: Element | None) -> list[Element]:
    """Write a Markdown text as paragraphs and tables; plain ones look as `properties` and `base` say.

    Raises DocumentFailed data_invalid for a text that is too long or has too many brackets, and for a picture that
    cannot be shown.
    """
    text = insert.value.get("$markdown")
    text = "" if text is None else str(text)
    if len(text) > LONGEST:
        raise place.refused(insert, f"The Markdown has {len(text)} characters; {LONGEST} are allowed.")
    brackets = text.count("[")
    if brackets > MOST_BRACKETS:
        raise place.refused(insert, f"The Markdown has {brackets} opening brackets; {MOST_BRACKETS} are allowed.")
    return _Writer(place, insert, properties, base).blocks(_parser().parse(text))


class _Writer:
    def __init__(self, place: Place, insert: Insert, properties: Element | None, base: Element | None) -> None:
        self._place, self._insert = place, insert
        self._properties, self._base = properties, base
        self._lists: list[tuple[int, bool]] = []  # the numbers of open lists, and whether an item has begun
        self._quotes = 0
        self._made: list[Element] = []

    def blocks(self, tokens: list[Token]) -> list[Element]:
        at = 0
        while at < len(tokens):
            token = tokens[at]
            if token.type == "table_open":
                end = next(index for index in range(at, len(tokens)) if tokens[index].type == "table_close")
                self._made += [make("p")] if self._made and self._made[-1].tag == w("tbl") else []
                self._made.append(self._table(tokens[at:end]))
                at = end
            else:
                self._block(token, tokens[at + 1] if at + 1 < len(tokens) else token)
            at += 1
        return self._made

    def _block(self, token: Token, following: Token) -> None:
        kind = token.type
        if kind in ("bullet_list_open", "ordered_list_open"):
            self._lists.append((self._list(token), False))
        elif kind in ("bullet_list_close", "ordered_list_close"):
            self._lists.pop()
        elif kind == "list_item_open":
            self._lists[-1] = (self._lists[-1][0], True)
        elif kind in ("blockquote_open", "blockquote_close"):
            self._quotes += 1 if kind == "blockquote_open" else -1
        elif kind == "heading_open":
            self._made.append(self._heading(int(token.tag[1:]), following))
        elif kind == "paragraph_open":
            self._made.append(paragraph(self._layout(token), *self._inline(following, self._text_look())))
        elif kind in ("fence", "code_block"):
            self._made += self._code(token.content)
        elif kind == "hr":
            border = holding("pBdr", make("bottom", "single", sz=6, space=1, color="auto"))
            self._made.append(paragraph(paragraph_properties(self._properties, border)))

    def _list(self, token: Token) -> int:
        """Define a list of this kind that starts anew; its level is how deep it lies in others."""
        ordered = token.type == "ordered_list_open"
        abstract = holding("abstractNum", make("multiLevelType", "hybridMultilevel"))
        start = int(token.attrs.get("start", 1)) if ordered else 1
        for level in range(_LEVELS):
            abstract.append(_level(level, ordered, start))
        return self._place.additions.add_list(abstract)

    def _layout(self, token: Token | None = None) -> Element:
        """Return the properties of a paragraph where the writer is: in a list, in a quote, or as the template's."""
        tight = token is not None and token.hidden
        changes = [make("contextualSpacing")] if tight else []
        depth = min(len(self._lists), _LEVELS)
        if self._lists:
            number, begins = self._lists[-1]
            if begins:
                changes.append(holding("numPr", make("ilvl", depth - 1), make("numId", number)))
                self._lists[-1] = (number, False)
            else:
                changes.append(make("ind", left=_STEP * (depth + self._quotes), firstLine=0))
        elif self._quotes:
            style = self._style("quote")
            changes += [make("pStyle", style)] if style else []
            changes.append(make("ind", left=_STEP * self._quotes))
        return paragraph_properties(self._properties, *changes)

    def _style(self, name: str, kind: str = "paragraph") -> str | None:
        return self._place.additions.package.style(kind, name)

    def _text_look(self) -> Element:
        italic = [make("i")] if self._quotes and not self._style("quote") else []
        return run_properties(self._base, *italic)

    def _heading(self, level: int, inline: Token) -> Element:
        style = self._style(f"heading {level}")
        if style:
            return paragraph(holding("pPr", make("pStyle", style)), *self._inline(inline, None))
        look = run_properties(self._base, make("b"), make("sz", _SIZES[level - 1]), make("szCs", _SIZES[level - 1]))
        spaced = make("spacing", before=240, after=80)
        layout = paragraph_properties(self._properties, make("keepNext"), spaced, make("outlineLvl", level - 1))
        return paragraph(layout, *self._inline(inline, look))

    def _code(self, text: str) -> Iterator[Element]:
        """Write a block of code as one shaded paragraph, its lines broken."""
        layout = paragraph_properties(
            self._layout(), make("shd", "clear", color="auto", fill=_SHADE), make("jc", "left")
        )
        yield paragraph(layout, run(text.rstrip("\n"), run_properties(self._base, *_mono())))

    def _inline(self, token: Token, base: Element | None) -> list[Element]:
        """Write an inline token's children as runs, links and pictures."""
        made: list[Element] = []
        open_: list[str] = []
        link: tuple[str, list[Element]] | None = None
        for child in token.children or []:
            kind = child.type
            if kind == "link_open":
                link = (str(child.attrs.get("href", "")), made)
                made = []
            elif kind == "link_close" and link:
                address, before = link
                made, link = [*before, *self._linked(address, made)], None
            elif kind.endswith("_open"):
                open_.append(kind.removesuffix("_open"))
            elif kind.endswith("_close"):
                open_.remove(kind.removesuffix("_close"))
            else:
                made += self._piece(child, self._look(base, open_, link is not None and _may_link(link[0])))
        return made

    def _linked(self, address: str, runs: list[Element]) -> list[Element]:
        return [hyperlink(self._place, self._insert, address, runs)] if _may_link(address) else runs

    def _look(self, base: Element | None, open_: list[str], linked: bool) -> Element:
        switches = {"strong": "b", "em": "i", "s": "strike"}
        changes = [make(switches[kind]) for kind in open_ if kind in switches]
        return run_properties(base, *changes, *(link_look(self._place) if linked else ()))

    def _piece(self, token: Token, look: Element) -> list[Element]:
        if token.type == "code_inline":
            return [run(token.content, run_properties(look, *_mono()))]
        if token.type == "image":
            return [self._picture(token, look)]
        if token.type in ("softbreak", "hardbreak"):
            return [run(" " if token.type == "softbreak" else "\n", look)]
        content = _TASKS.get(token.content[:4], token.content[:4]) + token.content[4:]
        return [run(content, look)] if content else []

    def _picture(self, token: Token, look: Element) -> Element:
        """Show a picture of an asset or data URI; of any other address only its description."""
        source, alt = unescape(str(token.attrs.get("src", ""))), token.content
        if not source.startswith(("data:", "sha256:")):
            return run(alt, look)
        return run_with_picture(self._place, Insert("image", {"$image": source, "alt": alt}, self._insert.path))

    def _table(self, tokens: list[Token]) -> Element:
        rows = [list(_cells(row)) for row in _rows(tokens)]
        columns = max(map(len, rows), default=1)
        width = self._place.additions.package.text_width // columns
        table = holding(
            "tbl", self._table_look(), holding("tblGrid", *(make("gridCol", w=width) for _ in range(columns)))
        )
        for number, row in enumerate(rows):
            made = make("tr")
            if number == 0:
                made.append(holding("trPr", make("tblHeader")))
            made.extend(self._cell(token, inline, width, head=number == 0) for token, inline in row)
            table.append(made)
        return table

    def _table_look(self) -> Element:
        style = self._style("table grid", "table")
        look = holding("tblPr", make("tblW", type="pct", w=5000))
        if style:
            look.insert(0, make("tblStyle", style))
        else:
            sides = ("top", "left", "bottom", "right", "insideH", "insideV")
            look.append(holding("tblBorders", *(make(side, "single", sz=4, space=0, color="auto") for side in sides)))
        return look

    def _cell(self, token: Token, inline: Token, width: int, *, head: bool) -> Element:
        align = str(token.attrs.get("style", "")).rpartition(":")[2]
        layout = paragraph_properties(self._properties, *([make("jc", align)] if align in ("center", "right") else []))
        look = run_properties(self._base, *([make("b")] if head else []))
        properties = holding("tcPr", make("tcW", w=width, type="dxa"))
        return holding("tc", properties, paragraph(layout, *self._inline(inline, look)))


def _level(level: int, ordered: bool, start: int) -> Element:
    made = make("lvl", ilvl=level)
    made.append(make("start", start))
    made.append(make("numFmt", "decimal" if ordered else "bullet"))
    made.append(make("lvlText", f"%{level + 1}." if ordered else _BULLETS[level % len(_BULLETS)]))
    made.append(make("lvlJc", "left"))
    made.append(holding("pPr", make("ind", left=_STEP * (level + 1), hanging=_HANGING)))
    return made


def _mono() -> tuple[Element, ...]:
    fonts = make("rFonts", ascii=_MONO, hAnsi=_MONO, cs=_MONO)
    return fonts, make("shd", "clear", color="auto", fill=_SHADE)


def _may_link(address: str) -> bool:
    return is_safe(address) or (address.startswith("#") and len(address) > 1)


def _rows(tokens: list[Token]) -> Iterator[list[Token]]:
    starts = [index for index, token in enumerate(tokens) if token.type == "tr_open"]
    for start, end in zip(starts, [*starts[1:], len(tokens)], strict=True):
        yield tokens[start:end]


def _cells(row: list[Token]) -> Iterator[tuple[Token, Token]]:
    """Yield each cell's opening token, which knows its alignment, and its text."""
    for index, token in zip(count(), row, strict=False):
        if token.type in ("th_open", "td_open"):
            yield token, row[index + 1]
