"""Rich text: runs of a paragraph, and whole paragraphs, with the formatting that the data gives."""

import re
from collections.abc import Callable, Iterator, Mapping

from generator.renderers.docx.inserts import Insert
from generator.renderers.docx.links import hyperlink
from generator.renderers.docx.place import Place
from generator.renderers.docx.xml import Element, cleaned, make, paragraph, paragraph_properties, run, run_properties

_COLOUR = re.compile(r"#?([0-9a-fA-F]{6})")
_HIGHLIGHTS = frozenset(
    "black blue cyan green magenta red yellow white darkBlue darkCyan darkGreen darkMagenta darkRed darkYellow"
    " darkGray lightGray none".split()
)
_UNDERLINES = frozenset("single double thick dotted dash dotDash dotDotDash wave words none".split())
_ALIGNMENTS = {"left": "left", "center": "center", "right": "right", "justify": "both"}
_REGIONS = frozenset({"eastAsia", "cs", "ascii", "hAnsi"})
_LINK_COLOUR = "0563C1"
#: What an object of rich text, and one of `$paragraphs`, may say (docs/docx.md).
PROPERTIES = frozenset(
    "text bold italic underline strike color highlight size font style superscript subscript caps small_caps rtl lang"
    " href".split()
)
PARAGRAPH_PROPERTIES = frozenset("text style align page_break_before keep_with_next".split())

#: Writes one property: (where, insert, given value) -> elements.
Writer = Callable[[Place, Insert, object], tuple[Element, ...]]


def rich_runs(place: Place, insert: Insert, content: object, base: Element | None) -> list[Element]:
    """Write rich text as runs and links; what it does not say is as `base`. Raises DocumentFailed data_invalid."""
    return [made for piece in _pieces(content) for made in _piece(place, insert, piece, base)]


def _pieces(content: object) -> Iterator[object]:
    if isinstance(content, list):
        for item in content:
            yield from _pieces(item)
    elif content is not None:
        yield content


def _piece(place: Place, insert: Insert, piece: object, base: Element | None) -> list[Element]:
    if not isinstance(piece, dict):
        return [run(_text(place, piece), base)]
    _refuse_unknown(place, insert, piece, PROPERTIES)
    href = piece.get("href")
    made = run_properties(base, *_formatting(place, insert, piece))
    if href is None or href == "":
        return rich_runs(place, insert, piece.get("text"), made)
    if not any(key in piece for key in ("color", "underline", "style")):
        made = run_properties(made, *link_look(place))
    return [hyperlink(place, insert, href, rich_runs(place, insert, piece.get("text"), made))]


def link_look(place: Place) -> tuple[Element, ...]:
    """Return how a link looks: as the template's style for links, or blue and underlined."""
    style = place.additions.package.style("character", "hyperlink")
    return (make("rStyle", style),) if style else (make("color", _LINK_COLOUR), make("u", "single"))


def _refuse_unknown(place: Place, insert: Insert, given: Mapping[str, object], known: frozenset[str]) -> None:
    unknown = next((key for key in given if key not in known), None)
    if unknown is not None:
        raise place.refused(insert, f"Rich text has no `{unknown[:60]}`.", f"It has: {', '.join(sorted(known))}.")


def _text(place: Place, value: object) -> str:
    """Write a value as text; a bell in it, a new paragraph, is a mark for `expand`."""
    if isinstance(value, bool):
        return "true" if value else "false"
    text = str(value)
    return text.replace("\a", place.inserts.put(Insert("break", {}))) if "\a" in text else text


def _formatting(place: Place, insert: Insert, piece: Mapping[str, object]) -> tuple[Element, ...]:
    return tuple(
        made
        for key, write in _WRITERS.items()
        if piece.get(key) is not None
        for made in write(place, insert, piece[key])
    )


def _switch(*names: str) -> Writer:
    def write(_place: Place, _insert: Insert, value: object) -> tuple[Element, ...]:
        return tuple(make(name) if value else make(name, "0") for name in names)

    return write


def _underline(place: Place, insert: Insert, value: object) -> tuple[Element, ...]:
    if isinstance(value, bool):
        return (make("u", "single" if value else "none"),)
    return (make("u", _one_of(place, insert, value, _UNDERLINES, "underline")),)


def _one_of(place: Place, insert: Insert, value: object, known: frozenset[str], what: str) -> str:
    if str(value) not in known:
        raise place.refused(insert, f"`{str(value)[:60]}` is no {what}.", f"Known: {', '.join(sorted(known))}.")
    return str(value)


def _colour_of(place: Place, insert: Insert, value: object) -> str:
    found = _COLOUR.fullmatch(str(value))
    if found is None:
        raise place.refused(insert, f"`{str(value)[:60]}` is no colour.", "Write it as #FF0000.")
    return found[1].upper()


def _colour(place: Place, insert: Insert, value: object) -> tuple[Element, ...]:
    return (make("color", _colour_of(place, insert, value)),)


def _highlight(place: Place, insert: Insert, value: object) -> tuple[Element, ...]:
    if str(value) in _HIGHLIGHTS:
        return (make("highlight", value),)
    return (make("shd", "clear", color="auto", fill=_colour_of(place, insert, value)),)


def _size(place: Place, insert: Insert, value: object) -> tuple[Element, ...]:
    try:
        half_points = round(float(str(value)) * 2)
    except (ValueError, OverflowError):
        half_points = 0
    if not 2 <= half_points <= 3276:
        raise place.refused(insert, f"`{str(value)[:60]}` is no size of type.", "Give points, from 1 to 1638.")
    return make("sz", half_points), make("szCs", half_points)


def _font(_place: Place, _insert: Insert, value: object) -> tuple[Element, ...]:
    region, colon, name = str(value).partition(":")
    if not colon or region not in _REGIONS:
        region, name = "", str(value)
    font = cleaned(name)
    made = make("rFonts", ascii=font, hAnsi=font, cs=font)
    if region:
        made.set(f"{{{made.nsmap['w']}}}{region}", font)
    return (made,)


def _style(place: Place, _insert: Insert, value: object) -> tuple[Element, ...]:
    name = cleaned(str(value))
    return (make("rStyle", place.additions.package.style("character", name) or name),)


def _raised(how: str) -> Writer:
    def write(_place: Place, _insert: Insert, value: object) -> tuple[Element, ...]:
        return (make("vertAlign", how),) if value else ()

    return write


def _language(_place: Place, _insert: Insert, value: object) -> tuple[Element, ...]:
    return (make("lang", cleaned(str(value))),)


_WRITERS: dict[str, Writer] = {
    "style": _style,
    "font": _font,
    "bold": _switch("b", "bCs"),
    "italic": _switch("i", "iCs"),
    "caps": _switch("caps"),
    "small_caps": _switch("smallCaps"),
    "strike": _switch("strike"),
    "color": _colour,
    "size": _size,
    "highlight": _highlight,
    "underline": _underline,
    "superscript": _raised("superscript"),
    "subscript": _raised("subscript"),
    "rtl": _switch("rtl"),
    "lang": _language,
}


def rich_paragraphs(
    place: Place, insert: Insert, content: object, properties: Element | None, base: Element | None
) -> list[Element]:
    """Write `$paragraphs`: texts, or objects with `text`, `style`, `align`, `page_break_before`, `keep_with_next`."""
    items = content if isinstance(content, list) else [content]
    return [_paragraph(place, insert, item, properties, base) for item in items]


def _paragraph(place: Place, insert: Insert, item: object, properties: Element | None, base: Element | None) -> Element:
    given: Mapping[str, object] = item if isinstance(item, dict) else {"text": item}
    _refuse_unknown(place, insert, given, PARAGRAPH_PROPERTIES)
    changes = []
    if given.get("style") is not None:
        name = cleaned(str(given["style"]))
        changes.append(make("pStyle", place.additions.package.style("paragraph", name) or name))
    if given.get("align") is not None:
        align = _one_of(place, insert, given["align"], frozenset(_ALIGNMENTS), "alignment")
        changes.append(make("jc", _ALIGNMENTS[align]))
    if given.get("page_break_before"):
        changes.append(make("pageBreakBefore"))
    if given.get("keep_with_next"):
        changes.append(make("keepNext"))
    made = paragraph_properties(properties, *changes)
    return paragraph(made, *rich_runs(place, insert, given.get("text"), base))
