"""How deep callers may nest: what is read again within envelopes of ours, and by engines, must not reach their ends.

Typst reads 128 levels, the Word engine 75, and our own parser 200: a body of 199 could be taken, but the ask of a
generator that holds it not be read.
"""

from pydantic_core import PydanticCustomError

#: Levels of data, and of a JSON Schema of data: it takes two or three for each of theirs.
DATA_LEVELS, SCHEMA_LEVELS = 64, 150


def data_depth[T](value: T) -> T:
    """Refuse data that are nested too deeply."""
    return _bounded(value, DATA_LEVELS)


def schema_depth[T](value: T) -> T:
    """Refuse a schema that is nested too deeply."""
    return _bounded(value, SCHEMA_LEVELS)


def _bounded[T](value: T, levels: int) -> T:
    holders: list[object] = [value] if isinstance(value, dict | list) else []
    for _ in range(levels):
        if not holders:
            return value
        holders = [inner for holder in holders for inner in _inner(holder) if isinstance(inner, dict | list)]
    raise PydanticCustomError("too_large", "At most {levels} levels are nested in each other.", {"levels": levels})


def _inner(holder: object) -> list[object]:
    return list(holder.values()) if isinstance(holder, dict) else holder if isinstance(holder, list) else []
