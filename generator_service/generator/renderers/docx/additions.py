"""What a document adds to its template's package: relationships, media, styles, lists, and content types for them."""

import posixpath
import re
from collections.abc import Mapping
from copy import deepcopy
from functools import cached_property

from generator.renderers.docx.xml import Element, W, local, make, parse, w, written

TYPES = "[Content_Types].xml"
OFFICE = "http://schemas.openxmlformats.org/officeDocument/2006/relationships/"
_RELATIONSHIPS = "http://schemas.openxmlformats.org/package/2006/relationships"
_WORD = "application/vnd.openxmlformats-officedocument.wordprocessingml."
_DRAWING_ID = re.compile(rb'<wp:docPr\b[^>]*?\bid="(\d+)"')
_PAGE = re.compile(rb"<w:pgSz\b[^>]*?\bw:w=\"(\d+)\"")
_MARGIN = re.compile(rb"<w:pgMar\b[^>]*>")
_SIDE = re.compile(rb'w:(?:left|right)="(\d+)"')
#: A4 with margins of 2.5 cm, in twentieths of a point.
_TEXT_WIDTH = 9070


def relations_of(part: str) -> str:
    """Return the name of the file that holds a part's relationships."""
    folder, name = posixpath.split(part)
    return posixpath.join(folder, "_rels", f"{name}.rels")


class Package:
    """A template's own files, as far as documents add to them. Read when the first document does."""

    def __init__(self, main: str, contents: Mapping[str, bytes], names: frozenset[str]) -> None:
        self.main = main
        self.names = names
        self._contents = contents

    def read(self, name: str) -> bytes | None:
        """Return a file of the template."""
        return self._contents.get(name)

    @cached_property
    def first_id(self) -> int:
        """The first number that no drawing of the template has as its id."""
        found = (int(number) for name, part in self._parts() for number in _DRAWING_ID.findall(part))
        return max(found, default=0) % 10**9 + 1

    @cached_property
    def text_width(self) -> int:
        """The width between the first section's margins, in twentieths of a point."""
        content = self._contents[self.main]
        page, margin = _PAGE.search(content), _MARGIN.search(content)
        if page is None or margin is None:
            return _TEXT_WIDTH
        width = int(page[1]) - sum(int(side) for side in _SIDE.findall(margin[0]))
        return width if width > 0 else _TEXT_WIDTH

    @cached_property
    def relations(self) -> dict[str, str]:
        """The main part's targets by the last word of their kind: `styles`, `numbering`."""
        content = self._contents.get(relations_of(self.main))
        folder = posixpath.dirname(self.main)
        nodes = parse(content).iter("{*}Relationship") if content else ()
        return {
            str(node.get("Type", ""))
            .rpartition("/")[2]: posixpath.normpath(posixpath.join("/" + folder, str(node.get("Target", ""))))
            .lstrip("/")
            for node in nodes
        }

    @cached_property
    def styles(self) -> Element:
        """The template's styles, never changed."""
        content = self._contents.get(self.relations.get("styles", ""))
        return parse(content) if content else make("styles")

    @cached_property
    def styles_by_name(self) -> dict[tuple[str, str], str]:
        """Ids of styles by (type, name in small letters): the name is the same in every language of Word."""
        return names_of(self.styles)

    @cached_property
    def style_ids(self) -> frozenset[str]:
        """The ids of all styles."""
        return frozenset(self.styles_by_name.values())

    def style(self, kind: str, name: str) -> str | None:
        """Return the id of a style by its id or name (kind: paragraph, character, table), None if there is none."""
        if name in self.style_ids:
            return name
        return self.styles_by_name.get((kind, name.lower()))

    def _parts(self) -> list[tuple[str, bytes]]:
        return [(name, content) for name, content in self._contents.items() if name.endswith(".xml")]


def names_of(styles: Element) -> dict[tuple[str, str], str]:
    """Return the ids of styles by (type, name in small letters)."""
    found: dict[tuple[str, str], str] = {}
    for style in styles.findall(w("style")):
        name = style.find(w("name"))
        key = (style.get(w("type"), "paragraph"), (name.get(w("val"), "") if name is not None else "").lower())
        found.setdefault(key, style.get(w("styleId"), ""))
    return found


class Additions:
    """What one document adds to its package as rendered so far. `changed` writes the files that carry it."""

    def __init__(self, package: Package, changed: Mapping[str, bytes]) -> None:
        self.package, self._changed = package, changed
        self._relations: dict[str, dict[tuple[str, str, bool], str]] = {}
        self._files: dict[str, bytes] = {}
        self._defaults: dict[str, str] = {}
        self._overrides: dict[str, str] = {}
        self._styles: dict[str, Element] = {}
        self._numbering: Element | None = None
        self._ids = 0

    def number(self) -> int:
        """Return an id for a drawing or bookmark that nothing else has."""
        self._ids += 1
        return self.package.first_id + self._ids

    def relate(self, part: str, kind: str, target: str, *, external: bool = False) -> str:
        """Return the id of a part's relationship to a file of the package, or to a URL if `external`."""
        known = self._relations.setdefault(part, {})
        address = target if external else posixpath.relpath(target, posixpath.dirname(part))
        return known.setdefault((kind, address, external), f"rIdPw{len(known) + 1}")

    def add_file(self, name: str, content: bytes, content_type: str, *, by_suffix: bool = False) -> None:
        """Add a file; its content type is declared for it alone, or for all files of its suffix."""
        self._files[name] = content
        if by_suffix:
            self._defaults[name.rpartition(".")[2].lower()] = content_type
        else:
            self._overrides[name] = content_type

    def has_file(self, name: str) -> bool:
        """Tell whether the package has this file, from the template or added."""
        return name in self._files or name in self.package.names

    def add_style(self, style: Element) -> None:
        """Add a style that the template lacks."""
        self._styles.setdefault(style.get(w("styleId"), ""), style)

    def has_style(self, style_id: str) -> bool:
        """Tell whether the document has this style."""
        return style_id in self._styles or style_id in self.package.style_ids

    def add_list(self, abstract: Element, overrides: tuple[Element, ...] = ()) -> int:
        """Add a list's definition (w:abstractNum) and one list of it; return the list's number (w:numId)."""
        root = self._numbering_root()
        lists = root.findall(w("num"))
        abstract_id = 1 + max((_number(one, "abstractNumId") for one in root.findall(w("abstractNum"))), default=-1)
        list_id = 1 + max((_number(one, "numId") for one in lists), default=0)
        abstract = deepcopy(abstract)
        abstract.set(w("abstractNumId"), str(abstract_id))
        for mark in [child for child in abstract if local(child) in ("nsid", "tmpl", "styleLink", "numStyleLink")]:
            abstract.remove(mark)
        root.insert(root.index(lists[0]) if lists else len(root), abstract)
        made = make("num", numId=list_id)
        made.append(make("abstractNumId", abstract_id))
        made.extend(overrides)
        after = root.findall(w("num"))
        root.insert(root.index(after[-1]) + 1 if after else len(root), made)
        return list_id

    def _numbering_root(self) -> Element:
        if self._numbering is None:
            content = self.package.read(self.package.relations.get("numbering", ""))
            self._numbering = parse(content) if content else parse(f'<w:numbering xmlns:w="{W}"/>')
        return self._numbering

    def changed(self) -> dict[str, bytes]:
        """Return all files to write, changed or new."""
        self._write_numbering()
        self._write_styles()
        files = dict(self._files)
        for part, known in self._relations.items():
            name = relations_of(part)
            files[name] = _with_relations(self._changed.get(name) or self.package.read(name), known)
        if self._defaults or self._overrides:
            files[TYPES] = self._types()
        return files

    def _write_numbering(self) -> None:
        if self._numbering is None:
            return
        name = self._target("numbering", _WORD + "numbering+xml")
        self._files[name] = written(self._numbering)

    def _write_styles(self) -> None:
        if not self._styles:
            return
        root = deepcopy(self.package.styles)
        root.extend(self._styles.values())
        self._files[self._target("styles", _WORD + "styles+xml")] = written(root)

    def _target(self, kind: str, content_type: str) -> str:
        """Return the name of the main part's file of this kind, declared and related if the template has none."""
        known = self.package.relations.get(kind)
        if known in self.package.names and known is not None:
            return known
        name = posixpath.join(posixpath.dirname(self.package.main), f"{kind}.xml")
        self._overrides[name] = content_type
        self.relate(self.package.main, OFFICE + kind, name)
        return name

    def _types(self) -> bytes:
        root = parse(self.package.read(TYPES) or b"")
        declared = {str(node.get("Extension", "")).lower() for node in root.iter("{*}Default")}
        space = str(root.tag).rpartition("}")[0] + "}"
        for suffix, kind in self._defaults.items():
            if suffix not in declared:
                root.insert(0, root.makeelement(f"{space}Default", {"Extension": suffix, "ContentType": kind}))
        for name, kind in self._overrides.items():
            root.append(root.makeelement(f"{space}Override", {"PartName": f"/{name}", "ContentType": kind}))
        return written(root)


def _number(element: Element, name: str) -> int:
    text = element.get(w(name), "0")
    return int(text) if text.isdecimal() else 0


def _with_relations(content: bytes | None, known: Mapping[tuple[str, str, bool], str]) -> bytes:
    root = parse(content or f'<Relationships xmlns="{_RELATIONSHIPS}"/>')
    for (kind, target, external), key in known.items():
        node = root.makeelement(f"{{{_RELATIONSHIPS}}}Relationship", {"Id": key, "Type": kind, "Target": target})
        if external:
            node.set("TargetMode", "External")
        root.append(node)
    return written(root)
