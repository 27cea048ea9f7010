"""Bars on a logarithmic scale as SVG: no background, and text that can be read on white and on black."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from html import escape

WIDTH, NAMES, MARGIN = 760, 150, 70
ROW, BAR, HEAD, AXIS = 26, 16, 34, 30
_STYLE = (
    "text{font:13px system-ui,sans-serif;fill:#6e7781}.n{font-weight:600}.b{fill:#8c959f}.o{fill:#2f81f7}"
    ".g{stroke:#8c959f;stroke-opacity:.35}@media(prefers-color-scheme:dark){text{fill:#9198a1}}"
)


@dataclass(frozen=True)
class Bar:
    """`ours` bars have the colour."""

    name: str
    value: float
    ours: bool = False


@dataclass(frozen=True)
class Panel:
    title: str
    bars: Sequence[Bar]

    @property
    def height(self) -> int:
        return HEAD + ROW * len(self.bars) + AXIS


def decades(values: Sequence[float]) -> tuple[int, int]:
    """Return the powers of ten that enclose all values, at least one apart."""
    low, high = math.floor(math.log10(min(values))), math.ceil(math.log10(max(values)))
    return low, max(high, low + 1)


def position(value: float, low: int, high: int) -> float:
    """Return how far along the axis a value is, from 0 to 1."""
    return (math.log10(value) - low) / (high - low)


def short(value: float) -> str:
    """Write a number with two digits or more: 0.24, 5.9, 114, 1,212."""
    return f"{value:,.0f}" if value >= 100 else f"{value:.1f}" if value >= 1 else f"{value:.2f}"


def drawn(panels: Sequence[Panel]) -> str:
    """Draw panels below each other, each with a scale of its own."""
    height, parts = 0, []
    for panel in panels:
        parts.append(f'<g transform="translate(0 {height})">{"".join(_panel(panel))}</g>')
        height += panel.height
    title = escape("; ".join(panel.title for panel in panels))
    head = f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" width="{WIDTH}" height="{height}"'
    return f'{head} role="img"><title>{title}</title><style>{_STYLE}</style>{"".join(parts)}</svg>\n'


def _panel(panel: Panel) -> Iterator[str]:
    low, high = decades([bar.value for bar in panel.bars])
    length, bottom = WIDTH - NAMES - MARGIN, HEAD + ROW * len(panel.bars)
    yield f'<text class="n" x="0" y="20">{escape(panel.title)}</text>'
    for power in range(low, high + 1):
        x = NAMES + length * (power - low) / (high - low)
        yield f'<line class="g" x1="{x:.1f}" y1="{HEAD}" x2="{x:.1f}" y2="{bottom}"/>'
        yield f'<text x="{x:.1f}" y="{bottom + 16}" text-anchor="middle">{10.0**power:,g}</text>'
    for number, bar in enumerate(panel.bars):
        y, width = HEAD + ROW * number, length * position(bar.value, low, high)
        yield f'<text x="{NAMES - 10}" y="{y + 18}" text-anchor="end">{escape(bar.name)}</text>'
        yield f'<rect class="{"o" if bar.ours else "b"}" x="{NAMES}" y="{y + 5}" width="{width:.1f}" height="{BAR}"/>'
        yield f'<text class="n" x="{NAMES + width + 6:.1f}" y="{y + 18}">{short(bar.value)}</text>'
