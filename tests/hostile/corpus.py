"""All hostile cases, by family."""

from tests.hostile import archives, naughty, tags, typst_code, typst_files, word_parts, xml_parts
from tests.hostile.cases import Case

FAMILIES = {
    "archives": archives.cases,
    "xml": xml_parts.cases,
    "word": word_parts.cases,
    "tags": tags.cases,
    "typst": typst_code.cases,
    "files": typst_files.cases,
    "naughty": naughty.cases,
}


def corpus() -> list[Case]:
    """Return every case, in the order of the families."""
    return [case for family in FAMILIES.values() for case in family()]
