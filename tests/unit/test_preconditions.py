"""If-Match compares strongly, If-None-Match weakly (RFC 9110, 13.1)."""

import pytest
from starlette.requests import Request

from app.api.preconditions import required_versions, unchanged
from contracts.errors import Invalid


def request(name: str, *values: str) -> Request:
    return Request({"type": "http", "headers": [(name.encode(), value.encode()) for value in values]})


@pytest.mark.parametrize(
    ("values", "versions"),
    [
        (['"3"'], {3}),
        (['"1", "3"'], {1, 3}),
        (['"1"', '"3"'], {1, 3}),
        (['W/"3"'], set()),
        (['W/"3", "4"'], {4}),
        (['"abc"'], set()),
        ([f'"{"9" * 5000}"'], set()),
        (["*"], None),
        ([], None),
    ],
)
def test_if_match_names_the_versions_that_may_be_changed(values: list[str], versions: set[int] | None) -> None:
    assert required_versions(request("if-match", *values)) == versions


@pytest.mark.parametrize("value", ["3", '"3', "", '"3" or "4"', "w/3"])
def test_an_if_match_without_quoted_tags_is_refused(value: str) -> None:
    with pytest.raises(Invalid) as refused:
        required_versions(request("if-match", value))
    assert refused.value.flaws[0].pointer == "/headers/If-Match"


@pytest.mark.parametrize(
    ("values", "same"),
    [
        (['"3"'], True),
        (['W/"3"'], True),
        (['"1", W/"3"'], True),
        (['"1"', '"3"'], True),
        (["*"], True),
        (['"33"'], False),
        (["3"], False),
        ([""], False),
        ([], False),
    ],
)
def test_if_none_match_knows_a_tag_weak_or_not(values: list[str], same: bool) -> None:
    assert unchanged(request("if-none-match", *values), '"3"') is same
