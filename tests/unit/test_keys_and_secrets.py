"""API keys, derived secrets and ids: the small pure things that everything trusts."""

import string

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contracts.api_keys import ALPHABET, digest, generate_key, shown_prefix, well_formed
from contracts.ids import id_ms, new_id, rfc3339
from contracts.secrets import SecretBox, UrlSigner, derive

SECRET = "a secret of at least thirty-two characters"


def test_a_key_has_its_prefix_43_characters_and_a_checksum_of_six() -> None:
    key = generate_key()
    assert key.startswith("pw_") and len(key) == 52 and set(key[3:]) <= set(ALPHABET)
    assert set(ALPHABET) == set(string.ascii_letters + string.digits)
    assert well_formed(key)


@given(st.integers(min_value=3, max_value=51), st.sampled_from(ALPHABET))
def test_one_wrong_character_is_noticed_without_asking_a_server(place: int, character: str) -> None:
    key = generate_key()
    mistyped = key[:place] + character + key[place + 1 :]
    assert well_formed(mistyped) == (mistyped == key)


def test_the_digest_of_a_key_depends_on_the_secret_and_shows_nothing_of_the_key() -> None:
    key = generate_key()
    first, second = digest(key, derive(SECRET, "api keys")), digest(key, derive(SECRET + "x", "api keys"))
    assert first != second and len(first) == 64 and key[3:] not in first
    assert key.startswith(shown_prefix(key)) and len(shown_prefix(key)) == 9


def test_purposes_get_different_keys() -> None:
    assert derive(SECRET, "cursors") != derive(SECRET, "download urls")


@given(st.text(alphabet=st.characters(exclude_categories=["Cs"])))
def test_a_sealed_text_opens_to_itself_and_never_seals_the_same_way(text: str) -> None:
    box = SecretBox(SECRET)
    assert box.open(box.seal(text)) == text
    assert box.seal(text) != box.seal(text)


def test_a_box_of_another_secret_does_not_open() -> None:
    with pytest.raises(ValueError, match="another PRESSWORK_SECRET_KEY"):
        SecretBox(SECRET + "x").open(SecretBox(SECRET).seal("whsec_abc"))


def test_a_signed_url_is_good_for_its_path_until_it_expires() -> None:
    signer = UrlSigner(SECRET)
    signature = signer.sign("/v1/documents/1/content", 1000).rpartition("=")[2]
    assert signer.valid("/v1/documents/1/content", 1000, signature, now_s=999)
    assert not signer.valid("/v1/documents/1/content", 1000, signature, now_s=1000)
    assert not signer.valid("/v1/documents/2/content", 1000, signature, now_s=999)
    assert not signer.valid("/v1/documents/1/content", 2000, signature, now_s=999)
    assert not signer.valid("/v1/documents/1/content", 1000, "é" + signature, now_s=999)


@given(st.integers(min_value=0, max_value=2**47))
def test_an_id_knows_when_it_was_made_and_later_ones_sort_after(at: int) -> None:
    assert id_ms(new_id(at)) == at and new_id(at).version == 7
    assert new_id(at).hex < new_id(at + 1).hex


def test_times_are_rfc_3339_in_utc_with_milliseconds() -> None:
    assert rfc3339(1_795_000_000_007) == "2026-11-18T11:06:40.007Z"
    assert rfc3339(None) is None
