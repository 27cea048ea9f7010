"""Nothing in a document calls out when it is opened: addresses other than links' go, and what fetches by itself."""

import re
from collections.abc import Mapping
from urllib.parse import unquote

from lxml import etree

from generator.renderers.docx.additions import relations_of
from generator.renderers.docx.links import is_safe
from generator.renderers.docx.xml import Element, R, local, parse, w, written
from generator.renderers.port import failed

#: Fields that fetch a file or start a program when they are updated.
_CALLING_FIELD = re.compile(
    r"\s*(?:DDE|DDEAUTO|INCLUDETEXT|INCLUDEPICTURE|INCLUDE|IMPORT|LINK|DATABASE|RD|MACROBUTTON)\b", re.IGNORECASE
)
_FIELDS = (b"instrText", b"fldSimple")
_FIELD_WITH_TAG = re.compile(rb"instrText[^<>]*>[^<]*\{[{%]|<w:fldSimple [^>]*\{[{%]")
_OBJECTS = ("object", "control", "altChunk", "subDoc", "attachedTemplate", "movie")
_TAG = re.compile(r"\{\{|%7[bB]%7[bB]")
#: What shows a picture, and the element around it that goes when its picture goes.
_SHOWN = {"blip": "drawing", "imagedata": "pict"}


_MACROS = re.compile(r"vba(?:Project|Data)[^/]*\.(?:bin|xml)$", re.IGNORECASE)


def has_macros(contents: Mapping[str, bytes]) -> bool:
    """Tell whether a document brings macros, or says so: Word asks its readers to trust them."""
    return b"macroEnabled" in contents.get("[Content_Types].xml", b"") or any(map(_MACROS.search, contents))


def without_outside(contents: dict[str, bytes]) -> None:
    """Strip a template's relationships to addresses, except links to pages and letters, what used them, and fields."""
    for name in [
        name for name in contents if name.endswith(".xml") and any(kind in contents[name] for kind in _FIELDS)
    ]:
        try:
            contents[name] = without_fetching(contents[name])
        except etree.XMLSyntaxError:
            continue  # the compiler names it
    for name in [name for name in contents if name.endswith(".rels") and b"External" in contents[name]]:
        try:
            root = parse(contents[name])
        except etree.XMLSyntaxError:
            continue  # the check of the output names it
        gone = {str(node.get("Id")) for node in root.iter("{*}Relationship") if _calls(node)}
        if not gone:
            continue
        for node in [node for node in root.iter("{*}Relationship") if node.get("Id") in gone]:
            root.remove(node)
        contents[name] = written(root)
        _strip_users(contents, name, gone)


def fields_with_tags(content: bytes) -> bool:
    """Tell whether a part has fields whose instructions data may write."""
    return _FIELD_WITH_TAG.search(content) is not None


def without_fetching(content: bytes) -> bytes:
    """Empty the fields of a part that fetch something when they are updated, as LibreOffice does on opening."""
    if not any(name in content for name in _FIELDS):
        return content
    root = parse(content)
    return written(root) if _disarm_fields(root) else content


def _calls(node: Element) -> bool:
    if node.get("TargetMode") != "External":
        return False
    target = str(node.get("Target", ""))
    return not (str(node.get("Type", "")).endswith("/hyperlink") and (is_safe(target) or _TAG.search(target)))


def with_tags(relations: bytes) -> bytes | None:
    """Return a template's relationships with the tags in links as text (Word writes %7B%7B), None without."""
    if b"{{" not in relations and b"%7b%7b" not in relations.lower():
        return None
    root = parse(relations)
    for node in root.iter("{*}Relationship"):
        if _TAG.search(str(node.get("Target", ""))):
            node.set("Target", unquote(str(node.get("Target", ""))))
    return written(root)


def refuse_unsafe_links(name: str, relations: bytes) -> None:
    """Raise DocumentFailed data_invalid for a link whose address, made by a tag, may do more than open a page."""
    for node in parse(relations).iter("{*}Relationship"):
        if _calls(node):
            message = f"`{str(node.get('Target', ''))[:60]}` cannot be linked to."
            raise failed("data_invalid", message, part=name, hint="Links begin with http:, https:, mailto: or tel:.")


def _strip_users(contents: dict[str, bytes], relations: str, gone: set[str]) -> None:
    part = next((name for name in contents if relations_of(name) == relations), None)
    if part is None:
        return
    try:
        root = parse(contents[part])
    except etree.XMLSyntaxError:
        return
    for element in list(root.iter(etree.Element)):
        for key in [key for key, value in element.attrib.items() if key.startswith(f"{{{R}}}") and value in gone]:
            del element.attrib[key]
            if local(element) in ("attachedTemplate", "OLEObject", "control", "subDoc", "altChunk"):
                _remove(element)
    without_calls(root)
    contents[part] = written(root)


def without_calls(root: Element) -> None:
    """Remove pictures that have lost theirs: a frame without one makes Word call the file corrupt."""
    for element in [one for one in root.iter(etree.Element) if local(one) in _SHOWN]:
        if not any(key.startswith(f"{{{R}}}") for key in element.attrib):
            _remove(next((up for up in element.iterancestors() if local(up) == _SHOWN[local(element)]), element))


def disarm(root: Element) -> None:
    """Take out of foreign markup what embeds objects, and fields that fetch or run."""
    for element in [one for one in root.iter(etree.Element) if local(one) in _OBJECTS]:
        _remove(element)
    _disarm_fields(root)


def _disarm_fields(root: Element) -> bool:
    """Empty the instructions of fields that fetch; Word puts them together from any number of runs. False if none."""
    found = False
    for field in [one for one in root.iter(w("fldSimple")) if _CALLING_FIELD.match(one.get(w("instr"), ""))]:
        field.set(w("instr"), " ")
        found = True
    open_: list[list[Element]] = []
    for element in root.iter(w("fldChar"), w("instrText")):
        kind = element.get(w("fldCharType"))
        if kind == "begin":
            open_.append([])
        elif kind is None:
            open_ = open_ or [[]]
            open_[-1].append(element)
            if _CALLING_FIELD.match("".join(code.text or "" for code in open_[-1])):
                found = True
                for code in open_[-1]:
                    code.text = " "
        elif kind == "end" and open_:
            open_.pop()
    return found


def _remove(element: Element) -> None:
    parent = element.getparent()
    if parent is not None:
        parent.remove(element)
