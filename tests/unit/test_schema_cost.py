"""Schemas that anyone may give: those that would keep everybody waiting are refused before they are used."""

import time

import pytest

from app.services.data_judging import judge
from app.services.data_schema import DataSchemas
from app.services.schema_cost import MOST_WAYS, cost_of, known_cost, require_cheap
from contracts.errors import Invalid


def doubling(levels: int, word: str = "anyOf") -> dict[str, object]:
    defs: dict[str, object] = {f"d{n}": {word: [{"$ref": f"#/$defs/d{n + 1}"}] * 2} for n in range(levels)}
    return {"$defs": {**defs, f"d{levels}": {"type": "string"}}, "$ref": "#/$defs/d0"}


def test_a_schema_without_references_is_reached_once_everywhere() -> None:
    schema = {"type": "object", "properties": {"a": {"type": "array", "items": {"anyOf": [{"type": "string"}]}}}}
    assert cost_of(schema).ways == 1


def test_a_definition_is_reached_as_often_as_it_is_used() -> None:
    used = {f"p{n}": {"$ref": "#/$defs/money"} for n in range(50)}
    assert cost_of({"properties": used, "$defs": {"money": {"type": "number"}}}).ways == 51


def test_steps_of_a_pointer_are_read_as_the_validator_reads_them() -> None:
    schema = {"allOf": [{"$ref": "#/$defs/a~1b~0c"}, {"$ref": "#/allOf/0"}], "$defs": {"a/b~c": {"type": "object"}}}
    assert cost_of(schema).ways == 3


@pytest.mark.parametrize("word", ["anyOf", "allOf", "oneOf"])
def test_references_that_multiply_are_refused_at_once(word: str) -> None:
    began = time.monotonic()
    with pytest.raises(ValueError, match="ways"):
        require_cheap(doubling(2_000, word))
    assert time.monotonic() - began < 2


def test_what_is_let_through_is_judged_in_no_time() -> None:
    levels = 8
    schema = {"properties": {"items": {"items": doubling(levels)}}, "$defs": doubling(levels)["$defs"]}
    assert cost_of(doubling(levels)).ways <= MOST_WAYS
    began = time.monotonic()
    with pytest.raises(Invalid):
        DataSchemas().check(schema, {"items": [1] * 1_000})
    assert time.monotonic() - began < 10


def test_a_schema_in_use_whose_ways_cannot_be_counted_counts_as_the_worst() -> None:
    assert known_cost({"properties": {"child": {"$ref": "#"}}}).ways == MOST_WAYS and known_cost(True).ways == 1


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


MANY = 400_000
CONTAINS = {"anyOf": [{"contains": {"const": -n}, "minContains": 0} for n in range(1, 100)], "unevaluatedItems": False}


@pytest.mark.parametrize(
    ("schema", "value"),
    [
        (CONTAINS, [0] * MANY),
        ({"items": {"allOf": [{"minimum": -n} for n in range(4_000)]}}, [0] * MANY),
        ({"items": {"enum": [{"n": n} for n in range(1_000)]}}, [{"x": 0}] * 100_000),
        ({"items": {"required": ["x", "y"]}}, [{}] * 300_000),
        ({"anyOf": [{"const": f"{n}"} for n in range(4_000)]}, "x" * 900_000),
        ({"pattern": "[ab]*a[ab]{500}c"}, "ab" * 450_000),
        ({"patternProperties": {"([ab]{30}){30}c": True}}, {"ab" * 450_000: 1}),
    ],
)
def test_nothing_keeps_everybody_waiting(schema: dict[str, object], value: object) -> None:
    schemas, whole = DataSchemas(), {"properties": {"a": schema}}
    schemas.compile(whole)
    began = time.monotonic()
    with pytest.raises(Invalid) as refused:
        judge(schemas, whole, {"a": value}, None, given=True, strict=False)
    assert time.monotonic() - began < 5
    assert refused.value.flaws[0].pointer.startswith("/data")


def test_a_thousand_missing_fields_of_large_data_are_not_each_found_with_a_copy_of_the_data() -> None:
    schema: dict[str, object] = {"required": [f"f{n}" for n in range(1_000)]}
    with pytest.raises(Invalid) as refused:
        DataSchemas().check(schema, {"photo": "x" * 900_000})
    assert [flaw.pointer for flaw in refused.value.flaws] == ["/data/f0"]


def test_what_cannot_be_judged_is_a_warning_where_nothing_is_refused() -> None:
    whole: dict[str, object] = {"properties": {"a": CONTAINS}}
    (warned,) = judge(DataSchemas(), whole, {"a": [0] * MANY}, "warn", given=True, strict=False)
    assert warned.code == "too_large" and warned.message.startswith("/data: ")


def test_a_usual_schema_judges_large_data() -> None:
    item = {f"p{n}": {"type": "string", "pattern": "^[A-Z]{2}[0-9]{2}[A-Z0-9]{11,30}$"} for n in range(200)}
    schema: dict[str, object] = {"properties": {"items": {"items": {"properties": item, "required": list(item)[:20]}}}}
    assert cost_of(schema).checks < 100 and cost_of(schema).states < 100
    row = dict.fromkeys(item, "DE89370400440532013000")
    DataSchemas().check(schema, {"items": [row] * 200, "photo": "x" * 100_000})


@pytest.mark.parametrize(
    ("schema", "word"),
    [
        ({"items": {"oneOf": [{"minimum": n} for n in range(11_000)]}}, "checks"),
        ({"pattern": "(a{1000}){1000}"}, "patterns"),
        ({"allOf": [{"pattern": "a{500}"}] * 30}, "patterns"),
    ],
)
def test_schemas_that_ask_for_too_much_of_one_value_are_refused(schema: dict[str, object], word: str) -> None:
    with pytest.raises(ValueError, match=word):
        require_cheap(schema)
