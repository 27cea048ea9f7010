"""Tags that change their table cell: `{% colspan n %}`, `{% cellbg colour %}`, `{% vm %}` and `{% hm %}` of docxtpl."""

from collections.abc import Callable
from typing import TypeAlias

from lxml import etree

from generator.renderers.docx.tags import Tag

Element: TypeAlias = etree._Element
#: Registers code as a further tag and returns the mark to put into the XML: (code, kind, near) -> mark.
Insert = Callable[[str, str, Tag], str]

#: Word insists on this order inside w:tcPr (ECMA-376, CT_TcPr).
_ORDER = ["cnfStyle", "tcW", "gridSpan", "hMerge", "vMerge", "tcBorders", "shd", "noWrap", "tcMar", "vAlign"]


def apply_cell_tag(cell: Element, text: Element, tag: Tag, insert: Insert) -> None:
    """Change the cell as the tag says. `text` is the w:t that held it."""
    argument = tag.code.partition(" ")[2].strip()
    if tag.keyword == "colspan":
        _property(cell, "gridSpan").set(_w(cell, "val"), insert(argument, "{", tag))
        _drop_empty_run(text)
    elif tag.keyword == "cellbg":
        shading = _property(cell, "shd")
        for name, value in (("val", "clear"), ("color", "auto"), ("fill", insert(argument, "{", tag))):
            shading.set(_w(cell, name), value)
        _drop_empty_run(text)
    elif tag.keyword == "vm":
        merged = '"restart" if loop.first else "continue"'
        _property(cell, "vMerge").set(_w(cell, "val"), insert(merged, "{", tag))
        text.text = insert("if loop.first", "%", tag) + (text.text or "") + insert("endif", "%", tag)
    else:
        _span_over_loop(cell, tag, insert)


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
