"""Tags that change their table cell: `{% colspan n %}`, `{% cellbg colour %}`, `{% vm %}` and `{% hm %}` of docxtpl."""

from collections.abc import Callable
from typing import TypeAlias

from lxml import etree

from generator.renderers.docx.tags import Tag
from generator.renderers.port import failed

Element: TypeAlias = etree._Element
#: Registers code as a further tag and returns the mark to put into the XML: (code, kind, near) -> mark.
Insert = Callable[[str, str, Tag], str]

_CHOICE = ("if", "elif", "else")
_BLOCKS = ("if", "for", "macro", "call", "filter", "with")
#: Word insists on this order inside w:tcPr (ECMA-376, CT_TcPr).
_ORDER = ["cnfStyle", "tcW", "gridSpan", "hMerge", "vMerge", "tcBorders", "shd", "noWrap", "tcMar", "vAlign"]


def apply_cell_tag(cell: Element, text: Element, tag: Tag, insert: Insert, within: list[Tag]) -> None:
    """Change the cell as the tag says. `text` is the w:t that held it, `within` are all tags of the cell.

    Raises DocumentFailed template_error for a tag in a loop of its cell, and for one that no branch can have.
    """
    branched = _branched(tag, within)
    if tag.keyword == "colspan":
        _property(cell, "gridSpan").set(_w(cell, "val"), _value(tag, branched, "1", insert))
        _drop_empty_run(text)
    elif tag.keyword == "cellbg":
        shading = _property(cell, "shd")
        for name, value in (("val", "clear"), ("color", "auto"), ("fill", _value(tag, branched, '"auto"', insert))):
            shading.set(_w(cell, name), value)
        _drop_empty_run(text)
    elif tag.keyword == "vm":
        merged = '"restart" if loop.first else "continue"'
        _property(cell, "vMerge").set(_w(cell, "val"), insert(merged, "{", tag))
        text.text = insert("if loop.first", "%", tag) + (text.text or "") + insert("endif", "%", tag)
    else:
        _span_over_loop(cell, tag, insert)


def _branched(tag: Tag, within: list[Tag]) -> list[Tag]:
    """Return the cell's tags of this kind with the conditions that choose among them; none if there is no choice."""
    open_: list[str] = []
    kept: list[Tag] = []
    for one in within:
        keyword = one.keyword
        if keyword in _CHOICE and not {*open_} - {"if"} and (keyword == "if" or open_):
            kept.append(one)
        if keyword in _BLOCKS:
            open_.append(keyword)
        elif keyword.startswith("end") and open_:
            if open_.pop() == "if" and not {*open_} - {"if"}:
                kept.append(one)
        elif keyword == tag.keyword:
            _refuse_place(one, open_)
            kept.append(one)
    chosen = [one for one in kept if one.keyword == tag.keyword]
    return kept if not open_ and (len(chosen) > 1 or _chooses(kept, tag.keyword)) else []


def _chooses(kept: list[Tag], keyword: str) -> bool:
    """Tell whether one of the tags stands in a branch."""
    depth = 0
    for one in kept:
        depth += {"if": 1, "endif": -1}.get(one.keyword, 0)
        if one.keyword == keyword and depth:
            return True
    return False


def _refuse_place(tag: Tag, open_: list[str]) -> None:
    around = [keyword for keyword in open_ if keyword != "if" or tag.keyword in ("vm", "hm")]
    if around:
        raise failed(
            "template_error",
            f"`{tag.keyword}` cannot stand within the `{around[-1]}` of its cell.",
            part=tag.part,
            line=tag.paragraph,
            tag=tag.raw,
            excerpt=tag.excerpt or None,
            hint="Put it before, in the cell itself.",
        )


def _value(tag: Tag, branched: list[Tag], otherwise: str, insert: Insert) -> str:
    """Return the marks that write the value, of the branch that is taken if the tag stands in branches."""
    if not branched:
        return insert(_argument(tag), "{", tag)
    marks = insert(f"set __cell = {otherwise}", "%", tag)
    for one in branched:
        if one.keyword == tag.keyword:
            marks += insert("set __cell", "%", one) + insert(_argument(one), "{", one) + insert("endset", "%", one)
        else:
            marks += insert(one.code, "%", one)
    return marks + insert(f"__cell or {otherwise}", "{", tag)


def _argument(tag: Tag) -> str:
    return tag.code.partition(" ")[2].strip()


def _span_over_loop(cell: Element, tag: Tag, insert: Insert) -> None:
    """Keep the loop's first cell, as wide as all of them."""
    span = _property(cell, "gridSpan")
    width = span.get(_w(cell, "val")) or "1"
    span.set(_w(cell, "val"), insert(f"{int(width) if width.isdigit() else 1} * loop.length", "{", tag))
    parent, before = cell.getparent(), cell.getprevious()
    assert parent is not None
    opening, closing = insert("if loop.first", "%", tag), insert("endif", "%", tag)
    if before is not None:
        before.tail = (before.tail or "") + opening
    else:
        parent.text = (parent.text or "") + opening
    cell.tail = closing + (cell.tail or "")


def _w(element: Element, name: str) -> str:
    return f"{{{etree.QName(element).namespace}}}{name}"


def _property(cell: Element, name: str) -> Element:
    """Return the cell's property of this name, made at its place in the schema's order if missing."""
    properties = cell.find(_w(cell, "tcPr"))
    if properties is None:
        properties = etree.Element(_w(cell, "tcPr"))
        cell.insert(0, properties)
    found = properties.find(_w(cell, name))
    if found is not None:
        return found
    earlier = set(_ORDER[: _ORDER.index(name)])
    at = sum(1 for child in properties if etree.QName(child).localname in earlier)
    made = etree.Element(_w(cell, name))
    properties.insert(at, made)
    return made


def _drop_empty_run(text: Element) -> None:
    run = text.getparent()
    if run is not None and not (text.text or "") and run.getparent() is not None:
        run.getparent().remove(run)
