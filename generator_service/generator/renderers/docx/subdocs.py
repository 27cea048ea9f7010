"""Another Word document inside this one: paragraphs and tables, with the pictures, charts, lists and styles they use.

Styles that the template has keep the template's look. Nothing that runs or calls out comes along: no objects, macros
or fields that fetch, no addresses but those of links.
"""

import hashlib
import posixpath
import re
from collections.abc import Mapping
from copy import deepcopy
from dataclasses import dataclass

from lxml import etree

from contracts.templates import ArchiveLimits, BadArchive
from generator.renderers.docx.additions import OFFICE, names_of, relations_of
from generator.renderers.docx.archive import read_archive
from generator.renderers.docx.images import bytes_of
from generator.renderers.docx.inserts import Insert
from generator.renderers.docx.links import is_safe
from generator.renderers.docx.place import Place
from generator.renderers.docx.safety import disarm, has_macros, without_calls
from generator.renderers.docx.xml import Element, R, local, parse, w, written

#: A document in a document is smaller than a template may be.
LIMITS = ArchiveLimits(entries=500, total_bytes=30 * 1024 * 1024)
#: Files that may come along, by the last word of their relationship's kind.
_CARRIED = frozenset(
    "image chart chartUserShapes chartColorStyle chartStyle diagramData diagramLayout diagramQuickStyle diagramColors"
    " diagramDrawing package".split()
)
#: Elements of the inserted document that mean nothing, or something else, in this one.
_LEFT_OUT = (
    "sectPr footnoteReference endnoteReference commentReference commentRangeStart commentRangeEnd altChunk subDoc"
    " permStart permEnd"
).split()
_STYLED = {"pStyle": "paragraph", "rStyle": "character", "tblStyle": "table"}
_MOST_PARTS = 200
_COMPATIBILITY = "http://schemas.openxmlformats.org/markup-compatibility/2006"


@dataclass(frozen=True)
class _Source:
    """The document to insert: its files, its main part, and its relationships by part."""

    files: Mapping[str, bytes]
    main: str

    def tree(self, kind: str) -> Element | None:
        """Return the main part's file of this kind (`styles`), parsed."""
        target = next(
            (name for name, of, outside in self.relations(self.main).values() if of == kind and not outside), ""
        )
        return parse(self.files[target]) if target in self.files else None

    def relations(self, part: str) -> dict[str, tuple[str, str, bool]]:
        """Return a part's relationships: id -> (file or address, last word of the kind, whether it is an address)."""
        content = self.files.get(relations_of(part))
        found = {}
        for node in parse(content).iter("{*}Relationship") if content else ():
            outside = node.get("TargetMode") == "External"
            target = str(node.get("Target", ""))
            if not outside:
                target = posixpath.normpath(posixpath.join("/" + posixpath.dirname(part), target)).lstrip("/")
            found[str(node.get("Id"))] = (target, str(node.get("Type", "")).rpartition("/")[2], outside)
        return found

    def content_type(self, name: str) -> str:
        """Return what [Content_Types].xml calls a file."""
        root = parse(self.files["[Content_Types].xml"])
        own = (node.get("ContentType") for node in root.iter("{*}Override") if node.get("PartName") == f"/{name}")
        suffix = name.rpartition(".")[2].lower()
        usual = (
            node.get("ContentType")
            for node in root.iter("{*}Default")
            if str(node.get("Extension", "")).lower() == suffix
        )
        return str(next(own, None) or next(usual, None) or "application/octet-stream")


def subdocument(place: Place, insert: Insert) -> list[Element]:
    """Return the body of the document that `$docx` names. Raises DocumentFailed data_invalid if it is none."""
    content = bytes_of(place, insert, insert.value.get("$docx"))
    try:
        source = _read(content)
        return _Merge(place, insert, source).blocks()
    except (BadArchive, etree.XMLSyntaxError, KeyError, ValueError) as error:
        hint = "Give a .docx file as Word saves it."
        raise place.refused(insert, f"The document to insert cannot be read: {error}", hint) from error


def _read(content: bytes) -> _Source:
    files = {member.name: inflated for member, inflated in read_archive(content, LIMITS)}
    for name, part in files.items():
        if name.endswith((".xml", ".rels")) and (b"<!DOCTYPE" in part or b"<!ENTITY" in part):
            raise BadArchive(f"{name} declares a DTD.")
    if has_macros(files):
        raise BadArchive("macros are not allowed.")
    root = parse(files["[Content_Types].xml"])
    mains = (
        str(node.get("PartName", "")).lstrip("/")
        for node in root.iter("{*}Override")
        if str(node.get("ContentType", "")).endswith(("document.main+xml", "template.main+xml"))
    )
    main = next(mains, None)
    if main is None or main not in files:
        raise BadArchive("it is not a Word document.")
    return _Source(files, main)


class _Merge:
    def __init__(self, place: Place, insert: Insert, source: _Source) -> None:
        self._place, self._insert, self._source = place, insert, source
        self._carried: dict[str, str] = {}
        self._lists: dict[str, int] = {}
        self._prefix = "pw-" + hashlib.sha256("\0".join(sorted(source.files)).encode()).hexdigest()[:6]

    def blocks(self) -> list[Element]:
        body = parse(self._source.files[self._source.main]).find(w("body"))
        if body is None:
            raise BadArchive("it has no body.")
        etree.strip_elements(body, *(w(name) for name in _LEFT_OUT), with_tail=False)
        disarm(body)
        _declare_prefixes(body)
        self._relate(body, self._source.main, self._place.part)
        self._renumber_ids(body)
        self._restyle(body)
        self._relist(body)
        return [deepcopy(child) for child in body if isinstance(child.tag, str)]

    def _relate(self, root: Element, part: str, holder: str) -> None:
        """Give every relationship that the markup names its counterpart in this document, or take it out."""
        relations = self._source.relations(part)
        for element in list(root.iter(etree.Element)):
            for key in [key for key in element.attrib if key.startswith(f"{{{R}}}")]:
                target, kind, outside = relations.get(element.get(key, ""), ("", "", False))
                made = self._related(holder, target, kind, outside)
                if made:
                    element.set(key, made)
                else:
                    del element.attrib[key]
        without_calls(root)

    def _related(self, holder: str, target: str, kind: str, outside: bool) -> str | None:
        additions = self._place.additions
        if outside:
            safe = kind == "hyperlink" and is_safe(target)
            return additions.relate(holder, OFFICE + kind, target, external=True) if safe else None
        if kind not in _CARRIED or target not in self._source.files:
            return None
        return additions.relate(holder, self._kind(kind), self._carry(target))

    def _kind(self, kind: str) -> str:
        if kind in ("chartColorStyle", "chartStyle"):
            return f"http://schemas.microsoft.com/office/2011/relationships/{kind}"
        if kind == "diagramDrawing":
            return "http://schemas.microsoft.com/office/2007/relationships/diagramDrawing"
        return OFFICE + kind

    def _carry(self, name: str) -> str:
        """Copy a file, and those that it names, into the package; return its name there."""
        if name in self._carried:
            return self._carried[name]
        if len(self._carried) >= _MOST_PARTS:
            raise BadArchive(f"it has more than {_MOST_PARTS} pictures and charts.")
        content = self._source.files[name]
        digest = hashlib.sha256(content).hexdigest()[:16]
        stem, _, suffix = posixpath.basename(name).rpartition(".")
        folder = posixpath.join(posixpath.dirname(self._place.additions.package.main), "media")
        made = self._carried[name] = posixpath.join(
            folder, f"{self._prefix}-{digest}-{re.sub(r'[^A-Za-z0-9]', '', stem)}.{suffix}"
        )
        if self._source.relations(name) and suffix == "xml":
            root = parse(content)
            self._relate(root, name, made)
            content = written(root)
        self._place.additions.add_file(made, content, self._source.content_type(name))
        return made

    def _renumber_ids(self, body: Element) -> None:
        marks: dict[str, int] = {}
        for element in body.iter(etree.Element):
            name = local(element)
            if name == "docPr":
                element.set("id", str(self._place.additions.number()))
            elif name in ("bookmarkStart", "bookmarkEnd"):
                old = element.get(w("id"), "")
                if old not in marks:
                    marks[old] = self._place.additions.number()
                element.set(w("id"), str(marks[old]))

    def _restyle(self, body: Element) -> None:
        """Name the template's styles of the same name, and bring those that it lacks."""
        styles = self._source.tree("styles")
        if styles is None:
            return
        theirs = {style.get(w("styleId"), ""): style for style in styles.findall(w("style"))}
        names = {style_id: key for key, style_id in names_of(styles).items()}
        for element in body.iter(*(w(name) for name in _STYLED)):
            element.set(w("val"), self._style(element.get(w("val"), ""), theirs, names))

    def _style(self, style_id: str, theirs: Mapping[str, Element], names: Mapping[str, tuple[str, str]]) -> str:
        """Return the id that a style of theirs has here, adding it and those it builds on if it is new."""
        additions = self._place.additions
        ours = additions.package.styles_by_name.get(names.get(style_id, ("", "")))
        if ours:
            return ours
        if style_id not in theirs or additions.has_style(style_id):
            return style_id
        style = deepcopy(theirs[style_id])
        style.attrib.pop(w("default"), None)
        additions.add_style(style)
        for other in style.iter(w("basedOn"), w("next"), w("link")):
            other.set(w("val"), self._style(other.get(w("val"), ""), theirs, names))
        for number in style.iter(w("numId")):
            self._renumbered(number)
        return style_id

    def _relist(self, body: Element) -> None:
        for number in body.iter(w("numId")):
            self._renumbered(number)

    def _renumbered(self, number: Element) -> None:
        """Bring the list that a w:numId names, once, and name it by its number here."""
        old = number.get(w("val"), "0")
        if old == "0":
            return
        if old not in self._lists:
            self._lists[old] = self._list(old)
        number.set(w("val"), str(self._lists[old]))

    def _list(self, old: str) -> int:
        root = self._source.tree("numbering")
        one = (
            next((num for num in root.findall(w("num")) if num.get(w("numId")) == old), None)
            if root is not None
            else None
        )
        named = one.find(w("abstractNumId")) if one is not None else None
        if root is None or one is None or named is None:
            return 0
        abstract = next(
            (each for each in root.findall(w("abstractNum")) if each.get(w("abstractNumId")) == named.get(w("val"))),
            None,
        )
        if abstract is None:
            return 0
        disarm(abstract)
        for picture in list(abstract.iter(w("lvlPicBulletId"))):
            parent = picture.getparent()
            assert parent is not None
            parent.remove(picture)
        return self._place.additions.add_list(abstract, tuple(deepcopy(each) for each in one.findall(w("lvlOverride"))))


def _declare_prefixes(body: Element) -> None:
    """Keep the prefixes that `Requires` names by value declared where the markup goes: Word looks them up."""
    for choice in list(body.iter(f"{{{_COMPATIBILITY}}}Choice")):
        needed = {
            prefix: choice.nsmap[prefix] for prefix in choice.get("Requires", "").split() if prefix in choice.nsmap
        }
        made = etree.Element(choice.tag, dict(choice.attrib), nsmap=needed)
        made.extend(list(choice))
        parent = choice.getparent()
        if parent is not None:
            parent.replace(choice, made)
