"""Keeps `locale/*.po` in step with the texts of pages and code: `python -m generator.admin.catalogue` adds what is new.

A test fails while a text has no translation, or a translation no text.
"""

import io
from collections.abc import Iterator
from pathlib import Path

from babel.messages.catalog import Catalog, Message
from babel.messages.extract import extract_from_dir
from babel.messages.pofile import read_po, write_po

from generator.admin.wording import LANGUAGES, LOCALES

SOURCES = Path(__file__).parent
METHODS = [("templates/**.html", "jinja2"), ("**.py", "python")]
OPTIONS = {"templates/**.html": {"trimmed": "true", "newstyle_gettext": "true"}}
#: Functions whose first (and second) argument is a text: see wording.Wording.
KEYWORDS = {"_": None, "gettext": None, "ngettext": (1, 2), "words": None, "count": (1, 2), "self": None}
HEADER = "# The admin panel of Presswork. Kept in step with the code by `python -m generator.admin.catalogue`."
#: What gettext's tools need to know; who translated it and when says the version control.
HEADERS = ("Language", "Plural-Forms", "MIME-Version", "Content-Type", "Content-Transfer-Encoding")


def texts() -> Catalog:
    """Collect every text that people read in the panel."""
    found = Catalog(project="Presswork", charset="utf-8")
    for name, line, message, comments, _context in extract_from_dir(
        str(SOURCES), METHODS, OPTIONS, KEYWORDS, comment_tags=("Translators:",)
    ):
        if name != Path(__file__).name:
            found.add(message, locations=[(name, line)], auto_comments=comments)
    return found


def load(language: str) -> Catalog:
    """Read a language's translations."""
    path = LOCALES / f"{language}.po"
    if not path.exists():
        return Catalog(locale=language, project="Presswork", charset="utf-8", fuzzy=False, header_comment=HEADER)
    return read_po(io.BytesIO(path.read_bytes()), locale=language)


def faults(language: str) -> Iterator[str]:
    """Name each text without a translation, and each translation without a text."""
    known, wanted = load(language), texts()
    for message in wanted:
        if message.id and not _translated(known.get(message.id)):
            yield f"not translated: {message.id!r}"
    for message in known:
        if message.id and wanted.get(message.id) is None:
            yield f"no longer used: {message.id!r}"


def _translated(message: Message | None) -> bool:
    if message is None or message.fuzzy:
        return False
    strings = message.string if isinstance(message.string, tuple | list) else [message.string]
    return all(strings)


def update(language: str) -> None:
    """Bring a language's file up to date: new texts come with an empty translation."""
    catalogue = load(language)
    catalogue.update(texts(), no_fuzzy_matching=True)
    catalogue.obsolete.clear()
    write(catalogue, language)


def write(catalogue: Catalog, language: str) -> None:
    """Write a language's file, with the headers that tools need and none that changes by itself."""
    body = io.BytesIO()
    write_po(body, catalogue, sort_output=True, omit_header=True, no_location=True, width=0)
    kept = "".join(f'"{name}: {value}\\n"\n' for name, value in catalogue.mime_headers if name in HEADERS)
    head = f'{HEADER}\nmsgid ""\nmsgstr ""\n{kept}\n'
    (LOCALES / f"{language}.po").write_bytes(head.encode() + body.getvalue())


if __name__ == "__main__":
    for code in LANGUAGES:
        if code != "en":
            update(code)
