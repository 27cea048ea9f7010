"""Schemas that anyone may give: those that would keep everybody waiting are refused before they are used."""

import time

import pytest

from app.services.data_schema import DataSchemas
from app.services.schema_cost import MOST_WAYS, known_ways, require_cheap, ways
from contracts.errors import Invalid


def doubling(levels: int, word: str = "anyOf") -> dict[str, object]:
    defs: dict[str, object] = {f"d{n}": {word: [{"$ref": f"#/$defs/d{n + 1}"}] * 2} for n in range(levels)}
    return {"$defs": {**defs, f"d{levels}": {"type": "string"}}, "$ref": "#/$defs/d0"}


def test_a_schema_without_references_is_reached_once_everywhere() -> None:
    schema = {"type": "object", "properties": {"a": {"type": "array", "items": {"anyOf": [{"type": "string"}]}}}}
    assert ways(schema) == 1


def test_a_definition_is_reached_as_often_as_it_is_used() -> None:
    used = {f"p{n}": {"$ref": "#/$defs/money"} for n in range(50)}
    assert ways({"properties": used, "$defs": {"money": {"type": "number"}}}) == 51


def test_steps_of_a_pointer_are_read_as_the_validator_reads_them() -> None:
    schema = {"allOf": [{"$ref": "#/$defs/a~1b~0c"}, {"$ref": "#/allOf/0"}], "$defs": {"a/b~c": {"type": "object"}}}
    assert ways(schema) == 3


@pytest.mark.parametrize("word", ["anyOf", "allOf", "oneOf"])
def test_references_that_multiply_are_refused_at_once(word: str) -> None:
    began = time.monotonic()
    with pytest.raises(ValueError, match="ways"):
        require_cheap(doubling(2_000, word))
    assert time.monotonic() - began < 2


def test_what_is_let_through_is_judged_in_no_time() -> None:
    levels = 8
    schema = {"properties": {"items": {"items": doubling(levels)}}, "$defs": doubling(levels)["$defs"]}
    assert ways(doubling(levels)) <= MOST_WAYS
    began = time.monotonic()
    with pytest.raises(Invalid):
        DataSchemas().check(schema, {"items": [1] * 1_000})
    assert time.monotonic() - began < 10


def test_a_schema_in_use_whose_ways_cannot_be_counted_counts_as_the_worst() -> None:
    assert known_ways({"properties": {"child": {"$ref": "#"}}}) == MOST_WAYS and known_ways(True) == 1


@pytest.mark.parametrize(
    ("schema", "word"),
    [
        ({"properties": {"child": {"$ref": "#"}}}, "itself"),
        ({"$defs": {"a": {"$ref": "#/$defs/b"}, "b": {"$ref": "#/$defs/a"}}}, "itself"),
        ({"$ref": "https://example.com/schema"}, "begin"),
        ({"$ref": "other.json#/a"}, "begin"),
        ({"$ref": "#name"}, "begin"),
        ({"$ref": "#/$defs/none"}, "nowhere"),
        ({"$dynamicRef": "#x"}, "dynamicRef"),
        ({"properties": {"a": {"$id": "b"}}}, "id"),
        ({"$defs": {"a": {"$anchor": "b"}}}, "anchor"),
    ],
)
def test_references_that_cannot_be_followed_are_refused(schema: dict[str, object], word: str) -> None:
    with pytest.raises(ValueError, match=word):
        require_cheap(schema)
