"""What is called completed opens: every output is read back before it leaves the render process."""

import hashlib
import io
import posixpath
import re
import zipfile
from collections import OrderedDict
from dataclasses import dataclass, field

import pikepdf
from lxml import etree

from contracts.errors import DocumentFailed
from generator.renderers.port import failed

#: Unchanged members of a DOCX (styles, theme, images) are verified once per template, not once per document.
_MEMBERS_REMEMBERED = 2_000
_XML = (".xml", ".rels")
#: Where markup names a relationship. Word's prefix is `r`, and so is everyone else's; other names are not looked at.
_RELATED = re.compile(rb' r:(?:id|embed|link|pict|dm|lo|qs|cs)="([^"]+)"')


class OutputCheck:
    """Call it with a format and the bytes: returns the page count where there is one. Raises invalid_output."""

    def __init__(self) -> None:
        self._docx = DocxCheck()

    def __call__(self, output_format: str, content: bytes) -> int | None:
        """Check one finished document. Raises DocumentFailed invalid_output."""
        if output_format == "pdf":
            return _check_pdf(content)
        if output_format == "docx":
            self._docx(content)
        elif output_format == "svg":
            _well_formed(content, "the SVG")
        elif output_format == "png" and not content.startswith(b"\x89PNG\r\n\x1a\n"):
            raise _invalid("The PNG has no PNG signature.")
        return None


def _invalid(message: str, part: str | None = None) -> DocumentFailed:
    return failed("invalid_output", message, part=part)


def _check_pdf(content: bytes) -> int:
    try:
        with pikepdf.open(io.BytesIO(content)) as pdf:
            pages, warnings = len(pdf.pages), pdf.get_warnings()
    except (pikepdf.PdfError, ValueError) as error:
        raise _invalid(f"The PDF does not open: {error}") from error
    if warnings or not pages:
        raise _invalid(f"The PDF is damaged: {warnings[0] if warnings else 'it has no pages'}.")
    return pages


class _Nothing:
    """A parser target that builds no tree: half the time of one that does."""

    def close(self) -> None:
        return None


def _well_formed(content: bytes, name: str) -> None:
    _parse(content, name, etree.XMLParser(target=_Nothing(), resolve_entities=False, no_network=True, huge_tree=True))


def _tree(content: bytes, name: str) -> "etree._Element":
    return _parse(content, name, etree.XMLParser(resolve_entities=False, no_network=True))


def _parse(content: bytes, name: str, parser: "etree.XMLParser") -> "etree._Element":
    if b"<!DOCTYPE" in content[:1024]:
        raise _invalid(f"{name} declares a DTD.", name)
    try:
        return etree.fromstring(content, parser)
    except etree.XMLSyntaxError as error:
        raise _invalid(f"{name} is not well-formed XML: {error.msg}", name) from error


@dataclass(frozen=True)
class _Facts:
    """What one member says about others: names it needs, and (for the content types) what is declared."""

    targets: tuple[str, ...] = ()
    ids: frozenset[bytes] = frozenset()
    used: frozenset[bytes] = frozenset()
    overrides: frozenset[str] = frozenset()
    defaults: frozenset[str] = frozenset()


@dataclass
class DocxCheck:
    """Reads a DOCX back: members inflate to their CRC, XML is well-formed, types, targets and relations exist."""

    _seen: "OrderedDict[tuple[str, int, bytes], _Facts]" = field(default_factory=OrderedDict)

    def __call__(self, content: bytes) -> None:
        """Check one DOCX. Raises DocumentFailed invalid_output."""
        try:
            with zipfile.ZipFile(io.BytesIO(content)) as archive:
                facts = {info.filename: self._facts(archive, info, content) for info in archive.infolist()}
        except (zipfile.BadZipFile, EOFError, ValueError, NotImplementedError) as error:
            raise _invalid(f"The DOCX is not an intact archive: {error}") from error
        _check_package(facts)

    def _facts(self, archive: zipfile.ZipFile, info: zipfile.ZipInfo, content: bytes) -> _Facts:
        key = (info.filename, info.CRC, _digest(info, content))
        if key in self._seen:
            self._seen.move_to_end(key)
            return self._seen[key]
        facts = _read_facts(info.filename, archive.read(info))
        if not info.filename.startswith("word/document"):
            self._seen[key] = facts
            if len(self._seen) > _MEMBERS_REMEMBERED:
                self._seen.popitem(last=False)
        return facts


def _digest(info: zipfile.ZipInfo, content: bytes) -> bytes:
    """Digest the member's bytes as they are in the archive: equal bytes were checked before."""
    names = len(info.filename.encode())
    start = info.header_offset + 26
    return hashlib.sha1(content[start : start + 4 + names + info.compress_size], usedforsecurity=False).digest()


def _read_facts(name: str, content: bytes) -> _Facts:
    if not name.endswith(_XML):
        return _Facts()
    if name != "[Content_Types].xml" and not name.endswith(".rels"):
        _well_formed(content, name)
        return _Facts(used=_related(content))
    root = _tree(content, name)
    if name == "[Content_Types].xml":
        return _Facts(
            overrides=frozenset(str(node.get("PartName", "")).lstrip("/") for node in root.iter("{*}Override")),
            defaults=frozenset(str(node.get("Extension", "")).lower() for node in root.iter("{*}Default")),
        )
    ids = frozenset(str(node.get("Id")).encode() for node in root.iter("{*}Relationship"))
    return _Facts(targets=_targets(name, root), ids=ids)


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


def _check_package(facts: dict[str, _Facts]) -> None:
    types = facts.get("[Content_Types].xml")
    if types is None:
        raise _invalid("The DOCX has no [Content_Types].xml.")
    if "_rels/.rels" not in facts:
        raise _invalid("The DOCX has no _rels/.rels.")
    for name, fact in facts.items():
        for target in fact.targets:
            if target not in facts:
                raise _invalid(f"{name} points to {target}, which is not in the file.", name)
        _check_related(name, fact, facts)
        if name not in types.overrides and name.rpartition(".")[2].lower() not in types.defaults | {"xml", "rels"}:
            raise _invalid(f"{name} has no content type.", name)
    for name in types.overrides:
        if name not in facts:
            raise _invalid(f"[Content_Types].xml names {name}, which is not in the file.", name)


def _check_related(name: str, fact: _Facts, facts: dict[str, _Facts]) -> None:
    """Refuse a part that names a relationship which its file of relationships lacks: Word calls the whole corrupt."""
    if not fact.used:
        return
    folder, base = posixpath.split(name)
    relations = facts.get(posixpath.join(folder, "_rels", f"{base}.rels"), _Facts())
    for missing in sorted(fact.used - relations.ids):
        raise _invalid(f"{name} names the relationship {missing.decode()}, which it does not have.", name)
