"""Words for a violation of a template's JSON Schema: the place, and a sentence on what is allowed."""

import difflib
import json
from collections.abc import Sequence

from jsonschema_rs import ValidationError
from jsonschema_rs import ValidationErrorKind as Kind

from contracts.data_paths import near_hint
from contracts.errors import Flaw

#: Longest value, path and library message that a sentence quotes, in characters.
VALUE_SHOWN, PATH_SHOWN, MESSAGE_SHOWN = 40, 120, 200

Path = Sequence[str | int]

_TYPES = {
    "string": "a text",
    "number": "a number",
    "integer": "a whole number",
    "boolean": "true or false",
    "object": "an object",
    "array": "a list",
}


def flaw_of(error: ValidationError, schema: object, data: object) -> Flaw:
    """Word one violation: `data_missing` for what is absent, or null where that may not be; `unknown_field`; else
    `data_invalid`.
    """
    lacking = _lacking(error)
    if lacking:
        names = [_dotted(path) for path in lacking]
        detail = f"The template needs {' or '.join(f'`{name}`' for name in names)}."
        return Flaw(_pointer(lacking[0]), f"{detail} {near_hint(data, names[0])}".strip(), "data_missing")
    if isinstance(error.kind, Kind.AdditionalProperties):
        return _unknown(error, error.kind.unexpected, schema)
    allowed = _annotated(error, schema) or _allowed(error)
    what = f"`{_dotted(error.instance_path)}`" if error.instance_path else "The data"
    return Flaw(_pointer(error.instance_path), f"{what} is {_shown(error.instance)}: {allowed}", "data_invalid")


def _unknown(error: ValidationError, names: list[str], schema: object) -> Flaw:
    """Word what nothing reads: `unknown_field`, with a name that is near and known."""
    path = [*error.instance_path, names[0]]
    properties = _holder(error, schema).get("properties")
    known = difflib.get_close_matches(names[0], list(properties), n=1) if isinstance(properties, dict) else []
    more = f" (and {len(names) - 1} more)" if len(names) > 1 else ""
    meant = f" Is `{known[0]}` meant?" if known else ""
    detail = f"The template does not know `{_dotted(path)}`{more}.{meant}"
    return Flaw(_pointer(path), detail, "unknown_field")


def _lacking(error: ValidationError) -> list[Path]:
    """Return what is missing: several names if one of them would do. Null is missing where it is not allowed."""
    path, kind = error.instance_path, error.kind
    if isinstance(kind, Kind.Required):
        return [[*path, kind.property]]
    if path and isinstance(path[-1], str) and error.instance is None:
        return [path]
    if isinstance(kind, Kind.AnyOf):
        branches = [[found for inner in branch for found in _lacking(inner)] for branch in kind.context]
        return [branch[0] for branch in branches] if all(branches) else []
    return []


def _annotated(error: ValidationError, schema: object) -> str | None:
    """Return the schema's own words: `errorMessage` beside the keyword that failed."""
    said = _holder(error, schema).get("errorMessage")
    text = said.get(error.schema_path[-1]) if isinstance(said, dict) else said
    return text if isinstance(text, str) else None


def is_certain(error: ValidationError, schema: object) -> bool:
    """Tell whether the schema says that what violates it here is certain to fail: `x-certain` beside the keyword."""
    return _holder(error, schema).get("x-certain") is True


def _holder(error: ValidationError, schema: object) -> dict[str, object]:
    """Return the subschema that holds the keyword that failed."""
    holder = schema
    for step in error.schema_path[:-1]:
        if isinstance(holder, dict):
            holder = holder.get(str(step))
        elif isinstance(holder, list) and isinstance(step, int):
            holder = holder[step]
    return holder if isinstance(holder, dict) else {}


def _allowed(error: ValidationError) -> str:
    match error.kind:
        case Kind.Type(types=types):
            return f"{_either([words for name, words in _TYPES.items() if name in types])} is needed."
        case Kind.Enum(options=options):
            return f"allowed is {_either([_shown(option) for option in options])}."
        case _:
            return f"{_short(error.message, MESSAGE_SHOWN)}."


def _either(words: list[str]) -> str:
    return " or ".join([", ".join(words[:-1]), words[-1]] if len(words) > 1 else words)


def _shown(value: object) -> str:
    if isinstance(value, dict | list):
        return "an object" if isinstance(value, dict) else "a list"
    if isinstance(value, str):
        return json.dumps(_short(value, VALUE_SHOWN), ensure_ascii=False)
    return _short(json.dumps(value), VALUE_SHOWN)


def _short(text: str, longest: int) -> str:
    return text if len(text) <= longest else f"{text[: longest - 1]}…"


def _dotted(path: Path) -> str:
    written = "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in path)
    return _short(written.removeprefix("."), PATH_SHOWN)


def _pointer(path: Path) -> str:
    return "/data" + "".join(f"/{str(step).replace('~', '~0').replace('/', '~1')}" for step in path)
