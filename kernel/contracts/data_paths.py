"""Data paths (`buyer.name`, `items[].price`): which name in the data was probably meant by one that is not there."""

import difflib
import re
from collections.abc import Iterator
from itertools import islice

_SEGMENT = re.compile(r"[^.\[\]]+|\[[^\]]*\]")
#: A list of a million rows, or an object of as many names, is not searched to the end for a missing one.
_ROWS_SEARCHED, _NAMES_SEARCHED, _PATHS_SEARCHED = 1_000, 200, 2_000


def near_names(data: object, path: str) -> list[str]:
    """Return names in the data that resemble the missing last name of `path`, nearest first, as full paths."""
    segments = _split(path)
    holder, walked, missing = _walk(data, segments)
    if missing is None:
        return []
    siblings = [name for name in islice(holder, _NAMES_SEARCHED) if len(name) < 100] if isinstance(holder, dict) else []
    close = difflib.get_close_matches(missing, siblings, n=3, cutoff=0.6)
    if close:
        return [_join(walked, name) for name in close]
    elsewhere = [found for found in islice(_all_paths(data), _PATHS_SEARCHED) if found.rpartition(".")[2] == missing]
    return elsewhere[:3]


def near_hint(data: object, path: str) -> str:
    """Say in one sentence what could be meant by a path that is not in the data; "" if nothing is near."""
    near = near_names(data, path)
    return "The data has " + " and ".join(f"`{name}`" for name in near) + ": is that meant?" if near else ""


def near_anywhere(data: object, name: str) -> str:
    """Say in one sentence which fields, however deep, are called nearly so; "" if none is."""
    paths = [path for path in islice(_all_paths(data), _PATHS_SEARCHED) if len(path) < 200]
    names = dict.fromkeys(path.rpartition(".")[2] for path in paths)
    close = difflib.get_close_matches(name, names, n=2, cutoff=0.6)
    near = [path for one in close for path in paths if path.rpartition(".")[2] == one][:3]
    return "The data has " + " and ".join(f"`{path}`" for path in near) + ": is that meant?" if near else ""


def hint_for(data: object, path: str) -> str:
    """Say in one sentence what to do about a path that is not in the data."""
    return near_hint(data, path) or f"Add `{path}` to the data, or guard it in the template."


def _split(path: str) -> list[str]:
    return [part if part.startswith("[") else part for part in _SEGMENT.findall(path)]


def _join(prefix: str, name: str) -> str:
    return f"{prefix}.{name}" if prefix else name


def _walk(data: object, segments: list[str]) -> tuple[object, str, str | None]:
    """Follow the path as far as the data goes: the last holder, its path, and the first name it lacks."""
    holder, walked = data, ""
    for index, segment in enumerate(segments):
        if segment.startswith("["):
            following = segments[index + 1] if index + 1 < len(segments) else ""
            holder, walked = _row(holder, segment[1:-1], following), f"{walked}{segment}"
        elif isinstance(holder, dict) and segment in holder:
            holder, walked = holder[segment], _join(walked, segment)
        else:
            return holder, walked, segment
    return holder, walked, None


def _row(rows: object, index: str, name: str) -> object:
    """Return the row of this index; without an index the first that lacks the name."""
    if not isinstance(rows, list) or not rows:
        return {}
    if index.isdecimal():
        return rows[int(index)] if int(index) < len(rows) else {}
    lacking = (row for row in rows[:_ROWS_SEARCHED] if isinstance(row, dict) and name not in row)
    return next(lacking, rows[0])


def _all_paths(value: object, walked: str = "", depth: int = 0) -> Iterator[str]:
    if depth > 6:
        return
    if isinstance(value, dict):
        for name, inner in value.items():
            yield _join(walked, str(name))
            yield from _all_paths(inner, _join(walked, str(name)), depth + 1)
    elif isinstance(value, list) and value:
        yield from _all_paths(value[0], f"{walked}[]", depth + 1)
