"""Bar charts for Word: bars are shaded paragraphs in the cells of a table, as tall as this module computes.

Word, LibreOffice and the like all draw them, and the numbers stay text. The look is that of `bar-chart` in charts.typ.
"""

import math
from dataclasses import dataclass

from generator.renderers.docx.demands import amount_at, list_at
from generator.renderers.formatting import Locale

_PAGE_MM, _PLOT_MM, _THICKEST_MM = 174, 46, 12
_TWIPS = 1440 / 25.4
#: Captions in points, and a character's width in millimetres at one point (digits of Arial).
_SMALLEST, _LARGEST, _CHARACTER_MM = 5.0, 7.5, 0.556 * 0.3528
#: Word allows 63 columns in a table.
_MOST_BARS = 60
_WIDTHS = 5000


@dataclass(frozen=True)
class _Bar:
    label: str
    text: str
    value: float


def bars(locale: Locale, chart: object, values: object = None, prefix: str = "") -> dict[str, object]:
    """Draw a chart: a list of numbers or {label, value}, {title?, values}, or else the plain list `values`.

    `prefix` is the path of what the chart belongs to, for errors: DocumentFailed data_invalid for what is no number.

    Returns `title`, `strips` (rows of bars: label, text, and `up` or `down`, heights in twips), the strips' heights
    `above` and `below` zero (0 if nothing is below), `width` of a bar's cell (of 5000), the space `beside` a bar
    (twips) and the captions' `size` (half points); no strips if there is nothing to draw.
    """
    title, given, place = _given(chart, values)
    given = list_at(given, prefix + place)
    drawn = [_bar(locale, bar, number, f"{prefix}{place}[{number - 1}]") for number, bar in enumerate(given, 1)]
    if not drawn:
        return {"title": "", "strips": []}
    longest = max(len(bar.text) for bar in drawn)
    strips = _strips(drawn, longest)
    slot = _PAGE_MM / len(strips[0])
    size = min(max(min(slot * 0.55, slot / (longest * _CHARACTER_MM)), _SMALLEST), _LARGEST)
    return {
        "title": locale.text(title),
        **_drawn(drawn, strips),
        "width": _WIDTHS // len(strips[0]),
        "beside": round((slot - min(slot * 0.6, _THICKEST_MM)) / 2 * _TWIPS),
        "size": round(size * 2),
    }


def _given(chart: object, values: object) -> tuple[object, object, str]:
    """Return the title, the values and where they are in the data."""
    if isinstance(chart, dict):
        return chart.get("title"), chart.get("values"), "chart.values"
    return (None, values, "chart_values") if chart is None else (None, chart, "chart")


def _bar(locale: Locale, bar: object, number: int, place: str) -> _Bar:
    label, value = (bar.get("label"), bar.get("value")) if isinstance(bar, dict) else (None, bar)
    amount = amount_at(value, place + ".value" if isinstance(bar, dict) else place)
    shown = locale.cell(value, None) if isinstance(value, float) else locale.number(value)
    return _Bar(locale.text(label) or str(number), shown, float(amount))


def _strips(drawn: list[_Bar], longest: int) -> list[list[_Bar]]:
    """Cut a chart of many bars into strips of equally many, so that every number stays on one line."""
    most = min(max(int(_PAGE_MM / (longest * _CHARACTER_MM * _SMALLEST)), 1), _MOST_BARS)
    each = math.ceil(len(drawn) / math.ceil(len(drawn) / most))
    padded = drawn + [_Bar("", "", 0)] * (-len(drawn) % each)
    return [padded[at : at + each] for at in range(0, len(padded), each)]


def _drawn(drawn: list[_Bar], strips: list[list[_Bar]]) -> dict[str, object]:
    highest, lowest = max(0.0, *(bar.value for bar in drawn)), min(0.0, *(bar.value for bar in drawn))
    scale = _PLOT_MM * _TWIPS / max(highest - lowest, 1e-6)
    return {
        "above": round(highest * scale),
        "below": round(-lowest * scale),
        "strips": [[_cell(bar, scale) for bar in strip] for strip in strips],
    }


def _cell(bar: _Bar, scale: float) -> dict[str, object]:
    height = round(bar.value * scale)
    up, down = (height, 0) if bar.value >= 0 else (0, -height)
    return {"label": bar.label, "text": bar.text, "negative": bar.value < 0, "up": up, "down": down}
