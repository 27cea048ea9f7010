"""A contract's numbered sections as texts, in one call; the Typst template numbers alike (shared/clauses.typ)."""

from collections.abc import Iterator

from generator.renderers.docx.demands import list_at
from generator.renderers.formatting import Locale

#: Clauses below the third level are indented as those on it.
_DEEPEST = 2


def clauses(locale: Locale, sections: object) -> list[dict[str, object]]:
    """Write the sections: number, title, paragraphs, definitions, and clauses with their level from 0.

    Raises DocumentFailed data_invalid for what should be a list and is none.
    """
    known = enumerate(list_at(sections, "sections"))
    return [_section(locale, index, one if isinstance(one, dict) else {}) for index, one in known]


def _section(locale: Locale, index: int, section: dict[str, object]) -> dict[str, object]:
    mark, place = f"{index + 1}.", f"sections[{index}]"
    terms = list_at(section.get("definitions"), f"{place}.definitions")
    return {
        "mark": mark,
        "title": locale.text(section.get("title")),
        "paras": section.get("paras"),
        "terms": [_term(locale, one if isinstance(one, dict) else {}) for one in terms],
        "clauses": list(_clauses(locale, section.get("clauses"), mark, 0, f"{place}.clauses")),
        "price": section.get("price"),
    }


def _term(locale: Locale, term: dict[str, object]) -> dict[str, str]:
    return {key: locale.text(term.get(key)) for key in ("term", "meaning")}


def _clauses(locale: Locale, given: object, mark: str, level: int, place: str) -> Iterator[dict[str, object]]:
    """Write clauses, each followed by those below it: a text, or an object with `text`, `title` and `clauses`."""
    for index, one in enumerate(list_at(given, place)):
        holder = one if isinstance(one, dict) else {"text": one}
        number = f"{mark}{index + 1}."
        title, text = (locale.text(holder.get(key)) for key in ("title", "text"))
        yield {"mark": number, "level": level, "title": title, "text": text}
        below = f"{place}[{index}].clauses"
        yield from _clauses(locale, holder.get("clauses"), number, min(level + 1, _DEEPEST), below)
