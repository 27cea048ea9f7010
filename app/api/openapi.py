"""What every operation says of its errors in /openapi.json."""

from typing import Any

from fastapi import FastAPI
from pydantic import BaseModel, Field

from app.api.errors import PROBLEM_JSON, PROBLEMS
from app.api.examples import PROBLEM, shown


class ProblemFlaw(BaseModel):
    pointer: str = Field(examples=["/data/items/3/price"])
    detail: str
    code: str


class ProblemBody(BaseModel):
    """RFC 9457."""

    model_config = shown(PROBLEM)

    type: str = Field(examples=["/problems/invalid_request"])
    title: str
    status: int
    detail: str
    code: str
    request_id: str
    retryable: bool
    errors: list[ProblemFlaw] = []


EVERYWHERE = (400, 401, 403, 422, 500, 503)

Responses = dict[int | str, dict[str, Any]]


def errors(*statuses: int) -> Responses:
    """Describe the problems that an operation may answer with, beside those any operation may."""
    return {status: _described(status) for status in sorted({*EVERYWHERE, *statuses})}


def listing(*statuses: int) -> Responses:
    """Describe a list: its problems and its Link header."""
    link = {"Link": {"description": 'RFC 8288: rel="next"', "schema": {"type": "string"}}}
    return {200: {"headers": link}, **errors(*statuses)}


def _described(status: int) -> dict[str, Any]:
    codes = [code for code, problem in PROBLEMS.items() if problem.status == status]
    schema = {"$ref": "#/components/schemas/ProblemBody"}
    described: dict[str, Any] = {
        "description": " · ".join(f"`{code}`" for code in codes[:6]),
        "content": {PROBLEM_JSON: {"schema": schema}},
    }
    if status in (429, 503):
        described["headers"] = {"Retry-After": {"description": "Seconds", "schema": {"type": "integer"}}}
    return described


def add_schema(app: FastAPI, model: type[BaseModel]) -> None:
    """Put a model into the components of /openapi.json, for those who refer to it by name."""
    make = app.openapi

    def openapi() -> dict[str, Any]:
        if app.openapi_schema is None:
            document = make()
            schema = model.model_json_schema(ref_template="#/components/schemas/{model}")
            schemas = document.setdefault("components", {}).setdefault("schemas", {})
            schemas |= schema.pop("$defs", {})
            schemas[model.__name__] = schema
            document["components"]["securitySchemes"] = {"key": {"type": "http", "scheme": "bearer"}}
            document["security"] = [{"key": []}]
        return make()

    app.openapi = openapi  # type: ignore[method-assign]
