"""The form that makes a document: what it sends, what it refuses, and when two sends are one."""

import json

import pytest

from generator.admin.document_form import BadData, DocumentForm, curl, flaws_by_field
from generator.admin.wording import wording


def form(**changes: str) -> DocumentForm:
    return DocumentForm.sent({"data": "{}", "format": "pdf", "language": "en", "token": "abc", **changes})


def test_empty_fields_are_left_to_the_api() -> None:
    assert form(filename="  ", lane="").body("invoice") == {
        "template": "invoice",
        "data": {},
        "format": "pdf",
        "locale": "en",
    }


def test_another_language_is_taken_only_if_other_is_chosen() -> None:
    assert form(language="ru", other_language="de").locale == "ru"
    assert form(language="other", other_language="de").locale == "de"


def test_numbers_and_letters_go_to_the_api_as_they_were_written() -> None:
    data = {"price": 0.145, "name": "Ünï \U0001f600", "deep": [{"a": None}], "big": 12345678901234567890}
    assert form(data=json.dumps(data)).body("invoice")["data"] == data


def test_a_syntax_error_tells_line_and_column_after_the_browsers_line_ends() -> None:
    with pytest.raises(BadData) as caught:
        form(data='{\r\n "a": 1\r\n "b": 2}').body("invoice")
    assert (caught.value.line, caught.value.column) == (3, 2)
    assert caught.value.worded(wording("en")).startswith("Line 3, column 2")


def test_the_same_form_sent_twice_has_one_key_and_every_change_another() -> None:
    def key(**changes: str) -> str:
        sent = form(**changes)
        return sent.idempotency_key(sent.body("invoice"))

    assert key() == key(data="{ }") == key(filename=" ")
    assert len({key(), key(token="other"), key(data='{"a": 1}'), key(format="docx")}) == 4
    assert len(key(token="x" * 10_000)) == 64, "whatever a browser sends, the key is one that the API takes"


def test_a_form_without_a_token_is_never_taken_for_another() -> None:
    first, second = DocumentForm.sent({"data": "{}"}), DocumentForm.sent({"data": "{}"})
    assert first.token != second.token


def test_flaws_stand_beside_their_fields() -> None:
    flaws = {"/data/items/0/price": "Wrong.", "/data/number": "Missing.", "/locale": "No.", "/options/strict": "Bad."}
    assert flaws_by_field({**flaws, "/filename": "Slash."}) == {
        "data": "/data/items/0/price: Wrong.",
        "other_language": "No.",
        "strict": "Bad.",
        "filename": "Slash.",
    }


def test_the_curl_command_quotes_data_that_a_shell_would_read() -> None:
    data = {"evil": 'it\'s $HOME `id` \\ "q"'}
    written = curl("http://api.test/", "invoice", DocumentForm.fresh(data, ["docx"], "en"))
    head, _, document = written.partition("<<'JSON'\n")
    assert json.loads(document.removesuffix("\nJSON"))["data"] == data
    assert "http://api.test/v1/documents -o invoice.docx" in head and "wordprocessingml" in head
