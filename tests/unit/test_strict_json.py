"""A key that an object has twice is found, wherever it is and however it is written; nothing else is taken for one."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic_core import from_json

from app.api.strict_json import may_repeat_a_key, repeated_key

values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**70), 2**70) | st.text(max_size=8) | st.sampled_from([":", '":', "\\"]),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=4), inner, max_size=4),
    max_leaves=15,
)


def found(body: str) -> str | None:
    raw = body.encode()
    return repeated_key(raw) if may_repeat_a_key(raw, from_json(raw)) else None


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        ('{"a": 1, "a": 2}', "/a"),
        ('{"a": 1, "\\u0061": 1}', "/a"),
        ('{"x": [{"y": 1}, {"y/~": 1, "y/~": 2}]}', "/x/1/y~1~0"),
        ('{"a": {"b": 1, "b": 2}, "a": {}}', "/a"),
        ('{"a": "\\u003a", "a": "\\u003a"}', "/a"),
        ('{"": 1, "": 2}', "/"),
        ('{"a": {"a": 1}, "b": [{"a": 1}, {"a": 1}]}', None),
        ('{"a": ":", "b": "\\":", "c": "https://example.com"}', None),
        ("[]", None),
        ('"a:a"', None),
    ],
)
def test_the_first_repeated_key_is_pointed_at(body: str, pointer: str | None) -> None:
    assert found(body) == pointer


@given(values)
def test_no_value_has_a_repeated_key_whether_written_in_ascii_or_not(value: object) -> None:
    for ascii_only in (True, False):
        assert found(json.dumps(value, ensure_ascii=ascii_only)) is None


@given(st.dictionaries(st.text(max_size=4), values, min_size=1, max_size=4), values)
def test_any_key_that_is_written_again_is_found(value: dict[str, object], other: object) -> None:
    key = json.dumps(next(iter(value)), ensure_ascii=False)
    body = f"{json.dumps(value, ensure_ascii=False)[:-1]}, {key}: {json.dumps(other, ensure_ascii=False)}}}"
    assert found(body) is not None
