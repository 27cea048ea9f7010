"""Words for what pydantic finds wrong with a request: sentences about JSON, where pydantic's are about Python."""

from collections.abc import Mapping

_TYPES = {
    "model_type": "An object",
    "model_attributes_type": "An object",
    "dict_type": "An object",
    "list_type": "A list",
    "string_type": "A text",
    "bool_type": "true or false",
    "bool_parsing": "true or false",
    "int_type": "A whole number",
    "int_parsing": "A whole number",
    "int_parsing_size": "A smaller number",
    "int_from_float": "A whole number",
    "float_type": "A number",
    "float_parsing": "A number",
    "finite_number": "A finite number",
}
_LIMITS = {
    "greater_than": "This must be more than {gt}.",
    "greater_than_equal": "This must be {ge} or more.",
    "less_than": "This must be less than {lt}.",
    "less_than_equal": "This must be {le} or less.",
    "literal_error": "This must be {expected}.",
}
_LENGTHS = ("string_too_long", "string_too_short", "too_long", "too_short")


def in_words(found: Mapping[str, object]) -> str:
    """Word one entry of `ValidationError.errors()`; what is raised by validators of our own has words already."""
    type_, context = str(found["type"]), found.get("ctx")
    limits = context if isinstance(context, Mapping) else {}
    if type_ in _TYPES:
        return f"{_TYPES[type_]} is needed."
    if type_ in _LENGTHS:
        return _length(limits, "characters" if isinstance(found.get("input"), str) else "items")
    if type_ in _LIMITS:
        return _LIMITS[type_].format(**limits)
    if type_ == "missing":
        return "This field is needed."
    if type_.startswith("datetime_") or type_ == "timezone_aware":
        return "A time is RFC 3339 text with its offset, such as 2026-03-01T09:30:00Z."
    return str(found["msg"]).removeprefix("Value error, ")


def _length(limits: Mapping[str, object], what: str) -> str:
    if "max_length" in limits:
        return f"At most {limits['max_length']} {what} are allowed."
    least = limits["min_length"]
    return "This may not be empty." if least == 1 else f"At least {least} {what} are needed."
