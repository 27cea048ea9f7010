"""Charts as SVG, made on the server: no script draws, colours come from panel.css, so both themes fit. Pure.

Each chart is made twice, for wide and for narrow screens: text in a scaled SVG would become unreadable.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from math import ceil, floor, log10

from markupsafe import Markup, escape

WIDE, NARROW = 540.0, 320.0
HEIGHT, TOP, BOTTOM, LEFT, RIGHT = 190.0, 10.0, 24.0, 44.0, 6.0


@dataclass(frozen=True)
class Series:
    """Values by bucket; None leaves a gap. `colour` is 1 to 4."""

    label: str
    values: Sequence[float | None]
    colour: int = 1


@dataclass(frozen=True)
class Chart:
    """Buckets from left to right. `ticks`: labels below, by bucket index. `write` words values on axis and hints."""

    kind: str
    series: Sequence[Series]
    labels: Sequence[str]
    ticks: dict[int, str] = field(default_factory=dict)
    write: Callable[[float], str] = str
    title: str = ""

    @property
    def empty(self) -> bool:
        return not any(value for one in self.series for value in one.values)

    def svg(self) -> Markup:
        """Draw the chart for both widths; panel.css shows the one that fits."""
        return Markup('<div class="at-wide">{}</div><div class="at-narrow">{}</div>').format(
            _draw(self, WIDE), _draw(self, NARROW)
        )


def _draw(chart: Chart, width: float) -> Markup:
    count = max(1, len(chart.labels))
    slot = (width - LEFT - RIGHT) / count
    highest = nice_ceiling(_peak(chart))
    plot = HEIGHT - TOP - BOTTOM

    def y(value: float) -> float:
        return TOP + plot * (1 - value / highest)

    parts = [_grid(chart, width, highest, y), _ticks(chart, width, slot)]
    parts.append(_bars(chart, slot, y) if chart.kind == "bars" else _lines(chart, slot, y))
    parts.append(_hits(chart, slot))
    return Markup('<svg class="chart" viewBox="0 0 {} {}" role="img" aria-label="{}">{}</svg>').format(
        _n(width), _n(HEIGHT), chart.title, Markup("").join(parts)
    )


def _peak(chart: Chart) -> float:
    if chart.kind == "bars":
        stacks = zip(*(one.values for one in chart.series), strict=True)
        return max((sum(value or 0 for value in stack) for stack in stacks), default=0)
    return max((value or 0 for one in chart.series for value in one.values), default=0)


def nice_ceiling(peak: float) -> float:
    """Return the next of 1, 2, 4, 5, 6, 8, 10 times a power of ten: four grid lines fall on readable numbers."""
    if peak <= 4:
        return 4
    power = 10.0 ** floor(log10(peak))
    return float(next(step * power for step in (1, 2, 4, 6, 8, 10) if step * power >= peak))


def _grid(chart: Chart, width: float, highest: float, y: Callable[[float], float]) -> Markup:
    lines = []
    for step in range(5):
        value = highest * step / 4
        at = _n(y(value))
        name = "axis" if step == 0 else "grid"
        lines.append(
            Markup('<line class="{}" x1="{}" x2="{}" y1="{}" y2="{}"/>').format(
                name, _n(LEFT), _n(width - RIGHT), at, at
            )
        )
        if step % 2 == 0:
            text = Markup('<text x="{}" y="{}" text-anchor="end" dominant-baseline="middle">{}</text>')
            lines.append(text.format(_n(LEFT - 8), at, chart.write(value)))
    return Markup("").join(lines)


def _ticks(chart: Chart, width: float, slot: float) -> Markup:
    room = 64.0
    every = max(1, ceil(len(chart.ticks) * room / (width - LEFT - RIGHT)))
    shown = [(at, text) for number, (at, text) in enumerate(sorted(chart.ticks.items())) if number % every == 0]
    label = Markup('<text x="{}" y="{}" text-anchor="{}">{}</text>')
    made = []
    for at, text in shown:
        x = LEFT + slot * (at + 0.5)
        anchor = "end" if x > width - 16 else "middle"
        made.append(label.format(_n(x), _n(HEIGHT - 6), anchor, text))
    return Markup("").join(made)


def _bars(chart: Chart, slot: float, y: Callable[[float], float]) -> Markup:
    bar = Markup('<rect class="f{}" x="{}" y="{}" width="{}" height="{}" rx="{}"/>')
    gap = min(slot * 0.28, 4)
    made = []
    for at in range(len(chart.labels)):
        below = 0.0
        for one in chart.series:
            value = one.values[at] or 0
            if value:
                top, bottom = y(below + value), y(below)
                height = max(bottom - top, 1.5)
                made.append(
                    bar.format(
                        one.colour,
                        _n(LEFT + slot * at + gap / 2),
                        _n(bottom - height),
                        _n(slot - gap),
                        _n(height),
                        _n(min(1.5, slot / 5)),
                    )
                )
                below += value
    return Markup("").join(made)


def _lines(chart: Chart, slot: float, y: Callable[[float], float]) -> Markup:
    made = []
    for one in chart.series:
        for run in _runs(one.values):
            points = [(LEFT + slot * (at + 0.5), y(value)) for at, value in run]
            if len(points) == 1:
                made.append(
                    Markup('<circle class="f{}" cx="{}" cy="{}" r="3"/>').format(one.colour, *map(_n, points[0]))
                )
            else:
                path = " ".join(f"{_n(x)},{_n(height)}" for x, height in points)
                made.append(Markup('<polyline class="line s{}" points="{}"/>').format(one.colour, path))
    return Markup("").join(made)


def _runs(values: Sequence[float | None]) -> list[list[tuple[int, float]]]:
    """Split values at their gaps."""
    runs: list[list[tuple[int, float]]] = [[]]
    for at, value in enumerate(values):
        if value is None:
            runs.append([])
        else:
            runs[-1].append((at, value))
    return [run for run in runs if run]


def _hits(chart: Chart, slot: float) -> Markup:
    """Lay invisible strips over the buckets: each tells its values when the pointer rests on it."""
    strip = Markup('<rect class="hit" x="{}" y="{}" width="{}" height="{}"><title>{}</title></rect>')
    made = []
    for at, label in enumerate(chart.labels):
        told = [f"{one.label}: {chart.write(value)}" for one in chart.series if (value := one.values[at]) is not None]
        hint = escape("\n".join([label, *told]))
        made.append(strip.format(_n(LEFT + slot * at), _n(TOP), _n(slot), _n(HEIGHT - TOP - BOTTOM), hint))
    return Markup("").join(made)


def _n(value: float) -> str:
    """Write a coordinate without noise."""
    return f"{value:.1f}".removesuffix(".0")
