"""The pure parts of the panel's webhook endpoints: the form as the API takes it, and what is said in plain words."""

from typing import get_args

import pytest
from starlette.datastructures import FormData

from contracts.endpoints import TYPES, Reason
from generator.admin.delivery_words import said
from generator.admin.endpoint_forms import BadHeaders, EndpointForm, since_body
from generator.admin.endpoint_words import reasons, types, without_query
from generator.admin.wording import wording

WORDS = wording("en")
ENDPOINT = {
    "url": "https://hooks.example.com/in?token=hush",
    "types": ["document.failed", "document.completed"],
    "headers": {"Authorization": "Bearer a:b", "X-Tenant": "7"},
    "description": "billing",
    "version": 3,
}


def test_an_endpoint_goes_into_the_form_and_comes_back_the_same() -> None:
    form = EndpointForm.of(ENDPOINT)
    assert form.body() == {name: value for name, value in ENDPOINT.items() if name != "version"}
    assert form.changes(ENDPOINT) == {} and form.if_match == {"If-Match": '"3"'}


def test_only_what_was_changed_is_sent() -> None:
    sent = FormData(
        [
            ("url", " https://b.example/ "),
            ("types", "document.completed"),
            ("types", "document.failed"),
            ("version", "3"),
        ]
    )
    form = EndpointForm.sent(sent)
    assert form.changes(ENDPOINT) == {"url": "https://b.example/", "headers": {}, "description": ""}


def test_a_form_without_a_ticked_type_has_none_and_a_new_one_has_all() -> None:
    assert EndpointForm.sent(FormData([("url", "u")])).body()["types"] == []
    assert EndpointForm().body()["types"] == list(TYPES)


def test_headers_are_lines_of_a_name_and_a_value() -> None:
    assert EndpointForm(headers="A: b: c\r\n\r\n X-Y :\n").body()["headers"] == {"A": "b: c", "X-Y": ""}


@pytest.mark.parametrize(("text", "line"), [("nothing", 1), ("A: 1\n: 2", 2), ("A: 1\r\n\r\na: 2", 3)])
def test_headers_that_are_none_say_in_which_line(text: str, line: int) -> None:
    with pytest.raises(BadHeaders) as caught:
        EndpointForm(headers=text).body()
    assert caught.value.line == line


def test_a_moment_is_in_utc_and_none_is_for_the_api_to_refuse() -> None:
    assert since_body("2026-11-20T08:00") == {"since": "2026-11-20T08:00Z"}
    assert since_body("") == {"since": ""}


def test_every_type_and_every_reason_has_its_words() -> None:
    assert set(types(WORDS)) == set(TYPES)
    assert set(reasons(WORDS)) == set(get_args(Reason)) - {""}
    assert all(headline and advice for headline, advice in reasons(WORDS).values())


@pytest.mark.parametrize("code", ["aborted", "unwanted", "disabled"])
def test_what_a_receiver_or_its_owner_did_not_want_is_explained(code: str) -> None:
    told = said({"status_code": None, "error": {"code": code, "message": "m"}}, WORDS)
    assert not told.good and told.headline != code and told.advice


def test_no_connection_is_told_so_that_it_is_true_of_one_that_broke_off_too() -> None:
    told = said({"status_code": None, "error": {"code": "connect", "message": "m"}}, WORDS)
    assert "No connection" in told.headline and "broke off" in told.headline
    assert "is the receiver running" in told.advice and "hung up before an answer" in told.advice


@pytest.mark.parametrize(
    ("url", "shown"),
    [("https://a/b?token=hush", "https://a/b?..."), ("https://a/b", "https://a/b"), ("https://a/?", "https://a/?...")],
)
def test_a_query_may_hold_a_secret_and_is_not_shown(url: str, shown: str) -> None:
    assert without_query(url) == shown
