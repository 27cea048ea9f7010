"""What /openapi.json says beyond the endpoints' types: every operation's problems by code, and examples."""

from collections.abc import Iterator
from typing import Any

from fastapi import FastAPI
from pydantic import BaseModel, Field

from app.api import document_schemas, endpoint_schemas, schemas, template_schemas, webhook_schemas
from app.api.document_schemas import ErrorShown
from app.api.errors import DOCUMENT_FAILED, PROBLEM_JSON, PROBLEMS, problem_body
from app.api.examples import DOCUMENT_ERROR, DOCUMENT_ID, PROBLEM, REQUEST_ID, shown
from contracts.documents import CONTENT_TYPES, own_type

Json = dict[str, Any]
Responses = dict[int | str, Json]

#: What any operation may answer.
ANY = (
    *("malformed_request", "unauthorized", "forbidden", "method_not_allowed", "invalid_request", "internal_error"),
    *("queue_unavailable", "overloaded", "not_started"),
)
#: What an operation with a body may answer beside.
BODY = ("malformed_json", "request_timeout", "body_too_large", "unsupported_media_type")
#: What an operation with a file may answer beside.
FILE = ("request_timeout", "body_too_large", "unsupported_media_type")
#: What reading a document may answer beside.
MISSING = ("not_found", "history_unavailable")
BINARY: Json = {"schema": {"type": "string", "format": "binary"}}
#: The content of an answer that is a document.
BYTES: Json = {own_type(made): BINARY for made in CONTENT_TYPES}
SCHEMAS = "#/components/schemas/"
SCHEMA_MODULES = (schemas, document_schemas, template_schemas, endpoint_schemas, webhook_schemas)


class ProblemFlaw(BaseModel):
    pointer: str = Field(examples=["/data/items/3/price"])
    detail: str
    code: str


class ProblemBody(BaseModel):
    """RFC 9457. `document_id` and `error` are there when a document failed while the request waited for it."""

    model_config = shown(PROBLEM)

    type: str = Field(examples=["/problems/invalid_request"])
    title: str
    status: int
    detail: str
    code: str
    request_id: str
    retryable: bool
    errors: list[ProblemFlaw] = []
    document_id: str = ""
    error: ErrorShown | None = None


def errors(*codes: str) -> Responses:
    """Describe the problems that an operation may answer with, beside those any operation may."""
    by_status: dict[int, list[str]] = {}
    for code in (*ANY, *codes):
        by_status.setdefault(PROBLEMS[code].status, []).append(code)
    return {status: _described(status, by_status[status]) for status in sorted(by_status)}


def listing(*codes: str) -> Responses:
    """Describe a list: its problems and its Link header."""
    link = {"Link": {"description": 'RFC 8288: rel="next"', "schema": {"type": "string"}}}
    return {200: {"headers": link}, **errors(*codes)}


def _described(status: int, codes: list[str]) -> Json:
    content = {"schema": {"$ref": f"{SCHEMAS}ProblemBody"}, "examples": {code: {} for code in codes}}
    described: Json = {
        "description": " · ".join(f"`{code}`" for code in codes),
        "content": {PROBLEM_JSON: content},
    }
    if status in (429, 503):
        described["headers"] = {"Retry-After": {"description": "Seconds", "schema": {"type": "integer"}}}
    return described


def complete(app: FastAPI) -> None:
    """Add to /openapi.json what FastAPI does not write: the problem's schema, the key, an example at every content."""
    make = app.openapi

    def openapi() -> Json:
        if app.openapi_schema is None:
            document = make()
            _add_components(document)
            for media_type, content in _contents(document):
                _show_examples(media_type, content, document["components"]["schemas"])
        return make()

    app.openapi = openapi  # type: ignore[method-assign]


def _add_components(document: Json) -> None:
    schema = ProblemBody.model_json_schema(ref_template=f"{SCHEMAS}{{model}}")
    known = document["components"]["schemas"]
    known |= {**schema.pop("$defs", {}), ProblemBody.__name__: schema}
    known |= {name: {**known[name], "examples": shown} for name, shown in _examples().items() if name in known}
    document["components"]["securitySchemes"] = {"key": {"type": "http", "scheme": "bearer"}}
    document["security"] = [{"key": []}]


def _examples() -> dict[str, list[Json]]:
    """Collect the models' examples, whole: FastAPI leaves nulls out of the document that it writes."""
    models = {name: value for part in SCHEMA_MODULES for name, value in vars(part).items()}
    configured = {name: getattr(model, "model_config", {}).get("json_schema_extra") for name, model in models.items()}
    return {name: extra["examples"] for name, extra in configured.items() if extra}


def _contents(document: Json) -> Iterator[tuple[str, Json]]:
    """Walk over what every operation takes and gives, by media type."""
    for path in document["paths"].values():
        for operation in path.values():
            for part in (operation.get("requestBody", {}), *operation["responses"].values()):
                yield from part.get("content", {}).items()


def _show_examples(media_type: str, content: Json, models: Json) -> None:
    """Put examples next to a content's schema: generators and pages look there, not at the model."""
    if media_type == PROBLEM_JSON:
        content["examples"] = {code: _problem(code) for code in content["examples"]}
    schema = content["schema"]
    for choice in schema.get("anyOf", [schema]):
        model = models.get(choice.get("$ref", "").removeprefix(SCHEMAS), {})
        if "examples" in model:
            content.setdefault("examples", {"example": {"value": model["examples"][0]}})


def _problem(code: str) -> Json:
    if code == PROBLEM["code"]:
        return {"value": PROBLEM}
    more: Json = {}
    if code in DOCUMENT_FAILED:
        more = {"document_id": DOCUMENT_ID, "error": {**DOCUMENT_ERROR, "code": code}}
    return {"value": problem_body(code, PROBLEMS[code].meaning, REQUEST_ID, **more)}
