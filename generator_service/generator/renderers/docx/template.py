"""A DOCX template compiled once: its parts as MiniJinja templates, everything else as bytes to copy."""

from collections.abc import Mapping
from contextlib import suppress

from lxml import etree

from contracts.documents import Warned
from contracts.errors import DocumentFailed
from contracts.templates import ArchiveLimits, BadArchive, Missing
from generator.renderers.docx.additions import Additions, Package, relations_of
from generator.renderers.docx.archive import ArchiveWriter, deflated, read_archive
from generator.renderers.docx.expand import expanded
from generator.renderers.docx.inserts import Inserts
from generator.renderers.docx.parts import compile_part
from generator.renderers.docx.passes import Filters, Manner, Pass
from generator.renderers.docx.place import Place
from generator.renderers.docx.plain import NotPlain, plain_data, plain_or_none
from generator.renderers.docx.safety import (
    fields_with_tags,
    has_macros,
    refuse_unsafe_links,
    with_tags,
    without_fetching,
    without_outside,
)
from generator.renderers.docx.values import Values
from generator.renderers.port import Shape, failed

_MAIN = "document.main+xml"
_PARTS = (
    _MAIN,
    "template.main+xml",
    "header+xml",
    "footer+xml",
    "footnotes+xml",
    "endnotes+xml",
    "comments+xml",
    "core-properties+xml",
    "extended-properties+xml",
    "custom-properties+xml",
)
_SAVE_AS = "Save it from Word as a Word Document (.docx): that leaves macros out."
#: Files that documents may add to, besides the parts with tags: kept inflated.
_ADDED_TO = (".xml", ".rels")


class CompiledDocx:
    """One template with one locale's filters. `render` may be called any number of times, from one thread.

    `shapes`: of the parts that the last render made of known markup, as they were before anything was put into them.
    """

    def __init__(
        self, content: bytes, filters: Filters, inserts: Inserts | None = None, limits: ArchiveLimits | None = None
    ) -> None:
        try:
            read = read_archive(content, limits or ArchiveLimits())
        except BadArchive as error:
            raise failed("template_error", str(error), hint="Upload a .docx file as Word saves it.") from error
        contents = {member.name: inflated for member, inflated in read}
        if has_macros(contents):
            raise failed("template_error", "Macros are not allowed in a template.", hint=_SAVE_AS)
        without_outside(contents)
        self._writer = ArchiveWriter(
            [
                member if contents[member.name] is inflated else deflated(member.name, contents[member.name])
                for member, inflated in read
            ]
        )
        self._filters, self._inserts = filters, inserts or Inserts()
        self._fielded = [
            name for name, content in contents.items() if name.endswith(".xml") and fields_with_tags(content)
        ]
        self.main, self._names = _templated(contents)
        linked = {relations_of(name): contents.get(relations_of(name)) for name in self._names}
        self._linked = {name: made for name, held in linked.items() if held and (made := with_tags(held))}
        tagged = {**{name: contents[name] for name in self._names}, **self._linked}
        parts = [compile_part(name, content) for name, content in tagged.items()]
        self._parts = [part for part in parts if part is not None]
        kept = {name: part for name, part in contents.items() if name.endswith(_ADDED_TO)}
        self._package = Package(self.main, kept, frozenset(contents))
        self._plain = plain_or_none(self._parts)
        self.shapes: dict[str, Shape] = {}
        self._passes: dict[Manner, Pass] = {"strict": self._new_pass("strict")}

    def _new_pass(self, manner: Manner) -> Pass:
        return Pass(self._parts, self._filters, self._inserts, manner)

    def render(self, values: Values, *, missing: Missing) -> tuple[dict[str, bytes], tuple[Warned, ...]]:
        """Return the changed and added files. What is null prints as nothing.

        Raises DocumentFailed: data_missing (always if `missing` is `error`; else only for what an expression too
        involved to see through computes), data_invalid for what cannot be inserted, or template_error.
        """
        changed, marked, warnings = self._rendered(values, missing)
        for name in self._linked:
            refuse_unsafe_links(name, changed.get(name, b""))
        for name in self._fielded:
            changed[name] = without_fetching(changed[name])
        return self._with_inserts(changed, marked), warnings

    def _rendered(self, values: Values, missing: Missing) -> tuple[dict[str, bytes], set[str], tuple[Warned, ...]]:
        self.shapes = {}
        if self._plain and (data := plain_data(values.content)) is not None:
            with suppress(NotPlain):
                changed, marked, self.shapes = self._plain.render(data, self._inserts)
                return changed, marked, ()
        if not values.nulls:
            strict = self._passes["strict"]
            try:
                return strict.render(values), strict.marked, ()
            except DocumentFailed as failure:
                if missing == "error" or failure.code != "data_missing":
                    raise
        manner: Manner = "nulls" if missing == "error" else missing
        if manner not in self._passes:
            self._passes[manner] = self._new_pass(manner)
        careful = self._passes[manner]
        changed = careful.render(values)
        if missing == "error":
            careful.refuse_missing(values)
        return changed, careful.marked, careful.warnings()

    def _with_inserts(self, changed: dict[str, bytes], marked: set[str]) -> dict[str, bytes]:
        """Put what the document inserts into the parts that hold marks for it."""
        if self._inserts.pictures:
            untouched = (name for name in self._names if name not in changed)
            changed.update((name, self._package.read(name) or b"") for name in untouched)
        elif not marked:
            return changed
        additions = Additions(self._package, changed)
        try:
            for name, content in changed.items():
                if self._inserts.pictures or name in marked:
                    changed[name] = expanded(content, Place(name, additions, self._inserts))
            return {**changed, **additions.changed()}
        except etree.XMLSyntaxError as error:  # of the template: styles, lists, relationships
            raise failed("template_error", f"A part of the template is damaged: {error.msg}") from error

    def main_part(self, changed: Mapping[str, bytes]) -> bytes:
        """Return the body's XML as rendered, or the template's own if it has no tags."""
        return changed.get(self.main) or self._package.read(self.main) or b""

    def write(self, changed: Mapping[str, bytes]) -> bytes:
        """Return the document's bytes with these parts changed."""
        return self._writer.write(changed)


def _templated(contents: Mapping[str, bytes]) -> tuple[str, list[str]]:
    """Return the main part's name and those of all parts that may hold tags, as [Content_Types].xml says."""
    types = _declared_types(contents.get("[Content_Types].xml", b""))
    names = [name for name, kind in types if kind.endswith(_PARTS) and name in contents]
    main = next((name for name, kind in types if kind.endswith(_PARTS[:2]) and name in contents), None)
    if main is None:
        raise failed("template_error", "This is not a Word document.", hint="Upload a .docx file as Word saves it.")
    return main, names


def _declared_types(content: bytes) -> list[tuple[str, str]]:
    try:
        root = etree.fromstring(content, etree.XMLParser(resolve_entities=False, no_network=True))
    except etree.XMLSyntaxError:
        return []
    nodes = root.iter("{*}Override")
    return [(str(node.get("PartName", "")).lstrip("/"), str(node.get("ContentType", ""))) for node in nodes]
