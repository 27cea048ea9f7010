"""Delegations: what the panel shows the User API instead of an admin's key."""

import pytest

from contracts.delegation import LIFETIME_S, PREFIX, Delegations

KEY, NOW = b"k" * 32, 1_790_000_000.5
OURS = Delegations(KEY)
TOKEN = OURS.mint("ab" * 32, NOW)


def test_a_delegation_stands_for_its_key_until_it_is_too_old() -> None:
    assert OURS.digest_of(TOKEN, NOW) == "ab" * 32
    assert OURS.digest_of(TOKEN, NOW + LIFETIME_S - 1) == "ab" * 32
    assert OURS.digest_of(TOKEN, NOW + LIFETIME_S) is None


def test_a_delegation_of_another_secret_is_none() -> None:
    assert Delegations(b"x" * 32).digest_of(TOKEN, NOW) is None


@pytest.mark.parametrize(
    "forged",
    [
        TOKEN.replace("ab", "cd", 1),
        TOKEN.replace(f".{int(NOW) + LIFETIME_S}.", f".{int(NOW) + LIFETIME_S + 1}."),
        TOKEN[:-1] + ("0" if TOKEN[-1] != "0" else "1"),
        TOKEN.removeprefix(PREFIX),
        "pw_" + TOKEN.removeprefix(PREFIX),
        PREFIX + TOKEN,
        TOKEN + "\n",
        TOKEN.rpartition(".")[0],
        PREFIX,
        PREFIX + "..",
        PREFIX + "ü.é.ö",
        "",
    ],
)
def test_what_was_changed_in_any_place_stands_for_nothing(forged: str) -> None:
    assert OURS.digest_of(forged, NOW) is None
