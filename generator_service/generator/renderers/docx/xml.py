"""Pieces of WordprocessingML (ECMA-376) as lxml elements: names, texts, and properties in the schema's order."""

import re
from copy import deepcopy
from typing import TypeAlias

from lxml import etree

Element: TypeAlias = etree._Element

W = "http://schemas.openxmlformats.org/wordprocessingml/2006/main"
R = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
WP = "http://schemas.openxmlformats.org/drawingml/2006/wordprocessingDrawing"
A = "http://schemas.openxmlformats.org/drawingml/2006/main"
PIC = "http://schemas.openxmlformats.org/drawingml/2006/picture"
DECLARATION = b'<?xml version="1.0" encoding="UTF-8" standalone="yes"?>\n'
_SPACE = "{http://www.w3.org/XML/1998/namespace}space"

#: Word insists on this order inside w:rPr (CT_RPr) and w:pPr (CT_PPr).
_RUN_ORDER = (
    "rStyle rFonts b bCs i iCs caps smallCaps strike dstrike outline shadow emboss imprint noProof snapToGrid vanish"
    " webHidden color spacing w kern position sz szCs highlight u effect bdr shd fitText vertAlign rtl cs em lang"
    " eastAsianLayout specVanish oMath"
).split()
_PARAGRAPH_ORDER = (
    "pStyle keepNext keepLines pageBreakBefore framePr widowControl numPr suppressLineNumbers pBdr shd tabs"
    " suppressAutoHyphens kinsoku wordWrap overflowPunct topLinePunct autoSpaceDE autoSpaceDN bidi adjustRightInd"
    " snapToGrid spacing ind contextualSpacing mirrorIndents suppressOverlap jc textDirection textAlignment"
    " textboxTightWrap outlineLvl divId cnfStyle rPr sectPr pPrChange"
).split()
_FORBIDDEN = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ufffe\uffff\ud800-\udfff]")
_BREAKS = re.compile(r"(\r\n|\r|\n|\t|\f)")


def parse(content: bytes | str) -> Element:
    """Parse XML without entities, network or a limit of depth above lxml's own. Raises etree.XMLSyntaxError."""
    return etree.fromstring(content, etree.XMLParser(resolve_entities=False, no_network=True))


def written(root: Element) -> bytes:
    """Write a part's XML as Word does, in UTF-8 with a declaration."""
    return DECLARATION + bytes(etree.tostring(root, encoding="utf-8", xml_declaration=False))


def w(name: str) -> str:
    """Return a name in the main namespace as lxml writes it."""
    return f"{{{W}}}{name}"


def r(name: str) -> str:
    """Return a name in the namespace of relationships' ids."""
    return f"{{{R}}}{name}"


def local(element: Element) -> str:
    """Return an element's name without its namespace; "" for a comment."""
    return etree.QName(element).localname if isinstance(element.tag, str) else ""


def make(name: str, val: object = None, /, **attributes: object) -> Element:
    """Make `<w:name w:val=... />`; further attributes lie in the same namespace."""
    made = etree.Element(w(name), nsmap={"w": W})
    if val is not None:
        made.set(w("val"), str(val))
    for key, value in attributes.items():
        made.set(w(key), str(value))
    return made


def holding(name: str, *children: Element) -> Element:
    """Make an element of these children."""
    made = make(name)
    made.extend(children)
    return made


def cleaned(text: str) -> str:
    """Leave out the characters that XML cannot hold."""
    return _FORBIDDEN.sub("", text)


def text_elements(text: str) -> list[Element]:
    """Write a text as the children of a run: line breaks, tabs and (form feed) page breaks are elements."""
    made = []
    for piece in _BREAKS.split(text):
        if piece == "\f":
            made.append(make("br", type="page"))
        elif piece == "\t":
            made.append(make("tab"))
        elif piece in ("\n", "\r", "\r\n"):
            made.append(make("br"))
        elif cleaned(piece):
            child = make("t")
            child.text = cleaned(piece)
            child.set(_SPACE, "preserve")
            made.append(child)
    return made


def run(text: str, properties: Element | None = None) -> Element:
    """Make a run of text with a copy of these properties."""
    made = make("r")
    if properties is not None and len(properties):
        made.append(deepcopy(properties))
    made.extend(text_elements(text))
    return made


def run_properties(base: Element | None, *changes: Element) -> Element:
    """Return a copy of run properties with these in place of those of the same name."""
    return _changed("rPr", _RUN_ORDER, base, changes)


def paragraph_properties(base: Element | None, *changes: Element) -> Element:
    """Return a copy of paragraph properties with these in place of those of the same name, without a section's end."""
    made = _changed("pPr", _PARAGRAPH_ORDER, base, changes)
    for end in made.findall(w("sectPr")):
        made.remove(end)
    return made


def _changed(name: str, order: list[str], base: Element | None, changes: tuple[Element, ...]) -> Element:
    held = {local(child): deepcopy(child) for child in base} if base is not None else {}
    held.update((local(child), child) for child in changes)
    made = make(name)
    made.extend(held[key] for key in sorted(held, key=lambda key: order.index(key) if key in order else len(order)))
    return made


def paragraph(properties: Element | None, *children: Element) -> Element:
    """Make a paragraph with a copy of these properties."""
    made = make("p")
    if properties is not None and len(properties):
        made.append(deepcopy(properties))
    made.extend(children)
    return made
