"""Tables of items: a head, a row that is repeated for each of them, and the sums that the template adds up itself."""

from collections.abc import Sequence

from docx.document import Document
from docx.shared import Pt
from docx.table import Table, _Cell, _Row

from generator_service.templates.docx_sources.look import (
    BAND,
    WHITE,
    border,
    cell_text,
    finish_cell,
    grid,
    row_height,
    rule,
    shade,
)

#: By column: width in mm, title, text, side.
Columns = Sequence[tuple[float, str, str, str]]


def listing(
    document: Document,
    columns: Columns,
    accent: str,
    *,
    sizes: tuple[float, float],
    heights: tuple[float, float],
    filled: bool = False,
) -> Table:
    """Add a table of two rows, a head and the texts; `sizes` of their letters and least `heights` in points.

    `filled`: the head is white on the accent, instead of black on grey over a line.
    """
    table = grid(document, [width for width, *_ in columns], rows=2)
    rule(table)
    head, row = table.rows
    for cell, below, (_, title, text, side) in zip(head.cells, row.cells, columns, strict=True):
        cell_text(cell, title, side, size=sizes[0], bold=True, color=WHITE if filled else None)
        if not filled:
            border(cell, "bottom", accent, 8)
        shade(cell, accent if filled else BAND)
        cell_text(below, text, side, size=sizes[1])
        finish_cell(cell)
        finish_cell(below)
    row_height(table, 0, heights[0], header=True)
    row_height(table, 1, heights[1])
    return table


def airy(row: _Row) -> None:
    """Leave some room above and below the texts of a row, which may take several lines."""
    for cell in row.cells:
        form = cell.paragraphs[0].paragraph_format
        form.space_before = form.space_after = Pt(2.5)


def rows_of(table: Table, loop: str) -> None:
    """Wrap the last row of a table into a loop: a row that begins it, and one that ends it."""
    row = table.rows[-1]._tr
    for text, add in ((f"{{%tr for {loop} %}}", row.addprevious), ("{%tr endfor %}", row.addnext)):
        line = table.add_row()  # type: ignore[no-untyped-call]
        line.cells[0].merge(line.cells[-1]).text = text
        add(line._tr)


def last_row(table: Table, words: str, amount: str, height: float) -> tuple[_Cell, _Cell]:
    """Add a bold row of two cells below the loop: words over all columns but the last, and an amount under that."""
    cells = table.add_row().cells  # type: ignore[no-untyped-call]
    wide, last = cells[0].merge(cells[-2]), cells[-1]
    for cell, text in ((wide, words), (last, amount)):
        cell_text(cell, text, "right", bold=True)
    row_height(table, len(table.rows) - 1, height)
    return wide, last


def added_up(currency: str) -> tuple[str, ...]:
    """Write the tags that compute `sums.net`, `vat` and `total`; `currency`: its code, as an expression.

    The arithmetic is exact; rounding each line first lets the printed lines add up to the printed sum.
    """
    return (
        "set sums = namespace(net=0)",
        "for item in items",
        f"set sums.net = sums.net|plus(item.qty|times(item.price)|cents({currency}))",
        "endfor",
        f"set vat = vat_rate|percent_of(sums.net)|cents({currency})",
        "set total = sums.net|plus(vat)",
    )
