"""A finished DOCX is read back: the archive, every part's XML, content types, targets and relationships.

What many documents of a template share is verified once: members whose bytes are equal to those of a member that was
checked, and parts that differ from a checked one in nothing but texts and the number of rows. That they do is known
of parts which are read back as they were rendered from known markup (`Shape`), and found out of all others.
"""

import posixpath
import re
from collections import OrderedDict
from collections.abc import Callable, Hashable, Mapping
from dataclasses import dataclass, field

from lxml import etree

from generator.renderers.check.archive import Found, Torn, end_of, inflated, members_of
from generator.renderers.check.xml import balanced, invalid, skeleton_of, tree, well_formed
from generator.renderers.port import Shape

#: Members (by their bytes, together so many at most), skeletons and packages that are remembered.
_MEMBER_BYTES = 16 * 1024 * 1024
_SKELETONS = 2_000
_PACKAGES = 500
_TYPES = "[Content_Types].xml"
_XML = (".xml", ".rels")
#: The part that differs in every document; headers and footers often do not.
_MAIN = "word/document"
#: Where markup names a relationship. Word's prefix is `r`, and so is everyone else's; other names are not looked at.
_RELATED = re.compile(rb' r:(?:id|embed|link|pict|dm|lo|qs|cs)="([^"]+)"')


@dataclass(frozen=True, eq=False)
class _Facts:
    """What one member says about others: names it needs, and (for the content types) what is declared."""

    name: str
    targets: tuple[str, ...] = ()
    ids: frozenset[bytes] = frozenset()
    used: frozenset[bytes] = frozenset()
    overrides: frozenset[str] = frozenset()
    defaults: frozenset[str] = frozenset()


@dataclass
class DocxCheck:
    """Reads a DOCX back: members inflate to their CRC, XML is well-formed, types, targets and relations exist."""

    _members: "OrderedDict[Found, tuple[bytes, _Facts]]" = field(default_factory=OrderedDict)
    _remembered: int = 0
    _skeletons: "OrderedDict[tuple[bytes, Hashable], _Facts]" = field(default_factory=OrderedDict)
    _packages: "OrderedDict[tuple[_Facts, ...], None]" = field(default_factory=OrderedDict)

    def __call__(self, content: bytes, shapes: Mapping[str, Shape]) -> None:
        """Check one DOCX. Raises DocumentFailed invalid_output."""
        try:
            facts = self._read(content, shapes)
        except (Torn, UnicodeDecodeError) as torn:
            raise invalid(f"The DOCX is not an intact archive: {torn}.") from torn
        if facts in self._packages:
            self._packages.move_to_end(facts)
            return
        _check_package({fact.name: fact for fact in facts}, len(facts))
        self._packages[facts] = None
        if len(self._packages) > _PACKAGES:
            self._packages.popitem(last=False)

    def _read(self, content: bytes, shapes: Mapping[str, Shape]) -> tuple[_Facts, ...]:
        """Return the facts of all members, which lie one behind the other from the first byte to the directory."""
        facts, at = [], 0
        members, directory = members_of(content)
        for begins, found in members:
            if begins != at:
                raise Torn(f"there is something before {found.text} that is no member")
            known = self._members.get(found)
            if known is not None and content.startswith(known[0], at):
                self._members.move_to_end(found)
                fact = known[1]
                at += len(known[0])
            else:
                end = end_of(content, at, found)
                fact = self._facts(found, inflated(content, found, end), shapes)
                self._remember(found, content[at:end], fact)
                at = end
            facts.append(fact)
        if at != directory:
            raise Torn("there is something between its members and its directory")
        return tuple(facts)

    def _remember(self, found: Found, raw: bytes, fact: _Facts) -> None:
        if fact.name.startswith(_MAIN):
            return
        replaced = self._members.pop(found, (b"", fact))
        self._members[found] = (raw, fact)
        self._remembered += len(raw) - len(replaced[0])
        while self._remembered > _MEMBER_BYTES:
            _, (gone, _) = self._members.popitem(last=False)
            self._remembered -= len(gone)

    def _facts(self, found: Found, content: bytes, shapes: Mapping[str, Shape]) -> _Facts:
        name = found.text
        if not name.endswith(_XML):
            return _Facts(name)
        if name == _TYPES or name.endswith(".rels"):
            return _read_references(name, content)
        shape = shapes.get(name)
        if shape is not None and shape.content == content:
            key: tuple[bytes, Hashable] = (found.name, shape.markup)
            if key in self._skeletons or balanced(shape):
                return self._proved(name, key, content)
        skeleton = skeleton_of(content)
        key = (found.name, skeleton.digest if skeleton else b"")
        return self._proved(name, key, content, stands=skeleton.stands if skeleton else _never)

    def _proved(
        self, name: str, key: tuple[bytes, Hashable], content: bytes, stands: Callable[[], bool] | None = None
    ) -> _Facts:
        """Return what is known of parts with this key; parse a new one, and remember it if its rows stand."""
        if key in self._skeletons:
            self._skeletons.move_to_end(key)
            return self._skeletons[key]
        well_formed(content, name)
        facts = _Facts(name, used=_related(content))
        if stands is None or stands():
            self._skeletons[key] = facts
            if len(self._skeletons) > _SKELETONS:
                self._skeletons.popitem(last=False)
        return facts


def _never() -> bool:
    return False


def _read_references(name: str, content: bytes) -> _Facts:
    root = tree(content, name)
    if name == _TYPES:
        return _Facts(
            name,
            overrides=frozenset(str(node.get("PartName", "")).lstrip("/") for node in root.iter("{*}Override")),
            defaults=frozenset(str(node.get("Extension", "")).lower() for node in root.iter("{*}Default")),
        )
    ids = frozenset(str(node.get("Id")).encode() for node in root.iter("{*}Relationship"))
    return _Facts(name, targets=_targets(name, root), ids=ids)


def _related(content: bytes) -> frozenset[bytes]:
    """Return the relationships that markup names; the same words within a text are none."""
    if b" r:" not in content:
        return frozenset()
    found = _RELATED.finditer(content)
    return frozenset(
        one[1] for one in found if content.rfind(b"<", 0, one.start()) > content.rfind(b">", 0, one.start())
    )


def _targets(name: str, root: "etree._Element") -> tuple[str, ...]:
    folder = posixpath.dirname(posixpath.dirname(name))
    return tuple(
        posixpath.normpath(posixpath.join("/" + folder, str(node.get("Target", "")))).lstrip("/")
        for node in root.iter("{*}Relationship")
        if node.get("TargetMode") != "External" and not str(node.get("Target", "")).startswith("#")
    )


def _check_package(facts: dict[str, _Facts], members: int) -> None:
    if len(facts) != members:
        raise invalid("The DOCX has two files of the same name.")
    types = facts.get(_TYPES)
    if types is None:
        raise invalid("The DOCX has no [Content_Types].xml.")
    if "_rels/.rels" not in facts:
        raise invalid("The DOCX has no _rels/.rels.")
    for name, fact in facts.items():
        for target in fact.targets:
            if target not in facts:
                raise invalid(f"{name} points to {target}, which is not in the file.", name)
        _check_related(name, fact, facts)
        if name not in types.overrides and name.rpartition(".")[2].lower() not in types.defaults | {"xml", "rels"}:
            raise invalid(f"{name} has no content type.", name)
    for name in types.overrides:
        if name not in facts:
            raise invalid(f"[Content_Types].xml names {name}, which is not in the file.", name)


def _check_related(name: str, fact: _Facts, facts: dict[str, _Facts]) -> None:
    """Refuse a part that names a relationship which its file of relationships lacks: Word calls the whole corrupt."""
    if not fact.used:
        return
    folder, base = posixpath.split(name)
    relations = facts.get(posixpath.join(folder, "_rels", f"{base}.rels"), _Facts(name))
    for missing in sorted(fact.used - relations.ids):
        raise invalid(f"{name} names the relationship {missing.decode()}, which it does not have.", name)
