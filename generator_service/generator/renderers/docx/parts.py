"""Compile one XML part: tags that Word scattered over runs are joined, those that stand for an element replace it.

The result is text with numbered marks where the tags were; `tags` writes the marks as MiniJinja source.
"""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TypeAlias

from lxml import etree

from generator.renderers.docx.careful import careful_code
from generator.renderers.docx.cells import apply_cell_tag
from generator.renderers.docx.nesting import refuse_unbalanced
from generator.renderers.docx.output import CELL_END, GRID_START
from generator.renderers.docx.tags import (
    CELL_STATEMENTS,
    FIND,
    UNCLOSED,
    Tag,
    loops_after,
    names_in,
    parse,
    strict_code,
)
from generator.renderers.docx.values import prologue
from generator.renderers.port import failed

#: Finding tags takes quadratic time in a paragraph of nothing but opening braces.
LONGEST_PARAGRAPH = 20_000
#: Noncharacters: legal in XML, never in a document. Between them stands the tag's number.
_OPEN, _CLOSE = "\ufdd0", "\ufdd1"
_MARK = re.compile(f"{_OPEN}(\\d+){_CLOSE}")
_LIVE = re.compile(r"\{\{|\{%|\{#")
_DECLARATION = '<?xml version="1.0" encoding="UTF-8" standalone="yes"?>\n'
_XML_SPACE = "{http://www.w3.org/XML/1998/namespace}space"

Element: TypeAlias = etree._Element


@dataclass(frozen=True)
class Part:
    """A compiled part: literal pieces and, between them, numbers of tags."""

    name: str
    pieces: tuple[str | int, ...]
    tags: tuple[Tag, ...]
    guard_tables: bool = False
    repeats_drawings: bool = False

    @cached_property
    def to_finish(self) -> bool:
        """Whether the part itself has what `output` looks for when it is rendered; values may bring more."""
        marks = any(mark in piece for piece in self.pieces if isinstance(piece, str) for mark in (CELL_END, GRID_START))
        return self.repeats_drawings or marks

    @property
    def names(self) -> set[str]:
        """Every name that the tags may mean as data; those that they set themselves are harmless here."""
        return {name for tag in self.tags if tag.kind in "{%" for name in names_in(tag.code)}

    def strict_source(self) -> tuple[str, list[tuple[int, int]]]:
        """Return the MiniJinja source, and (byte offset, tag number) in order, to find a tag by an error's range."""
        return self._source(lambda number: strict_code(self.tags[number]))

    def careful_source(self) -> tuple[str, list[tuple[int, int]]]:
        """The same for the pass that leaves missing values blank and reports them."""
        return self._source(lambda number: careful_code(self.tags[number], number))

    def traced_source(self, *, careful: bool) -> str:
        """The same for a pass that only finds the tag at which a render stops: each tells its number before it runs."""

        def traced(number: int) -> str:
            tag = self.tags[number]
            code = careful_code(tag, number) if careful else strict_code(tag)
            told = tag.kind == "{" or tag.keyword in ("for", "if", "set", "with")
            return f"{{% do __at({number}) %}}{code}" if told else code

        return self._source(traced)[0]

    def _source(self, written: Callable[[int], str]) -> tuple[str, list[tuple[int, int]]]:
        chunks = [prologue(self.names)]
        offsets, at = [], len(chunks[0].encode())
        for piece in self.pieces:
            text = _inert(piece) if isinstance(piece, str) else written(piece)
            if isinstance(piece, int):
                offsets.append((at, piece))
            chunks.append(text)
            at += len(text.encode())
        return "".join(chunks), offsets


def _inert(text: str) -> str:
    """Write braces that are no tag so that they stay text."""
    return _LIVE.sub(lambda live: f'{{{{ "{live.group()}" }}}}', text)


def compile_part(name: str, content: bytes) -> Part | None:
    """Compile a part; None if it has no tags. Raises DocumentFailed template_error with part and paragraph."""
    root = _parsed(name, content)
    compiler = _Compiler(name, root)
    compiler.run()
    return compiler.part() if compiler.tags else None


def _parsed(name: str, content: bytes) -> Element:
    if b"<!DOCTYPE" in content or b"<!ENTITY" in content:
        raise failed("template_error", f"{name} declares a DTD.", part=name, hint="Save the file again from Word.")
    parser = etree.XMLParser(resolve_entities=False, no_network=True, remove_comments=True, remove_pis=True)
    try:
        return etree.fromstring(content, parser)
    except etree.XMLSyntaxError as error:
        raise failed("template_error", f"{name} is not well-formed XML: {error.msg}", part=name) from error


class _Compiler:
    def __init__(self, name: str, root: Element) -> None:
        self._name = name
        self._root = root
        self._w = "{" + str(root.nsmap.get("w", "")) + "}"
        self.tags: list[Tag] = []
        self._scoped: list[tuple[Element, int]] = []
        self._marked: set[tuple[Element, str]] = set()

    def run(self) -> None:
        for paragraph, elements in self._groups():
            self._join(paragraph, elements)
        self._other_text()
        self._cell_tags()
        for scope in ("tr", "tc", "p", "r"):
            self._lift(scope)

    def _groups(self) -> Iterator[tuple[int, list[Element]]]:
        """Yield the text elements of each paragraph; those of a text box belong to the paragraph inside it."""
        groups: dict[Element, tuple[int, list[Element]]] = {}
        count = 0
        for element in self._root.iter():
            kind = etree.QName(element).localname
            if kind == "p":
                count += 1
                groups[element] = (count, [])
            elif kind == "t":
                owner = next((up for up in element.iterancestors() if up in groups), None)
                if owner is not None:
                    element.text = re.sub(r"\s", " ", element.text or "")
                    groups[owner][1].append(element)
        yield from groups.values()

    def _join(self, paragraph: int, elements: list[Element]) -> None:
        """Give each tag wholly to the text element in which it begins."""
        texts = [element.text or "" for element in elements]
        whole = "".join(texts)
        if "{" not in whole and "_}" not in whole:
            return
        if len(whole) > LONGEST_PARAGRAPH:
            raise failed("template_error", "A paragraph with tags is too long.", part=self._name, line=paragraph)
        found = list(FIND.finditer(whole))
        starts = _starts(texts)
        written = [""] * len(texts)
        at = 0
        for match in found:
            _spread(whole, at, match.start(), starts, written)
            owner = _owner(starts, match.start())
            written[owner] += self._mark(parse(match, self._name, paragraph), elements[owner])
            at = match.end()
        _spread(whole, at, len(whole), starts, written)
        self._refuse_unclosed("".join(written), paragraph)
        for element, before, after in zip(elements, texts, written, strict=True):
            if before != after:
                element.text = after
                element.set(_XML_SPACE, "preserve")

    def _mark(self, tag: Tag, element: Element) -> str:
        self.tags.append(tag)
        number = len(self.tags) - 1
        if tag.scope or tag.keyword in CELL_STATEMENTS:
            self._scoped.append((element, number))
        return f"{_OPEN}{number}{_CLOSE}"

    def _refuse_unclosed(self, text: str, paragraph: int) -> None:
        left = UNCLOSED.search(text)
        if left:
            excerpt = _MARK.sub("…", text[left.start() : left.start() + 60])
            raise failed(
                "template_error",
                "A tag is not closed in its paragraph.",
                part=self._name,
                line=paragraph,
                tag=excerpt,
                excerpt=_MARK.sub("…", text)[:200],
                hint="Close it with }} or %} in the same paragraph; write {_{ for literal braces.",
            )

    def _other_text(self) -> None:
        """Compile tags in attributes (alternative texts, links) and in text outside paragraphs (the title property)."""
        for element in self._root.iter():
            for key, value in element.attrib.items():
                if "{" in value and FIND.search(value):
                    element.set(key, self._replaced(value))
            if "{" in (element.text or "") and FIND.search(element.text):
                element.text = self._replaced(element.text)

    def _replaced(self, text: str) -> str:
        def mark(match: re.Match[str]) -> str:
            self.tags.append(replace(parse(match, self._name, 1), scope=""))
            return f"{_OPEN}{len(self.tags) - 1}{_CLOSE}"

        return FIND.sub(mark, text)

    def _cell_tags(self) -> None:
        marked = [(element, number) for element, number in self._scoped if self.tags[number].keyword in CELL_STATEMENTS]
        cells = [self._enclosing(element, "tc", self.tags[number]) for element, number in marked]
        within = {cell: self._tags_of(cell) for cell in cells}
        for cell, (element, number) in zip(cells, marked, strict=True):
            element.text = (element.text or "").replace(f"{_OPEN}{number}{_CLOSE}", "")
            apply_cell_tag(cell, element, self.tags[number], self._insert, within[cell])

    def _tags_of(self, cell: Element) -> list[Tag]:
        """Return the tags in a cell's text, without those of tables in it and those that stand for it or its row."""
        texts = (text for text in cell.iter(self._w + "t") if next(text.iterancestors(cell.tag), None) is cell)
        tags = (self.tags[int(mark[1])] for text in texts for mark in _MARK.finditer(text.text or ""))
        return [tag for tag in tags if tag.scope not in ("tc", "tr")]

    def _insert(self, code: str, kind: str, near: Tag) -> str:
        self.tags.append(replace(near, kind=kind, code=code, quiet=True, trim_before=False, trim_after=False))
        return f"{_OPEN}{len(self.tags) - 1}{_CLOSE}"

    def _lift(self, scope: str) -> None:
        """Put the tags of this scope in place of the elements around them."""
        lifted: dict[Element, list[int]] = {}
        for element, number in self._scoped:
            tag = self.tags[number]
            if tag.scope == scope and self._attached(element):
                lifted.setdefault(self._enclosing(element, scope, tag), []).append(number)
        for element, numbers in lifted.items():
            if scope == "r" or any(self.tags[number].kind == "{" for number in numbers):
                continue  # {{p x}} and {{r x}} print into the paragraph or run that they stand in
            self._mark_for_output(element, scope)
            _replace_by_text(element, "".join(f"{_OPEN}{number}{_CLOSE}" for number in numbers))

    def _mark_for_output(self, element: Element, scope: str) -> None:
        """Remember the cells that may be left without a paragraph, and the table whose columns depend on the data."""
        for up in element.iterancestors():
            if up.tag == self._w + "tc":
                self._marked.add((up, CELL_END))
            elif up.tag == self._w + "tbl" and scope == "tc":
                self._marked.update((grid, GRID_START) for grid in up.findall(self._w + "tblGrid"))
                scope = ""

    def _keeps_a_paragraph(self, cell: Element) -> bool:
        """Tell whether the cell begins with a paragraph outside all tags and holds no table that may end it."""
        content = [child for child in cell if child.tag != self._w + "tcPr"]
        before = (cell.text or "") + "".join(child.tail or "" for child in cell[: len(cell) - len(content)])
        paragraphs = all(child.tag == self._w + "p" for child in content)
        return bool(content) and paragraphs and not before.strip()

    def _attached(self, element: Element) -> bool:
        return element is self._root or any(up is self._root for up in element.iterancestors())

    def _enclosing(self, element: Element, scope: str, tag: Tag) -> Element:
        name = self._w + scope
        found = next((up for up in element.iterancestors() if up.tag == name), None)
        if found is None:
            place = {"tr": "a table row", "tc": "a table cell", "p": "a paragraph", "r": "a run"}[scope]
            raise failed(
                "template_error", f"This tag must stand in {place}.", part=self._name, line=tag.paragraph, tag=tag.raw
            )
        return found

    def part(self) -> Part:
        for element, mark in self._marked:
            if mark == GRID_START or not self._keeps_a_paragraph(element):
                _set_mark(element, mark)
        text = _DECLARATION + etree.tostring(self._root, encoding="unicode")
        text = _merged(text, self.tags)
        pieces: list[str | int] = []
        for index, piece in enumerate(_MARK.split(text)):
            if index % 2 or piece:
                pieces.append(int(piece) if index % 2 else piece)
        guard_tables = any(tag.scope == "tr" for tag in self.tags)
        tags = tuple(_with_loops(self.tags, pieces))
        refuse_unbalanced([tags[piece] for piece in pieces if isinstance(piece, int)])
        return Part(self._name, tuple(pieces), tags, guard_tables, _repeats_drawings(pieces, tags))


def _starts(texts: list[str]) -> list[int]:
    starts, at = [], 0
    for text in texts:
        starts.append(at)
        at += len(text)
    return starts


def _owner(starts: list[int], at: int) -> int:
    """Return which text element the character at this position of the whole paragraph belongs to."""
    return max(index for index, start in enumerate(starts) if start <= at)


def _spread(whole: str, begin: int, end: int, starts: list[int], written: list[str]) -> None:
    """Give the literal text between two tags back to the elements it came from."""
    for index, start in enumerate(starts):
        stop = starts[index + 1] if index + 1 < len(starts) else len(whole)
        written[index] += whole[max(begin, start) : max(min(end, stop), max(begin, start))]


def _replace_by_text(element: Element, text: str) -> None:
    parent, before = element.getparent(), element.getprevious()
    assert parent is not None
    text += element.tail or ""
    if before is not None:
        before.tail = (before.tail or "") + text
    else:
        parent.text = (parent.text or "") + text
    parent.remove(element)


def _set_mark(element: Element, mark: str) -> None:
    """Put a mark at the beginning of a grid or at the end of a cell."""
    if mark == GRID_START:
        element.text = mark
    elif len(element):
        element[-1].tail = (element[-1].tail or "") + mark
    else:
        element.text = (element.text or "") + mark


def _merged(text: str, tags: list[Tag]) -> str:
    """Apply `{%-` and `-%}`: the text joins that of the paragraph before or after; without one, Jinja trims spaces."""
    for number, tag in enumerate(tags):
        mark = f"{_OPEN}{number}{_CLOSE}"
        before = after = 0
        if tag.trim_before:
            text, before = re.subn(rf"</w:t>(?:(?!</w:t>).)*?{mark}", mark, text, count=1, flags=re.DOTALL)
        if tag.trim_after:
            following = rf"{mark}(?:(?!<w:t[ >]|{_OPEN}).)*?<w:t(?: [^>]*)?>"
            text, after = re.subn(following, mark, text, count=1, flags=re.DOTALL)
        tags[number] = replace(tag, trim_before=tag.trim_before and not before, trim_after=tag.trim_after and not after)
    return text


def _repeats_drawings(pieces: list[str | int], tags: tuple[Tag, ...]) -> bool:
    """Tell whether a loop (or macro) holds a drawing, whose id would come twice."""
    depth = 0
    for piece in pieces:
        if isinstance(piece, int):
            depth += {"for": 1, "macro": 1, "endfor": -1, "endmacro": -1}.get(tags[piece].keyword, 0)
        elif depth and "<wp:docPr" in piece:
            return True
    return False


def _with_loops(tags: list[Tag], pieces: list[str | int]) -> list[Tag]:
    stack: list[dict[str, str]] = []
    known = list(tags)
    for number in (piece for piece in pieces if isinstance(piece, int)):
        known[number] = replace(known[number], loops={key: path for open_ in stack for key, path in open_.items()})
        loops_after(known[number], stack)
    return known
