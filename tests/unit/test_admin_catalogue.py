"""The panel's Russian: complete, with the placeholders and plural forms that its texts need."""

import re

import pytest
from babel.messages.catalog import Message

from generator.admin import catalogue
from generator.admin.catalogue import LOCALES, faults, load, texts
from generator.admin.wording import LANGUAGES, wording

TRANSLATED = [code for code in LANGUAGES if code != "en"]
PLACEHOLDER = re.compile(r"%\(\w+\)s|%%|\{\w+\}")


def strings(message: Message) -> list[str]:
    return list(message.string) if isinstance(message.string, tuple | list) else [message.string]


def ids(message: Message) -> list[str]:
    return list(message.id) if isinstance(message.id, tuple | list) else [message.id]


@pytest.mark.parametrize("language", TRANSLATED)
def test_every_text_is_translated_and_no_translation_is_left_over(language: str) -> None:
    assert len(texts()) > 300
    assert list(faults(language)) == []


@pytest.mark.parametrize("language", TRANSLATED)
def test_a_translation_has_the_placeholders_of_its_text(language: str) -> None:
    for message in load(language):
        wanted = [set(PLACEHOLDER.findall(one)) for one in ids(message)]
        for translated in strings(message):
            assert set(PLACEHOLDER.findall(translated)) in wanted, message.id


@pytest.mark.parametrize("language", TRANSLATED)
def test_a_text_with_a_number_has_every_plural_form(language: str) -> None:
    known = load(language)
    plurals = [message for message in known if message.pluralizable]
    assert plurals
    for message in plurals:
        assert len(message.string) == known.num_plurals and len(set(message.string)) == known.num_plurals, message.id


def test_russian_counts_one_few_and_many() -> None:
    words = wording("ru")
    counted = [words.count("%(num)s document", "%(num)s documents", number) for number in (1, 3, 5, 11, 21, 1000)]
    expected = ["1 документ", "3 документа", "5 документов", "11 документов", "21 документ", "1\u00a0000 документов"]
    assert counted == expected


@pytest.mark.parametrize("language", TRANSLATED)
def test_bringing_the_file_up_to_date_changes_nothing_when_it_is(
    language: str, monkeypatch: pytest.MonkeyPatch, tmp_path: object
) -> None:
    kept = (LOCALES / f"{language}.po").read_bytes()
    written: list[bytes] = []
    monkeypatch.setattr(type(LOCALES), "write_bytes", lambda _, content: written.append(content))
    catalogue.update(language)
    assert written == [kept]
    for placeholder in (b"FULL NAME", b"EMAIL@", b"YEAR-MO-DA", b"Creation-Date", b"VERSION\\n"):
        assert placeholder not in kept


def test_a_text_without_a_translation_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    more = texts()
    more.add("A text that nobody has translated")
    monkeypatch.setattr(catalogue, "texts", lambda: more)
    assert list(faults("ru")) == ["not translated: 'A text that nobody has translated'"]
