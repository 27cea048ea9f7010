"""A DOCX template compiled once: its parts as MiniJinja templates, everything else as bytes to copy."""

import bisect
import re
from collections.abc import Callable, Mapping
from typing import Literal, cast

from lxml import etree
from minijinja import Environment, TemplateError

from contracts.data_paths import hint_for
from contracts.documents import Warned
from contracts.errors import DocumentFailed
from contracts.templates import ArchiveLimits, BadArchive
from generator.renderers.docx.archive import ArchiveWriter, read_archive
from generator.renderers.docx.output import finished
from generator.renderers.docx.parts import Part, compile_part
from generator.renderers.docx.tags import Tag, data_path
from generator.renderers.docx.values import DATA, DATA_TEMPLATE, Values
from generator.renderers.port import failed

#: MiniJinja instructions per part: about 1.5 s of looping, far above any real document (500 rows use 20,000).
FUEL = 50_000_000

_MAIN = "document.main+xml"
_PARTS = (
    _MAIN,
    "template.main+xml",
    "header+xml",
    "footer+xml",
    "footnotes+xml",
    "endnotes+xml",
    "core-properties+xml",
)
_UNDEFINED = re.compile(r"`(?P<path>[^`]+)` is undefined")

#: Printing or looping over what is missing fails, asking whether it is there does not. The stubs do not know it.
_SEMI_STRICT = cast(Literal["strict"], "semi_strict")


class CompiledDocx:
    """One template with one locale's filters. `render` may be called any number of times, from one thread."""

    def __init__(
        self, content: bytes, filters: Mapping[str, Callable[..., object]], limits: ArchiveLimits | None = None
    ) -> None:
        try:
            read = read_archive(content, limits or ArchiveLimits())
        except BadArchive as error:
            raise failed("template_error", str(error), hint="Upload a .docx file as Word saves it.") from error
        contents = {member.name: inflated for member, inflated in read}
        self._writer = ArchiveWriter([member for member, _ in read])
        self._filters = filters
        self.main, names = _templated(contents)
        parts = [compile_part(name, contents[name]) for name in names]
        self._parts = [part for part in parts if part is not None]
        self._untouched_main = contents[self.main]
        self._strict = _Pass(self._parts, filters, careful=False)
        self._careful: _Pass | None = None

    def render(self, values: Values, *, strict: bool) -> tuple[dict[str, bytes], tuple[Warned, ...]]:
        """Return the changed parts. What is null prints as nothing.

        Raises DocumentFailed: data_missing (always if `strict`; else only for an attribute of a missing value) or
        template_error.
        """
        if not values.nulls:
            try:
                return self._strict.render(values), ()
            except DocumentFailed as failure:
                if strict or failure.code != "data_missing":
                    raise
        careful = self._careful = self._careful or _Pass(self._parts, self._filters, careful=True)
        changed = careful.render(values)
        if strict:
            careful.refuse_missing(values)
        return changed, careful.warnings()

    def main_part(self, changed: Mapping[str, bytes]) -> bytes:
        """Return the body's XML as rendered, or the template's own if it has no tags."""
        return changed.get(self.main, self._untouched_main)

    def write(self, changed: Mapping[str, bytes]) -> bytes:
        """Return the document's bytes with these parts changed."""
        return self._writer.write(changed)


class _Pass:
    """The template's parts in one MiniJinja environment, either strict or careful about what is missing."""

    def __init__(self, parts: list[Part], filters: Mapping[str, Callable[..., object]], *, careful: bool) -> None:
        self._parts = {part.name: part for part in parts}
        self._offsets: dict[str, list[tuple[int, int]]] = {}
        self._reported: dict[tuple[str, int], None] = {}
        self._current = ""
        self._environment = Environment(auto_escape_callback=_always, fuel=FUEL)
        self._environment.undefined_behavior = "lenient" if careful else _SEMI_STRICT
        self._environment.add_filter("safe", _never_safe)
        self._environment.add_global("__missing", self._report)
        for name, written in filters.items():
            self._environment.add_filter(name, written)
        for part in parts:
            self._add(part, careful)

    def _add(self, part: Part, careful: bool) -> None:
        source, self._offsets[part.name] = part.careful_source() if careful else part.strict_source()
        try:
            self._environment.add_template(part.name, source)
        except TemplateError as error:
            raise self._located(part, error, {}) from error

    def _report(self, number: int) -> str:
        self._reported[self._current, number] = None
        return ""

    def render(self, values: Values) -> dict[str, bytes]:
        self._reported.clear()
        try:
            self._environment.add_template(DATA_TEMPLATE, values.source)
        except TemplateError as error:
            raise failed("template_error", f"The data cannot be used: {error.detail or error.message}.") from error
        try:
            return {part.name: self._rendered(part, values) for part in self._parts.values()}
        finally:
            self._environment.remove_template(DATA_TEMPLATE)  # nothing of a document outlives it

    def _rendered(self, part: Part, values: Values) -> bytes:
        self._current = part.name
        try:
            text = self._environment.render_template(part.name)
        except TemplateError as error:
            raise self._located(part, error, values.data) from error
        return finished(text, guard_tables=part.guard_tables)

    def refuse_missing(self, values: Values) -> None:
        """Raise DocumentFailed data_missing for the first value that was left blank."""
        for name, number in self._reported:
            tag = self._parts[name].tags[number]
            path = data_path(tag)
            where = _where(self._parts[name], tag)
            hint = hint_for(values.data, path)
            raise failed("data_missing", f"The data has no `{path}`.", **where, data_path=path, hint=hint)

    def warnings(self) -> tuple[Warned, ...]:
        paths = dict.fromkeys(data_path(self._parts[name].tags[number]) for name, number in self._reported)
        return tuple(
            Warned(code="data_missing", message=f"The data has no `{path}`: it was left blank.") for path in paths
        )

    def _located(self, part: Part, error: TemplateError, data: object) -> DocumentFailed:
        tag = self._tag_at(part, error.range)
        where = _where(part, tag)
        missing = (
            _UNDEFINED.search(error.detail or "") if error.kind in ("UndefinedError", "InvalidOperation") else None
        )
        if missing:
            named = missing["path"].removeprefix(f"{DATA}.")
            path = data_path(tag, named) if tag else named
            return failed(
                "data_missing", f"The data has no `{path}`.", **where, data_path=path, hint=hint_for(data, path)
            )
        if error.kind == "OutOfFuel":
            return failed("render_timeout", "The template's loops never end, or almost.", **where)
        return failed("template_error", _worded(error), **where)

    def _tag_at(self, part: Part, span: tuple[int, int] | None) -> Tag | None:
        offsets = self._offsets.get(part.name, [])
        if span is None or not offsets:
            return None
        index = bisect.bisect_right([at for at, _ in offsets], span[0]) - 1
        return part.tags[offsets[max(index, 0)][1]]


def _where(part: Part, tag: Tag | None) -> dict[str, str | int | None]:
    if tag is None:
        return {"part": part.name}
    return {"part": part.name, "line": tag.paragraph, "tag": tag.raw}


def _worded(error: TemplateError) -> str:
    words = {"SyntaxError": "The tag is not understood", "UnknownFilter": "There is no such filter"}
    return f"{words.get(error.kind, error.kind)}: {error.detail or error.message}."


def _always(_name: str) -> bool:
    return True


def _never_safe(value: object) -> str:
    """Replace Jinja's `safe`: no value may become XML."""
    return "" if value is None else str(value)


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
