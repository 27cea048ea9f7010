"""What pydantic finds wrong with a request is said in words about JSON."""

from typing import Annotated, Literal

import pytest
from pydantic import AfterValidator, AwareDatetime, BaseModel, Field, ValidationError

from app.services.flaw_words import in_words


def _same(value: str) -> str:
    return value


class Everything(BaseModel):
    text: Annotated[str, Field(min_length=1, max_length=5)] = "a"
    judged: Annotated[str, AfterValidator(_same), Field(min_length=2, max_length=500)] = "ab"
    rows: Annotated[list[str], Field(min_length=1, max_length=2)] = ["a"]
    names: dict[str, str] = {}
    yes: bool = Field(default=True, strict=True)
    loosely: bool = True
    whole: Annotated[int, Field(ge=1, le=9)] = 1
    part: Annotated[float, Field(gt=0, lt=1)] = 0.5
    one: Literal["a", "b"] = "a"
    at: AwareDatetime | None = None
    inner: "Inner | None" = None


class Inner(BaseModel):
    needed: str


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ([], "An object is needed."),
        ({"text": 5}, "A text is needed."),
        ({"text": ""}, "This may not be empty."),
        ({"text": "abcdef"}, "At most 5 characters are allowed."),
        ({"judged": "a" * 501}, "At most 500 characters are allowed."),
        ({"judged": "a"}, "At least 2 characters are needed."),
        ({"rows": "a"}, "A list is needed."),
        ({"rows": []}, "This may not be empty."),
        ({"rows": ["a", "b", "c"]}, "At most 2 items are allowed."),
        ({"rows": [1]}, "A text is needed."),
        ({"names": []}, "An object is needed."),
        ({"yes": "yes"}, "true or false is needed."),
        ({"yes": 1}, "true or false is needed."),
        ({"loosely": "perhaps"}, "true or false is needed."),
        ({"whole": "x"}, "A whole number is needed."),
        ({"whole": 1.5}, "A whole number is needed."),
        ({"whole": "9" * 5000}, "A smaller number is needed."),
        ({"whole": 0}, "This must be 1 or more."),
        ({"whole": 10}, "This must be 9 or less."),
        ({"part": "x"}, "A number is needed."),
        ({"part": 0}, "This must be more than 0.0."),
        ({"part": 1}, "This must be less than 1.0."),
        ({"one": "c"}, "This must be 'a' or 'b'."),
        ({"at": "2026-13-01T00:00:00Z"}, "A time is RFC 3339 text with its offset, such as 2026-03-01T09:30:00Z."),
        ({"at": "2026-12-01T00:00:00"}, "A time is RFC 3339 text with its offset, such as 2026-03-01T09:30:00Z."),
        ({"inner": "x"}, "An object is needed."),
        ({"inner": {}}, "This field is needed."),
    ],
)
def test_a_flaw_is_said_in_words_about_json(given: object, words: str) -> None:
    with pytest.raises(ValidationError) as caught:
        Everything.model_validate(given)
    assert [in_words(dict(found)) for found in caught.value.errors()] == [words]
