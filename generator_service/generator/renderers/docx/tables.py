"""Tables of unknown columns for Word: titles, texts, sides, and widths and a font size at which words fit.

One call makes a whole table (a call per cell would cost more than the rest). The rules for titles, decimals and sides
are those of `tables.typ`; a test compares the words of both.
"""

from dataclasses import dataclass

from contracts.notation import parse_number
from generator.renderers.formatting import CELL_DECIMALS, Locale
from generator.renderers.port import failed

#: Word refuses files with more columns in a table.
MOST_COLUMNS = 63
_INITIALISMS = frozenset({"id", "sku", "vat", "iban", "url"})
#: Sides are judged by a table's first rows, widths by some more.
_ROWS_JUDGED, _ROWS_MEASURED = 20, 200
_MOST_DECIMALS, _MOST_ALIGNED = 15, 3
#: Widths are shared among 5000: fiftieths of a percent, as Word counts.
_WIDTHS = 5000
_PAGE_MM = 174
#: Paragraph styles `Cell95` (9.5 pt, and `Cell95R`, flush right) ..., in tenths of a point, with cell margins in
#: twentieths of a point. The last is what a table of 20 columns needs.
_SIZES = ((95, 90), (80, 60), (70, 45), (60, 30), (50, 20))
#: The mean width of a digit or letter of Arial, and a point in millimetres.
_EM, _POINT = 0.556, 0.3528
#: Longer words may break within: a column is at least this many characters wide, or as wide as its longest number.
_LONGEST_WORD = 16


@dataclass(frozen=True)
class _Column:
    key: str
    title: str
    right: bool
    digits: int | None


def table(locale: Locale, rows: object, given: object = None) -> dict[str, object]:
    """Lay a table out. `given`: keys, or {key, title?, align?, digits?}; else the keys of the first row.

    Returns titles, rows of texts, `heads` and `styles` (a paragraph style per column), `widths` (of 5000), `margin`
    (twentieths of a point); no rows if there is nothing to show. Raises DocumentFailed for more columns than Word has.
    """
    records = [row if isinstance(row, dict) else {} for row in rows] if isinstance(rows, list) else []
    columns = [_column(locale, spec, records) for spec in _specs(records, given)]
    if len(columns) > MOST_COLUMNS:
        raise failed(
            "template_error",
            f"A table in Word has at most {MOST_COLUMNS} columns; this one has {len(columns)}.",
            hint="Name fewer in `columns`, or ask for a PDF.",
        )
    if not columns or not records:
        return {"rows": []}
    keys = [(column.key, column.digits) for column in columns]
    texts = [[locale.cell(row.get(key), digits) for key, digits in keys] for row in records]
    return {"titles": [column.title for column in columns], "rows": texts, **_layout(columns, texts)}


def _specs(records: list[dict[str, object]], given: object) -> list[object]:
    if isinstance(given, list) and given:
        return given
    return list(records[0]) if records else []


def _column(locale: Locale, spec: object, records: list[dict[str, object]]) -> _Column:
    own = spec if isinstance(spec, dict) else {"key": spec}
    key = str(own.get("key", ""))
    values = [record.get(key) for record in records]
    align, title = own.get("align"), own.get("title")
    return _Column(
        key=key,
        title=_title(key) if title is None else locale.text(title),
        right=align == "right" or (align is None and _numeric(values[:_ROWS_JUDGED])),
        digits=_digits(own.get("digits"), values),
    )


def _title(key: str) -> str:
    words = key.replace("_", " ")
    return key.upper() if key.lower() in _INITIALISMS else words[:1].upper() + words[1:]


def _numeric(values: list[object]) -> bool:
    return all(value is None or parse_number(value) is not None for value in values)


def _digits(given: object, values: list[object]) -> int | None:
    """Return how many decimals a column of numbers shows, None for each its own.

    Whole numbers (ids, years) stay as they are, up to three decimals line up, more are not filled with zeros.
    """
    if isinstance(given, int | float):
        return min(max(int(given), 0), _MOST_DECIMALS)
    most = max((_decimals(value) for value in values if type(value) is float), default=0)
    return most if most <= _MOST_ALIGNED else None


def _decimals(value: float) -> int:
    return len(f"{value:.{CELL_DECIMALS}f}".rstrip("0").partition(".")[2])


def _layout(columns: list[_Column], texts: list[list[str]]) -> dict[str, object]:
    measured = list(zip(*texts[:_ROWS_MEASURED], strict=True))
    wishes = [_wish(column.title, cells) for column, cells in zip(columns, measured, strict=True)]
    words = [_longest_word(column, cells) for column, cells in zip(columns, measured, strict=True)]
    size, (points, margin) = _size(words)
    head = _SIZES[min(size + 1, len(_SIZES) - 1)][0]
    return {
        "heads": [f"Cell{head}{'R' * column.right}" for column in columns],
        "styles": [f"Cell{points}{'R' * column.right}" for column in columns],
        "widths": _shares(wishes, [_millimetres(word, size) for word in words]),
        "margin": margin,
    }


def _wish(title: str, cells: tuple[str, ...]) -> float:
    """Return the width a column would like, in characters: that of its longest text, within reason."""
    return min(max(len(title) * 1.1, max(map(len, cells)), 4), 34) + 2


def _longest_word(column: _Column, cells: tuple[str, ...]) -> int:
    """Return the characters of the longest word; a number never breaks, other words may."""
    longest = max(map(len, " ".join(cells).replace("\n", " ").split(" ")))
    title = max(map(len, column.title.split(" ")))
    return max(longest if column.right else min(longest, _LONGEST_WORD), min(title, _LONGEST_WORD))


def _size(words: list[int]) -> tuple[int, tuple[int, int]]:
    """Choose the largest size at which every column's longest word fits the page beside the others."""
    for size, look in enumerate(_SIZES):
        if sum(_millimetres(word, size) for word in words) <= _PAGE_MM:
            return size, look
    return len(_SIZES) - 1, _SIZES[-1]


def _millimetres(characters: int, size: int) -> float:
    points, margin = _SIZES[size]
    return (characters * _EM * points / 10 + 2 * margin / 20) * _POINT


def _shares(wishes: list[float], needs: list[float]) -> list[int]:
    """Share the width among columns as they wish, each at least as wide as it needs if the needs fit."""
    spare = _PAGE_MM - sum(needs)
    if spare <= 0:
        return [round(need / sum(needs) * _WIDTHS) for need in needs]
    widths = _grown(wishes, needs)
    return [round(width / _PAGE_MM * _WIDTHS) for width in widths]


def _grown(wishes: list[float], needs: list[float]) -> list[float]:
    """Give columns whose share is less than their need just that, and share the rest among the others."""
    fixed: set[int] = set()
    while True:
        rest = _PAGE_MM - sum(needs[at] for at in fixed)
        whole = sum(wish for at, wish in enumerate(wishes) if at not in fixed)
        widths = [needs[at] if at in fixed else rest * wish / whole for at, wish in enumerate(wishes)]
        short = {at for at, width in enumerate(widths) if at not in fixed and width < needs[at]}
        if not short:
            return widths
        fixed |= short
