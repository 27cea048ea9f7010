"""The filters that DOCX templates have beyond Jinja's own: formatting, and whole tables and charts in one call each."""

from collections.abc import Callable
from functools import partial

from generator.renderers import formatting
from generator.renderers.docx.charts import bars
from generator.renderers.docx.clauses import clauses
from generator.renderers.docx.demands import given, list_at
from generator.renderers.docx.inserts import Inserts
from generator.renderers.docx.lines import lines
from generator.renderers.docx.price import price
from generator.renderers.docx.rich_filters import rich_filters
from generator.renderers.docx.tables import table
from generator.renderers.formatting import Locale


def filters(locale: Locale, inserts: Inserts | None = None) -> dict[str, Callable[..., object]]:
    """Return every filter by name, for one locale; `inserts` takes what is more than text."""
    return {
        **formatting.filters(locale),
        **rich_filters(inserts or Inserts()),
        "given": given,
        "list_at": list_at,
        "paragraphs": partial(paragraphs, locale),
        "lines": partial(lines, locale),
        "table": partial(table, locale),
        "bars": partial(bars, locale),
        "clauses": partial(clauses, locale),
        "priced": partial(price, locale),
        "rows": partial(rows, locale),
    }


def paragraphs(locale: Locale, value: object) -> list[str]:
    """Return the texts of a list, or one of anything else; none for null and ""."""
    if value is None or value == "":
        return []
    return [locale.text(item) for item in value] if isinstance(value, list) else [locale.text(value)]


def rows(locale: Locale, value: object) -> list[str]:
    """Return the lines of a text or of a list of texts, without empty ones."""
    return [line for line in locale.text(value).split("\n") if line.strip()]
