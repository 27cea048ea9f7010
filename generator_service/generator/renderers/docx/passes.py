"""A template's parts in one MiniJinja environment: how missing values are met, and where in Word a render stopped."""

import bisect
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Literal, cast

from minijinja import Environment, TemplateError

from contracts.data_paths import hint_for
from contracts.documents import Warned
from contracts.errors import DocumentFailed
from generator.renderers.docx.inserts import OPEN, Insert, Inserts
from generator.renderers.docx.output import finished, renumbered
from generator.renderers.docx.parts import Part
from generator.renderers.docx.tags import Tag, data_path, near
from generator.renderers.docx.values import DATA, DATA_TEMPLATE, Values
from generator.renderers.port import failed

#: MiniJinja instructions per part: about 1.5 s of looping, far above any real document (500 rows use 20,000).
FUEL = 50_000_000
#: How a pass meets what is missing: `strict` stops, `nulls` too but prints null as nothing, `blank` prints nothing,
#: `mark` prints the path.
Manner = Literal["strict", "nulls", "blank", "mark"]
#: What MiniJinja calls the errors of a missing value.
_OF_MISSING = ("UndefinedError", "InvalidOperation", "UnknownMethod")
Filters = Mapping[str, Callable[..., object]]

_UNDEFINED = re.compile(r"`(?P<path>[^`]+)` is undefined")
_UNKNOWN = re.compile(r"^(?:(?:filter|test) )?(?P<name>\S+) is unknown")
#: MiniJinja's own, for "did you mean".
_BUILT_IN = (
    "abs attr batch bool capitalize chain count d default dictsort e escape first float format groupby indent int items"
    " join last length list lower map max min pprint reject rejectattr replace reverse round select selectattr slice"
    " sort split string sum title tojson trim unique upper urlencode zip"
).split()
#: What templates may call; whatever else MiniJinja brings (`debug` shows the engine's own state) goes.
_FUNCTIONS = ("range", "namespace", "dict", "cycler", "joiner")
#: Printing, comparing or looping over what is missing fails, asking whether it is there does not: `semi_strict`, which
#: the stubs do not know. `chainable`: a field of what is missing is missing.
_BEHAVIOURS: dict[Manner, str] = {
    "strict": "semi_strict",
    "nulls": "semi_strict",
    "blank": "chainable",
    "mark": "chainable",
}


@dataclass(frozen=True)
class _Missed:
    """A value that a tag of a part did not find; `compared`: a condition asked for it."""

    part: str
    number: int
    path: str
    compared: bool


class Pass:
    """The parts of one template, compiled in one manner. `render` may be called any number of times.

    `marked`: the parts that hold marks of inserts since the last render.
    """

    def __init__(self, parts: list[Part], filters: Filters, inserts: Inserts, manner: Manner) -> None:
        self._parts = {part.name: part for part in parts}
        self._filters, self._inserts, self._manner = filters, inserts, manner
        self._offsets: dict[str, list[tuple[int, int]]] = {}
        self._reported: dict[_Missed, None] = {}
        self._current = ""
        self.marked: set[str] = set()
        self._environment = self._new_environment()
        for part in parts:
            self._add(part)

    def _new_environment(self) -> Environment:
        environment = Environment(auto_escape_callback=_always, fuel=FUEL)
        environment.undefined_behavior = cast(Literal["strict"], _BEHAVIOURS[self._manner])
        environment.add_filter("safe", _never_safe)
        for name in environment.globals.keys() - {*_FUNCTIONS}:
            environment.remove_global(name)
        environment.add_global("__missing", self._report)
        environment.add_global("__absent", self._asked)
        for name, written in self._filters.items():
            environment.add_filter(name, written)
        return environment

    def _add(self, part: Part) -> None:
        source, self._offsets[part.name] = part.strict_source() if self._manner == "strict" else part.careful_source()
        try:
            self._environment.add_template(part.name, source)
        except TemplateError as error:
            raise self._located(part, error, {}) from error

    def _report(self, number: object, path: object = None) -> str:
        missed = self._missed(number, path, compared=False)
        return f"«{missed.path}»" if missed and self._manner == "mark" else ""

    def _asked(self, number: object, path: object = None) -> bool:
        self._missed(number, path, compared=True)
        return False

    def _missed(self, number: object, path: object, *, compared: bool) -> "_Missed | None":
        tags = self._parts[self._current].tags
        if not isinstance(number, int) or not 0 <= number < len(tags):  # a template may call it, too
            return None
        tag = tags[number]
        named = path if isinstance(path, str) and path in tag.code else None
        missed = _Missed(self._current, number, data_path(tag, named), compared)
        self._reported[missed] = None
        return missed

    def render(self, values: Values) -> dict[str, bytes]:
        """Return the parts as rendered. Raises DocumentFailed with the place where it stopped."""
        self._reported.clear()
        self.marked.clear()
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
        except Exception as error:  # of a filter, which is Python and says nothing of the place
            raise self._traced(part, values, error) from error
        content, marked = completed(part, text, self._inserts)
        if marked:
            self.marked.add(part.name)
        return content

    def refuse_missing(self, values: Values) -> None:
        """Raise DocumentFailed data_missing for the first value that was left blank."""
        for missed in self._reported:
            part = self._parts[missed.part]
            where = _where(part, part.tags[missed.number])
            hint = hint_for(values.data, missed.path)
            raise failed("data_missing", f"The data has no `{missed.path}`.", **where, data_path=missed.path, hint=hint)

    def warnings(self) -> tuple[Warned, ...]:
        """Return a warning for every path that the data does not have."""
        said = {missed.path: missed.compared for missed in sorted(self._reported, key=lambda one: not one.compared)}
        paths = dict.fromkeys(missed.path for missed in self._reported)
        done = "it was marked" if self._manner == "mark" else "it was left blank"
        told = {path: "a condition asks for it" if said[path] else done for path in paths}
        return tuple(
            Warned(code="data_missing", message=f"The data has no `{path}`: {says}.") for path, says in told.items()
        )

    def _located(self, part: Part, error: TemplateError, data: object) -> DocumentFailed:
        tag = self._tag_at(part, error.range)
        where = _where(part, tag)
        missing = _UNDEFINED.search(error.detail or "") if error.kind in _OF_MISSING else None
        if missing:
            named = missing["path"].removeprefix(f"{DATA}.")
            path = data_path(tag, named) if tag else named
            return failed(
                "data_missing", f"The data has no `{path}`.", **where, data_path=path, hint=hint_for(data, path)
            )
        if error.kind == "OutOfFuel":
            return failed("render_timeout", "The template's loops never end, or almost.", **where)
        path = data_path(tag) if tag and error.kind == "InvalidOperation" else None
        return failed("template_error", _worded(error), **where, data_path=path, hint=self._hint(error))

    def _hint(self, error: TemplateError) -> str | None:
        unknown = _UNKNOWN.match(error.detail or "")
        if unknown is None:
            return None
        known = [*_FUNCTIONS] if error.kind == "UnknownFunction" else [*self._filters, *_BUILT_IN]
        return near(unknown["name"], known) or "docs/docx.md lists the filters that templates have."

    def _tag_at(self, part: Part, span: tuple[int, int] | None) -> Tag | None:
        offsets = self._offsets.get(part.name, [])
        if span is None or not offsets:
            return None
        index = bisect.bisect_right([at for at, _ in offsets], span[0]) - 1
        return part.tags[offsets[max(index, 0)][1]]

    def _traced(self, part: Part, values: Values, error: Exception) -> DocumentFailed:
        """Render the part again, slowly, to learn at which tag a filter stopped."""
        at: list[int] = []
        environment = self._new_environment()
        environment.add_global("__at", lambda number: at.append(number))
        environment.add_template(DATA_TEMPLATE, values.source)
        environment.add_template(part.name, part.traced_source(careful=self._manner != "strict"))
        try:
            environment.render_template(part.name)
        except Exception as again:  # the same, or one that follows from it
            error = error if isinstance(error, DocumentFailed) else again
        tag = part.tags[at[-1]] if at else None
        where = _where(part, tag)
        if isinstance(error, DocumentFailed):
            known = {key: value for key, value in where.items() if getattr(error.error, key) is None}
            return DocumentFailed(error.error.model_copy(update=known))
        path = data_path(tag) if tag else None
        return failed("template_error", f"A filter cannot use its value: {error}.", **where, data_path=path)


def completed(part: Part, text: str, inserts: Inserts) -> tuple[bytes, bool]:
    """Finish a part as rendered; return its bytes, and whether it holds marks of inserts."""
    if part.repeats_drawings:
        text = renumbered(text)
    if "\a" in text:
        text = text.replace("\a", inserts.put(Insert("break", {})))
    marked = OPEN in text  # in the str: in its bytes the same takes a hundred times longer
    return finished(text, guard_tables=part.guard_tables), marked


def _where(part: Part, tag: Tag | None) -> dict[str, str | int | bool | None]:
    if tag is None:
        return {"part": part.name}
    return {"part": part.name, "line": tag.paragraph, "tag": tag.raw, "excerpt": tag.excerpt or None}


def _worded(error: TemplateError) -> str:
    words = {
        "SyntaxError": "The tag is not understood",
        "UnknownFilter": "There is no such filter",
        "UnknownFunction": "There is no such function",
        "UnknownTest": "There is no such test",
        "UnknownMethod": "There is no such method",
        "InvalidOperation": "The tag cannot be computed with this data",
    }
    return f"{words.get(error.kind, error.kind)}: {error.detail or error.message}."


def _always(_name: str) -> bool:
    return True


def _never_safe(value: object) -> str:
    """Replace Jinja's `safe`: no value may become XML."""
    return "" if value is None else str(value)
