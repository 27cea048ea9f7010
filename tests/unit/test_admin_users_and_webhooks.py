"""The pure parts of the panel's users and webhooks: forms as the API takes them, attempts in plain words."""

import pytest

from generator.admin.delivery_words import receiver, said, status_line
from generator.admin.user_api import ApiRefused
from generator.admin.user_forms import BadAttrs, KeyForm, Trouble, UserForm
from generator.admin.wording import wording

WORDS = wording("en")
USER = {"email": "a@example.com", "name": "A", "role": "viewer", "status": "active", "version": 4, "attrs": {"é": [1]}}
ERRORS = ("dns", "blocked", "connect", "tls", "timeout", "protocol", "gone", "internal")


def test_a_user_goes_into_the_form_and_comes_back_the_same() -> None:
    form = UserForm.of(USER)
    assert form.body() == {name: value for name, value in USER.items() if name != "version"}
    assert form.if_match == {"If-Match": '"4"'}


def test_empty_attributes_are_an_empty_object() -> None:
    assert UserForm.sent({"attrs": " \n"}).body()["attrs"] == {}


@pytest.mark.parametrize(
    ("text", "place"), [("{", (1, 2)), ('{"a":\n1,}', (2, 3)), ("[]", (0, 0)), ("1", (0, 0)), ("[" * 100_000, (0, 0))]
)
def test_attributes_that_are_no_json_object_say_where(text: str, place: tuple[int, int]) -> None:
    with pytest.raises(BadAttrs) as caught:
        UserForm(attrs=text).body()
    assert (caught.value.line, caught.value.column) == place


@pytest.mark.parametrize("version", ["", "x", '1", "2', "٣"])
def test_a_forged_version_matches_nothing(version: str) -> None:
    assert UserForm(version=version).if_match == {"If-Match": '"0"'}


def test_a_key_without_an_end_has_no_expiry_and_one_with_it_is_in_utc() -> None:
    assert KeyForm.sent({"name": "k"}).body() == {"name": "k", "scopes": []}
    full = KeyForm.sent({"name": "k", "everyone": "on", "expires_at": "2030-01-02T03:04"})
    assert full.body() == {"name": "k", "scopes": ["all"], "expires_at": "2030-01-02T03:04Z"}


def test_flaws_stand_at_their_fields_and_the_rest_above() -> None:
    errors = [{"pointer": "/attrs/a/b", "detail": "small"}, {"pointer": "/nowhere", "detail": "odd"}]
    trouble = Trouble.of(ApiRefused(422, {"detail": "both", "errors": errors}), ("/attrs",))
    assert trouble == Trouble("odd", {"/attrs": "small"}, 422)


def test_a_taken_address_stands_at_the_address_and_the_last_admin_above() -> None:
    taken = Trouble.of(ApiRefused(409, {"code": "email_taken", "detail": "taken"}), ("/email",))
    assert (taken.message, taken.flaws) == ("", {"/email": "taken"})
    last = Trouble.of(ApiRefused(409, {"code": "last_admin", "detail": "last"}), ("/email",))
    assert (last.message, last.flaws) == ("last", {})


@pytest.mark.parametrize("code", ERRORS)
def test_every_error_class_is_explained(code: str) -> None:
    told = said({"status_code": None, "error": {"code": code, "message": "m"}}, WORDS)
    assert not told.good and told.headline != code and told.advice


@pytest.mark.parametrize("status", [301, 400, 401, 404, 410, 413, 418, 429, 500, 503, 599])
def test_every_status_is_explained(status: int) -> None:
    told = said({"status_code": status, "error": {"code": "status", "message": ""}}, WORDS)
    assert told.headline.startswith(str(status)) and told.advice and not told.good


def test_what_a_newer_release_may_say_is_shown_as_it_is() -> None:
    told = said({"status_code": None, "error": {"code": "quantum", "message": ""}}, WORDS)
    assert (told.headline, told.advice) == ("quantum", "")


def test_a_success_needs_no_advice() -> None:
    assert said({"status_code": 204, "error": None}, WORDS).good
    assert status_line(299) == "299" and status_line(None) == "–"


@pytest.mark.parametrize(
    ("url", "host"), [("https://a.example:8443/x?...", "a.example:8443"), ("http://[", "http://["), ("", "")]
)
def test_the_receiver_is_host_and_port(url: str, host: str) -> None:
    assert receiver(url) == host
