"""A webhook secret and those it has replaced."""

from hypothesis import given
from hypothesis import strategies as st

from contracts.secret_ring import MAX_REPLACED, SecretRing

DAY = 86_400_000


def test_a_secret_that_was_never_replaced_is_its_own_text() -> None:
    ring = SecretRing.parse("c2VhbGVk-_==")
    assert (str(ring), ring.signing(0), ring.previous_until(0)) == ("c2VhbGVk-_==", ["c2VhbGVk-_=="], None)


def test_the_replaced_secret_signs_on_until_its_time_is_over() -> None:
    ring = SecretRing("old").rotated("new", 1000, DAY)
    assert str(ring) == f"new old@{1000 + DAY}" and SecretRing.parse(str(ring)) == ring
    assert ring.signing(999 + DAY) == ["new", "old"] and ring.previous_until(2000) == 1000 + DAY
    assert ring.signing(1000 + DAY) == ["new"] and ring.previous_until(1000 + DAY) is None


def test_rotating_twice_keeps_the_secret_that_receivers_still_have() -> None:
    ring = SecretRing("first").rotated("second", 0, DAY).rotated("third", 1000, DAY)
    assert ring.signing(2000) == ["third", "second", "first"]
    assert ring.previous_until(2000) == 1000 + DAY and ring.signing(DAY) == ["third", "second"]


def test_without_an_overlap_the_old_one_stops_at_once() -> None:
    assert SecretRing("old").rotated("new", 5, 0).signing(5) == ["new"]


@given(st.lists(st.integers(0, DAY), max_size=12))
def test_a_ring_stays_small_and_keeps_its_newest(moments: list[int]) -> None:
    ring = SecretRing("s")
    for number, moment in enumerate(sorted(moments)):
        ring = SecretRing.parse(str(ring.rotated(f"s{number}", moment, DAY)))
    newest = [f"s{number}" for number in range(len(moments))][::-1][: MAX_REPLACED + 1]
    assert ring.signing(max(moments, default=0))[: len(newest)] == newest
    assert len(ring.signing(0)) <= MAX_REPLACED + 1
