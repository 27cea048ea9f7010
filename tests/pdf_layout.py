"""Where the text of a PDF stands: the boxes of its printed runs, to find what overlaps or leaves the page."""

import io
from collections.abc import Iterator
from dataclasses import dataclass

import pikepdf

Matrix = tuple[float, float, float, float, float, float]
#: Of the font size: what counts as printed above the baseline. Less than all, so that only print on print counts.
HEIGHT = 0.5
#: Kerning brings letters of neighbouring runs closer than this.
TOLERANCE_PT = 1.0


@dataclass(frozen=True)
class Run:
    """Letters shown at once, in points from the lower left corner; `text` is for messages only."""

    page: int
    left: float
    bottom: float
    right: float
    top: float
    text: str

    def meets(self, other: "Run") -> bool:
        return (
            min(self.right, other.right) - max(self.left, other.left) > TOLERANCE_PT
            and min(self.top, other.top) - max(self.bottom, other.bottom) > TOLERANCE_PT
        )


@dataclass(frozen=True)
class Layout:
    """The pages' sizes in points, and every run."""

    pages: tuple[tuple[float, float], ...]
    runs: tuple[Run, ...]

    def overlapping(self) -> list[tuple[Run, Run]]:
        """Return neighbours that are printed over each other."""
        ordered = sorted(self.runs, key=lambda run: (run.page, run.bottom))
        found = []
        for at, run in enumerate(ordered):
            for other in ordered[at + 1 :]:
                if other.page != run.page or other.bottom >= run.top:
                    break
                if run.meets(other):
                    found.append((run, other))
        return found

    def outside(self, margin: float) -> list[Run]:
        """Return what stands in the margin (points) or beyond the page."""
        return [run for run in self.runs if not self._inside(run, margin - TOLERANCE_PT)]

    def beside(self, margin: float) -> list[Run]:
        """Return what stands in the margin (points) to the left or to the right."""
        least = margin - TOLERANCE_PT
        return [run for run in self.runs if run.left < least or run.right > self.pages[run.page][0] - least]

    def _inside(self, run: Run, margin: float) -> bool:
        width, height = self.pages[run.page]
        return (
            margin <= run.left and run.right <= width - margin and margin <= run.bottom and run.top <= height - margin
        )


def layout_of(content: bytes) -> Layout:
    """Read the pages of a PDF as Typst writes it: two-byte fonts, no text in forms."""
    with pikepdf.open(io.BytesIO(content)) as pdf:
        sizes = tuple((float(page.mediabox[2]), float(page.mediabox[3])) for page in pdf.pages)
        runs = [run for number, page in enumerate(pdf.pages) for run in _runs(number, page)]
    return Layout(sizes, tuple(runs))


def _runs(number: int, page: pikepdf.Page) -> Iterator[Run]:
    fonts = {name: _Font(font) for name, font in page.resources.get("/Font", {}).items()}
    current: Matrix = (1, 0, 0, 1, 0, 0)
    stack, text = [], current
    font, size = None, 0.0
    for operands, operator in pikepdf.parse_content_stream(page):
        name = str(operator)
        if name == "q":
            stack.append(current)
        elif name == "Q":
            current = stack.pop()
        elif name == "cm":
            current = _times(_matrix(operands), current)
        elif name == "Tf":
            font, size = fonts[str(operands[0])], float(operands[1])
        elif name == "Tm":
            text = _matrix(operands)
        elif name in ("Tj", "TJ") and font is not None:
            parts = operands[0] if name == "TJ" else [operands[0]]
            yield _run(number, _times(text, current), font, size, parts)


def _run(page: int, at: Matrix, font: "_Font", size: float, parts: pikepdf.Array) -> Run:
    em, end, shown = 0.0, 0.0, ""
    for part in parts:
        if isinstance(part, pikepdf.String):
            codes = [first * 256 + second for first, second in zip(*[iter(bytes(part))] * 2, strict=True)]
            for code in codes:
                em += font.widths.get(code, 0)
                letter = font.letters.get(code, "?")
                end = end if letter.isspace() else em
                shown += letter
        else:
            em -= float(part)
    a, b, _, d, x, y = at
    assert b == 0, "the text is not rotated"
    return Run(page, x, y, x + a * size * end / 1000, y + abs(d) * size * HEIGHT, shown)


class _Font:
    def __init__(self, font: pikepdf.Object) -> None:
        self.widths: dict[int, float] = {}
        listed = list(font.DescendantFonts[0].W)
        while listed:
            first, then = int(listed.pop(0)), listed.pop(0)
            if isinstance(then, pikepdf.Array):
                self.widths |= {first + at: float(width) for at, width in enumerate(then)}
            else:
                self.widths |= dict.fromkeys(range(first, int(then) + 1), float(listed.pop(0)))
        self.letters = dict(_letters(font.ToUnicode.read_bytes().decode("latin-1")))


def _letters(cmap: str) -> Iterator[tuple[int, str]]:
    for line in cmap.splitlines():
        match line.split():
            case [code, letters] if code.startswith("<") and letters.startswith("<"):
                yield int(code[1:-1], 16), bytes.fromhex(letters[1:-1]).decode("utf-16-be", "replace")


def _matrix(operands: pikepdf.Array) -> Matrix:
    a, b, c, d, e, f = (float(one) for one in operands)
    return a, b, c, d, e, f


def _times(one: Matrix, two: Matrix) -> Matrix:
    (a, b, c, d, e, f), (g, h, i, j, k, m) = one, two
    return a * g + b * i, a * h + b * j, c * g + d * i, c * h + d * j, e * g + f * i + k, e * h + f * j + m
