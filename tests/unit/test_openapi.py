"""/openapi.json is complete: every operation has an id, its errors and examples, and every example fits its schema."""

from collections.abc import Iterator
from typing import Any

import jsonschema_rs
import pytest

from app.api import document_schemas, schemas, template_schemas, webhook_schemas
from app.api.errors import PROBLEMS
from app.main import create_app
from app.settings import ApiSettings
from tests.unit.test_reference import SETTINGS, routes

Json = dict[str, Any]
DOCUMENT: Json = create_app(ApiSettings.model_validate(SETTINGS)).openapi()
OPERATIONS: dict[str, Json] = {
    operation["operationId"]: operation for path in DOCUMENT["paths"].values() for operation in path.values()
}
SCHEMA_MODULES = (schemas, document_schemas, template_schemas, webhook_schemas)
READABLE = ("application/json", "multipart/form-data", "application/problem+json", "text/event-stream")


def contents(operation: Json) -> Iterator[tuple[str, str, Json]]:
    """Yield (where, media type, content) of what an operation takes and gives."""
    parts = {"body": operation.get("requestBody", {}), **operation["responses"]}
    for where, part in parts.items():
        for media_type, content in part.get("content", {}).items():
            yield where, media_type, content


def codes(operation: Json, status: str) -> set[str]:
    described = operation["responses"].get(status, {}).get("content", {})
    return set(described.get("application/problem+json", {}).get("examples", {}))


def test_every_operation_has_an_id_of_its_own_and_a_description() -> None:
    operations = [operation for path in DOCUMENT["paths"].values() for operation in path.values()]
    assert len(OPERATIONS) == len(operations) >= 20
    assert all(operation["description"] and operation["summary"] for operation in operations)


@pytest.mark.parametrize("name", OPERATIONS)
def test_an_operation_says_which_errors_it_may_answer(name: str) -> None:
    operation = OPERATIONS[name]
    assert {"400", "401", "403", "405", "422", "500", "503"} <= set(operation["responses"])
    assert "method_not_allowed" in codes(operation, "405")
    if "requestBody" in operation:
        assert {"408", "413", "415"} <= set(operation["responses"])
        assert (
            "malformed_json" in codes(operation, "400") or "application/json" not in operation["requestBody"]["content"]
        )
    if any(parameter["in"] == "path" for parameter in operation.get("parameters", ())):
        assert "not_found" in codes(operation, "404")
    for status, answer in operation["responses"].items():
        for code in codes(operation, status):
            assert str(PROBLEMS[code].status) == status and f"`{code}`" in answer["description"]


def test_a_document_request_may_fail_in_every_way_that_the_contract_names() -> None:
    operation = OPERATIONS["create_document"]
    assert {"404", "406", "410", "413", "415", "429"} <= set(operation["responses"])
    assert {"idempotency_mismatch", "template_error", "render_timeout"} <= codes(operation, "422")
    assert "queue_full" in codes(operation, "503") and "invalid_header" in codes(operation, "400")


@pytest.mark.parametrize("name", ["change_user", "delete_user", "revoke_key"])
def test_what_would_lock_everybody_out_may_be_refused(name: str) -> None:
    assert "last_admin" in codes(OPERATIONS[name], "409")


@pytest.mark.parametrize("name", OPERATIONS)
def test_an_operation_shows_an_example_of_all_it_takes_and_gives(name: str) -> None:
    for where, media_type, content in contents(OPERATIONS[name]):
        if media_type in READABLE:
            assert content.get("examples"), f"{where} {media_type} has no example"
        else:
            assert content == {"schema": {"type": "string", "format": "binary"}}, f"{where} {media_type}"


@pytest.mark.parametrize("name", OPERATIONS)
def test_every_example_fits_its_schema(name: str) -> None:
    for where, media_type, content in contents(OPERATIONS[name]):
        schema = {**content["schema"], "components": DOCUMENT["components"]}
        check = jsonschema_rs.Draft202012Validator(schema, validate_formats=True)
        for title, example in content.get("examples", {}).items():
            flaws = [f"{error.instance_path} {error.message}" for error in check.iter_errors(example["value"])]
            assert not flaws, f"{where} {media_type} {title}"


def test_a_wrong_example_would_be_noticed() -> None:
    schema = {"$ref": "#/components/schemas/Document", "components": DOCUMENT["components"]}
    check = jsonschema_rs.Draft202012Validator(schema)
    example = DOCUMENT["components"]["schemas"]["Document"]["examples"][0]
    assert check.is_valid(example) and not check.is_valid({**example, "run": "1"})


def test_examples_show_every_field_and_no_other() -> None:
    models = [model for part in SCHEMA_MODULES for model in vars(part).values()]
    shown = {route.response_model for route in routes() if route.response_model}
    assert len(shown) >= 12 and shown <= {model for model in models if isinstance(model, type)}
    for model in shown:
        assert set(model.model_json_schema()["examples"][0]) == set(model.model_fields), model


def test_content_can_be_read_with_a_key_or_by_a_signed_link() -> None:
    assert OPERATIONS["get_content"]["security"] == [{}, {"key": []}]
    assert DOCUMENT["security"] == [{"key": []}]
