"""Cursors: opaque, signed, and bound to their list and its filters."""

from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contracts.cursors import decode_cursor, encode_cursor, filters_digest
from contracts.errors import Invalid

KEY = b"k" * 32
DIGEST = filters_digest("documents", {"status": "failed"})
POSITION = (1_790_000_000_000, UUID(int=7))


@given(st.integers(0, 2**63 - 1), st.uuids())
def test_a_cursor_leads_back_to_its_position(at: int, id_: UUID) -> None:
    text = encode_cursor((at, id_), DIGEST, KEY)
    assert decode_cursor(text, DIGEST, KEY) == (at, id_)
    assert all(character.isalnum() or character in "-_" for character in text)


@pytest.mark.parametrize(
    ("digest", "key"),
    [
        (filters_digest("documents", {"status": "queued"}), KEY),
        (filters_digest("documents", {}), KEY),
        (filters_digest("users", {"status": "failed"}), KEY),
        (DIGEST, b"x" * 32),
    ],
)
def test_a_cursor_of_another_list_or_key_is_refused(digest: str, key: bytes) -> None:
    with pytest.raises(Invalid) as refused:
        decode_cursor(encode_cursor(POSITION, digest, key), DIGEST, KEY)
    assert [flaw.pointer for flaw in refused.value.flaws] == ["/cursor"]


def test_every_changed_bit_is_noticed() -> None:
    text = encode_cursor(POSITION, DIGEST, KEY)
    for index in range(len(text)):
        changed = text[:index] + ("A" if text[index] != "A" else "B") + text[index + 1 :]
        with pytest.raises(Invalid):
            decode_cursor(changed, DIGEST, KEY)


@given(st.text(max_size=80))
def test_any_other_text_is_refused(text: str) -> None:
    with pytest.raises(Invalid):
        decode_cursor(text, DIGEST, KEY)


def test_the_order_of_filters_does_not_matter_but_their_values_do() -> None:
    one = filters_digest("documents", {"a": 1, "metadata": {"x": "1", "y": "2"}})
    assert one == filters_digest("documents", {"metadata": {"y": "2", "x": "1"}, "a": 1})
    assert one != filters_digest("documents", {"a": "1", "metadata": {"x": "1", "y": "2"}})
