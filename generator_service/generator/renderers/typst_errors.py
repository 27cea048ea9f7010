"""Typst's diagnostics as DocumentFailed: line, column, the expression under the caret, and the data path it means."""

import json
import re
from collections.abc import Iterable, Mapping

import typst

from contracts.data_paths import hint_for, near_anywhere, near_hint
from contracts.errors import DocumentFailed
from generator.renderers.port import failed
from generator.renderers.schema_typst import path_at
from generator.renderers.typst_hints import hint_of
from generator.renderers.typst_packages import VENDOR

_PLACE = re.compile(r"┌─ (?:.*/)?(?P<file>[^/\n]+?):(?P<line>\d+):(?P<column>\d+)\s*$", re.MULTILINE)
_CARETS = re.compile(r"^\s*│\s?(?P<indent> *)(?P<carets>\^+)", re.MULTILINE)
_MISSING_KEY = re.compile(r'dictionary does not contain key "(?P<key>(?:[^"\\]|\\.)*)"')
#: What a template says itself of its data: `#panic("`items[0].price` is \"on request\": an amount is needed.")`.
_REFUSED = re.compile(r"(?:panicked with|assertion failed): (?P<says>`(?P<path>[^`]+)` .*)", re.DOTALL)
_PACKAGE = re.compile(r"failed to (?:download|find|load) package|package not found")
#: What an export for the archive or for accessibility refuses.
_STANDARD = re.compile(r"(?P<standard>PDF/\S+) error: (?P<says>.*)", re.DOTALL)
_NO_GLYPH = re.compile(r'the text `"(?P<text>.*)"` could not be displayed')
_UNMET = re.compile(r"PDF standards error: HintedString\(\[(?P<says>.*)\]\)", re.DOTALL)
_SEARCHED_AT = re.compile(r"\(searched at [^)]*\)")
_CHAIN_BEFORE = re.compile(r"[\w.\-]*$")


def located(
    error: typst.TypstError, file: str, files: Mapping[str, bytes], data: bytes, families: Iterable[str] = ()
) -> DocumentFailed:
    """Translate a compile error. `file`: the source's own name, which the compiler knows as main.typ.

    `families`: the fonts that there are, for text that none of them can show.
    """
    diagnostic = _from_error(error.diagnostic)
    place = _PLACE.search(diagnostic)
    where: dict[str, str | int | None] = {"part": file}
    if place:
        where |= _where(place, diagnostic, file, files)
    missing = _MISSING_KEY.search(error.message)
    if missing:
        return _data_missing(missing["key"], where, data, _holder(place, where, files))
    refused = _REFUSED.fullmatch(error.message)
    if refused:
        hint = near_hint(json.loads(data), refused["path"]) or "Mend this value of the data."
        return failed("data_invalid", refused["says"], **where, data_path=refused["path"], hint=hint)
    package = _PACKAGE.search(error.message)
    if package:
        return failed("template_error", "Packages are not fetched.", **where, hint=VENDOR)
    unmet = _unmet_standard(error, where, families)
    return unmet or failed("template_error", _clean(error.message), **where, hint=_hint(error))


def _unmet_standard(
    error: typst.TypstError, where: Mapping[str, str | int | None], families: Iterable[str]
) -> DocumentFailed | None:
    """Say what a standard of the template's `pdf_standards` refuses; None for any other error."""
    impossible = _UNMET.fullmatch(error.message)
    if impossible:
        says = ". ".join(json.loads(f"[{impossible['says']}]"))
        return failed("template_error", f"{EXCLUSIVE}: {says}.", hint=_STANDARDS_HINT)
    standard = _STANDARD.fullmatch(error.message)
    if standard is None:
        return None
    text = _NO_GLYPH.search(standard["says"])
    message = f"{standard['standard']} does not allow this: {standard['says']}."
    if text is None:
        return failed("template_error", message, **where, hint=_standard_hint(standard["says"], error))
    hint = f"Give the template a font that has it (the fonts are {', '.join(families)}), or leave it out."
    return failed("missing_glyphs", message, **where, hint=hint)


EXCLUSIVE = "These PDF standards exclude each other"
_STANDARDS_HINT = "Name one PDF/A standard at most in `pdf_standards`, and a version that it allows."


def _standard_hint(says: str, error: typst.TypstError) -> str:
    return (
        _STANDARD_HINTS.get(says) or "; ".join(error.hints) or "Take the standard out of `pdf_standards`, or mend this."
    )


_STANDARD_HINTS = {
    "missing alt text": 'Say what the picture shows: `image(path, alt: "...")`.',
    "missing document title": "Give it a title: `#set document(title: [...])`.",
}


def _from_error(diagnostic: str) -> str:
    """Drop the warnings that come before the error."""
    start = re.search(r"^error: ", diagnostic, re.MULTILINE)
    return diagnostic[start.start() :] if start else diagnostic


def _where(place: re.Match[str], diagnostic: str, file: str, files: Mapping[str, bytes]) -> dict[str, str | int | None]:
    name, line, column = place["file"], int(place["line"]), int(place["column"])
    part = file if name == "main.typ" else name
    text = _line_of(files, name, line)
    carets = _CARETS.search(diagnostic, place.end())
    width = len(carets["carets"]) if carets else 0
    before = _CHAIN_BEFORE.search(text[:column])
    start = before.start() if before else column
    tag = text[start : column + width] if width else None
    return {"part": part, "line": line, "column": column + 1, "excerpt": text.strip()[:200] or None, "tag": tag or None}


def _text_of(files: Mapping[str, bytes], name: str) -> str:
    content = next((text for path, text in files.items() if path == name or path.endswith(f"/{name}")), b"")
    return content.decode("utf-8", "replace")


def _line_of(files: Mapping[str, bytes], name: str, line: int) -> str:
    lines = _text_of(files, name).splitlines()
    return lines[line - 1] if 0 < line <= len(lines) else ""


def _holder(
    place: re.Match[str] | None, where: Mapping[str, str | int | None], files: Mapping[str, bytes]
) -> str | None:
    """Return the data path of the variable that an expression begins with, if the source tells: a row of a list."""
    if place is None or not where.get("tag"):
        return None
    lines = _text_of(files, place["file"]).splitlines(keepends=True)
    line = int(place["line"])
    start = lines[line - 1].find(str(where["tag"])) if line <= len(lines) else -1
    return path_at("".join(lines), sum(map(len, lines[: line - 1])) + start) if start >= 0 else None


def _data_missing(
    key: str, where: Mapping[str, str | int | None], data: bytes, holder: str | None = None
) -> DocumentFailed:
    """`holder`: where the data has the variable that the expression begins with."""
    values = json.loads(data)
    tag = str(where.get("tag") or "")
    path = _data_path(key, tag, values)
    if holder and path == key:
        names = re.split(r"[.(]", tag)
        path = ".".join([holder, *names[1 : names.index(key, 1)], key] if key in names[1:] else [holder, key])
    bare = path == key and not near_hint(values, key)  # of an argument, or taken apart: its holder is not told
    hint = (near_anywhere(values, key) if bare else "") or hint_for(values, path)
    return failed("data_missing", f"The data has no `{path}`.", **where, data_path=path, hint=hint)


def _data_path(key: str, tag: str, values: object) -> str:
    """Read the path from the expression: the longest end of `d.buyer.name` whose parents the data has."""
    names = re.split(r"[.(]", tag)
    if key not in names[1:]:
        return key
    last = names.index(key, 1)
    paths = (names[start : last + 1] for start in range(1, last + 1))
    return next((".".join(path) for path in paths if _resolves(values, path[:-1])), key)


def _resolves(values: object, path: list[str]) -> bool:
    for name in path:
        if not isinstance(values, dict) or name not in values:
            return False
        values = values[name]
    return isinstance(values, dict)


def _clean(message: str) -> str:
    """Hide where on this machine the file was looked for."""
    return _SEARCHED_AT.sub("", message).strip()


def _hint(error: typst.TypstError) -> str:
    kept = [hint for hint in error.hints if "--root" not in hint]
    trace = [step.removeprefix("at ") for step in error.trace if step]
    hint = "; ".join(kept or [hint_of(error.message)])
    return f"{hint} ({'; '.join(trace)})" if trace else hint
