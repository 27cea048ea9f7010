"""Data paths (`buyer.name`, `items[].price`): what is absent from the data, and which near name was probably meant."""

import difflib
import re
from collections.abc import Iterable, Iterator

_SEGMENT = re.compile(r"[^.\[\]]+|\[[^\]]*\]")
#: A list of a million rows is not searched to the end for a missing name.
_ROWS_SEARCHED = 1_000


def absent(data: object, paths: Iterable[str]) -> list[str]:
    """Return those of `paths` that the data lacks, with the index of the first row that lacks it: `items[3].price`."""
    missing: list[str] = []
    for path in paths:
        found = next(_lacking(data, _split(path), ""), None)
        if found is not None and found not in missing:
            missing.append(found)
    return missing


def near_names(data: object, path: str) -> list[str]:
    """Return names in the data that resemble the missing last name of `path`, nearest first, as full paths."""
    segments = _split(path)
    holder, walked, missing = _walk(data, segments)
    if missing is None:
        return []
    siblings = {_join(walked, name): name for name in holder} if isinstance(holder, dict) else {}
    close = difflib.get_close_matches(missing, list(siblings.values()), n=3, cutoff=0.6)
    if close:
        return [_join(walked, name) for name in close]
    elsewhere = [found for found in _all_paths(data) if found.rpartition(".")[2] == missing]
    return elsewhere[:3]


def hint_for(data: object, path: str) -> str:
    """Say in one sentence what could be meant by a path that is not in the data."""
    near = near_names(data, path)
    if near:
        return "The data has " + " and ".join(f"`{name}`" for name in near) + ": is that meant?"
    return f"Add `{path}` to the data, or guard it in the template."


def _split(path: str) -> list[str]:
    return [part if part.startswith("[") else part for part in _SEGMENT.findall(path)]


def _join(prefix: str, name: str) -> str:
    return f"{prefix}.{name}" if prefix else name


def _lacking(value: object, segments: list[str], walked: str) -> Iterator[str]:
    if not segments:
        return
    first, rest = segments[0], segments[1:]
    if first.startswith("["):
        rows = value if isinstance(value, list) else []
        for index, row in enumerate(rows[:_ROWS_SEARCHED]):
            yield from _lacking(row, rest, f"{walked}[{index}]")
    elif not isinstance(value, dict) or value.get(first) is None:
        yield _join(walked, first if rest and rest[0].startswith("[") else "".join(_rejoin(segments)))
    else:
        yield from _lacking(value[first], rest, _join(walked, first))


def _rejoin(segments: list[str]) -> Iterator[str]:
    for index, segment in enumerate(segments):
        yield segment if segment.startswith("[") or not index else f".{segment}"


def _walk(data: object, segments: list[str]) -> tuple[object, str, str | None]:
    """Follow the path as far as the data goes: the last holder, its path, and the first name it lacks."""
    holder, walked = data, ""
    for index, segment in enumerate(segments):
        if segment.startswith("["):
            following = segments[index + 1] if index + 1 < len(segments) else ""
            holder, walked = _row_lacking(holder, following), f"{walked}[]"
        elif isinstance(holder, dict) and segment in holder:
            holder, walked = holder[segment], _join(walked, segment)
        else:
            return holder, walked, segment
    return holder, walked, None


def _row_lacking(rows: object, name: str) -> object:
    if not isinstance(rows, list) or not rows:
        return {}
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
