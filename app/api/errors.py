"""Every error as an RFC 9457 problem. `PROBLEMS` is the closed list of codes; docs/errors.md is made from it."""

from collections.abc import Mapping
from dataclasses import dataclass

import structlog
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.routing import iter_route_contexts
from pydantic_core import to_json
from starlette.exceptions import HTTPException
from starlette.responses import Response
from starlette.routing import Match

from app.services.flaw_words import in_words
from contracts.errors import (
    DOCUMENT_ERROR_CODES,
    DocumentFailed,
    Flaw,
    Invalid,
    PressworkError,
    TransientError,
    Unauthorized,
    in_short,
)

log = structlog.get_logger(__name__)

PROBLEM_JSON = "application/problem+json"


@dataclass(frozen=True)
class Problem:
    status: int
    title: str
    meaning: str


#: How a document may fail while the request waits for it.
DOCUMENT_FAILED: Mapping[str, str] = {
    code: meaning
    for code, meaning in DOCUMENT_ERROR_CODES.items()
    if code not in ("internal_error", "storage_unavailable")
}

PROBLEMS: Mapping[str, Problem] = {
    "malformed_request": Problem(
        400,
        "Malformed request",
        "This is not HTTP/1.1 as it may be sent here: what is not ASCII in a path or query is percent-encoded, a"
        " request has one length, its line and headers are shorter than 64 KiB.",
    ),
    "malformed_json": Problem(400, "Malformed JSON", "The body is not valid JSON (RFC 8259)."),
    "invalid_header": Problem(400, "Invalid header", "A header's value is not usable; the detail names it."),
    "unauthorized": Problem(401, "Unauthorized", "No API key was sent, or it is wrong, expired, revoked or suspended."),
    "forbidden": Problem(403, "Forbidden", "Your role does not allow this operation."),
    "shipped_template": Problem(403, "Shipped template", "The template ships with Presswork and cannot be changed."),
    "not_found": Problem(404, "Not found", "There is no such resource, or it is not yours."),
    "method_not_allowed": Problem(405, "Method not allowed", "The Allow header lists what this path answers."),
    "not_acceptable": Problem(406, "Not acceptable", "The Accept header asks for a type this operation cannot make."),
    "request_timeout": Problem(408, "Request timeout", "The request's body took too long to arrive."),
    "email_taken": Problem(409, "E-mail taken", "Another user has this e-mail address (case does not matter)."),
    "last_admin": Problem(
        409,
        "Last admin",
        "The last active admin cannot be removed, suspended or demoted, nor its last valid key be revoked.",
    ),
    "name_taken": Problem(409, "Name taken", "You have a template of this name, or somebody shares one."),
    "name_reserved": Problem(409, "Name reserved", "A template of this name ships with Presswork."),
    "too_many_templates": Problem(
        409, "Too many templates", "You have as many templates as PRESSWORK_MAX_TEMPLATES_PER_USER says."
    ),
    "too_many_versions": Problem(
        409,
        "Too many versions",
        "The template has as many versions as PRESSWORK_MAX_VERSIONS_PER_TEMPLATE says; they cannot be removed singly.",
    ),
    "too_many_assets": Problem(
        409,
        "Too many assets",
        "You have as many assets as PRESSWORK_MAX_ASSETS_PER_USER says, or as large ones as"
        " PRESSWORK_MAX_ASSETS_MB_PER_USER says.",
    ),
    "too_many_fonts": Problem(
        409,
        "Too many fonts",
        "You have as many fonts as PRESSWORK_MAX_FONTS_PER_USER says, or as large ones as"
        " PRESSWORK_MAX_FONTS_MB_PER_USER says.",
    ),
    "too_many_endpoints": Problem(
        409, "Too many endpoints", "You have as many webhook endpoints as PRESSWORK_MAX_ENDPOINTS_PER_USER says."
    ),
    "endpoint_disabled": Problem(
        409, "Endpoint disabled", "The webhook endpoint is disabled or deleted: enable it first."
    ),
    "production_needed": Problem(409, "Production needed", "The tag `production` can be moved, but not removed."),
    "not_ready": Problem(409, "Not ready", "The document has not ended yet: wait for it or poll it."),
    "document_failed": Problem(
        409, "Document failed", "The document has no content, because it failed or was cancelled."
    ),
    "already_ended": Problem(409, "Already ended", "The document has ended: there is nothing to cancel."),
    "not_ended": Problem(409, "Not ended", "The document is still under way: only an ended one can be retried."),
    "input_expired": Problem(409, "Input expired", "The document's data is no longer kept: request it again."),
    "being_delivered": Problem(409, "Being delivered", "An attempt is being made now: look at its outcome first."),
    "expired": Problem(410, "Expired", "The document's content was kept for its time and is gone."),
    "version_mismatch": Problem(412, "Version mismatch", "The resource has changed since you read it (If-Match)."),
    "body_too_large": Problem(
        413,
        "Body too large",
        "The request body is larger than PRESSWORK_MAX_BODY_BYTES, or with a file than PRESSWORK_MAX_UPLOAD_BYTES.",
    ),
    "unsupported_media_type": Problem(
        415, "Unsupported media type", "Send JSON as application/json, a template's file as multipart/form-data."
    ),
    "range_not_satisfiable": Problem(416, "Range not satisfiable", "The Range header lies outside the content."),
    "invalid_request": Problem(422, "Invalid request", "Something in the request is wrong; `errors` points to it."),
    "idempotency_mismatch": Problem(422, "Idempotency mismatch", "This Idempotency-Key came with another body before."),
    "too_many_documents": Problem(429, "Too many documents", "You have too many unfinished documents."),
    "too_many_renders": Problem(429, "Too many renders", "You have too many renders waiting for a generator."),
    "internal_error": Problem(500, "Internal error", "A defect of ours; the log has it under this request id."),
    "queue_full": Problem(503, "Queue full", "The whole system is full; nothing was accepted."),
    "no_generator": Problem(
        503,
        "No generator",
        "No generator was free to render or check this within some seconds, or it was lost meanwhile; try again.",
    ),
    "queue_unavailable": Problem(
        503,
        "Queue unavailable",
        "The broker does not answer; repeat the request, with an Idempotency-Key to be sure that it counts once.",
    ),
    "history_unavailable": Problem(503, "History unavailable", "The history store does not answer; try again."),
    "storage_unavailable": Problem(503, "Storage unavailable", "The blob store does not answer; try again."),
    "overloaded": Problem(503, "Overloaded", "Too many requests are under way at once; nothing was accepted."),
    "not_started": Problem(503, "Not started", "The service is still starting; try again."),
    "stopped": Problem(
        503,
        "Stopped",
        "The process ended before it could answer; repeat the request, with an Idempotency-Key to be sure that it"
        " counts once.",
    ),
    **{code: Problem(422, "Document failed", meaning) for code, meaning in DOCUMENT_FAILED.items()},
}

#: Codes inside `errors[]` of an invalid_request, beside pydantic's own.
FLAW_CODES: Mapping[str, str] = {
    "missing": "A required field is missing, or the whole body.",
    "unknown_field": "The field or query parameter does not exist here.",
    "repeated_parameter": "The query parameter is given twice.",
    "duplicate_key": "An object of the body has the same key twice.",
    "not_available": "The field is part of the contract but not built yet.",
    "unknown_template": "No template of this name, version or tag is visible to you.",
    "unknown_asset": "You have uploaded no asset of this name; an asset belongs to those who have uploaded it.",
    "invalid_asset": "The bytes are not what Content-Type says, or nothing that a template can use.",
    "invalid_font": "The bytes are no TrueType or OpenType font, or a damaged one.",
    "unsupported_format": "The template's engine cannot make this format; the detail lists what it can.",
    "unsupported_file": "The file is no template: the detail lists what is.",
    "bad_archive": "The zip archive is damaged, unsafe or larger than allowed; the detail says what.",
    "invalid_schema": "This is no JSON Schema (2020-12), or it refers to something outside of itself.",
    "invalid_url": "The webhook's URL cannot be called; the detail says why.",
    "private_address": "The webhook leads to a private or reserved address; the detail names the setting to change.",
    "invalid_header": "The webhook header's name or value is not allowed.",
    "too_many_headers": "There are too many webhook headers.",
    "headers_too_large": "The webhook headers are too large together.",
    "data_missing": "The template needs a value that the data does not have.",
    "data_invalid": "The template cannot print this value truthfully; the detail says what it takes.",
    "invalid_email": "This is not an e-mail address; the detail says why.",
    "null_not_allowed": "The field cannot be null: leave it out to keep its value.",
    "control_character": "Control characters are not allowed here.",
    "callback_url_missing": "`callback_headers` was given without `callback_url`.",
    "template_or_source": "Exactly one of `template` and `source` must be given.",
    "invalid_cursor": "The cursor is not one this list gave out, or its filters changed.",
    "wrong_extension": "The file name has the extension of another format.",
    "invalid_time": "The time is not RFC 3339 text.",
    "too_large": "The value is larger than its limit.",
    "invalid_value": "The value is not allowed here.",
}

STATUS_CODES = {
    404: "not_found",
    405: "method_not_allowed",
    406: "not_acceptable",
    408: "request_timeout",
    413: "body_too_large",
}


def problem(
    request: Request, code: str, detail: str, *, headers: Mapping[str, str] | None = None, **more: object
) -> Response:
    """Build a problem response; `more` adds members such as `errors` or `document_id`."""
    body = problem_body(code, detail, getattr(request.state, "request_id", ""), **more)
    return Response(to_json(body), PROBLEMS[code].status, dict(headers or {}), media_type=PROBLEM_JSON)


def problem_body(code: str, detail: str, request_id: str, **more: object) -> dict[str, object]:
    """Write a problem's members (RFC 9457)."""
    known = PROBLEMS[code]
    return {
        "type": f"/problems/{code}",
        "title": known.title,
        "status": known.status,
        "detail": detail,
        "code": code,
        "request_id": request_id,
        "retryable": known.status in (429, 503),
        **more,
    }


def install(app: FastAPI) -> None:
    """Make every error of this application a problem."""
    app.add_exception_handler(PressworkError, _presswork_error)
    app.add_exception_handler(RequestValidationError, _validation_error)
    app.add_exception_handler(HTTPException, _http_error)


def _presswork_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, PressworkError)
    headers: dict[str, str] = {}
    more: dict[str, object] = {}
    if isinstance(error, TransientError):
        headers["Retry-After"] = str(error.retry_after_s)
    if isinstance(error, Unauthorized):
        headers["WWW-Authenticate"] = 'Bearer realm="presswork"'
    if isinstance(error, Invalid):
        more["errors"] = [flaw_view(flaw) for flaw in error.flaws]
    if isinstance(error, DocumentFailed):
        more["error"] = error.error.model_dump()
    code = failure_code(error.code) if isinstance(error, DocumentFailed) else error.code
    if code not in PROBLEMS:
        log.error("problem.unknown_code", code=error.code)
        return internal_problem(request)
    detail = f"{_sentence(error.message)} {error.hint}" if error.hint else error.message
    return problem(request, code, detail, headers=headers, **more)


def _sentence(message: str) -> str:
    """End a message where a hint follows: engines word theirs without a full stop."""
    return message if message.endswith((".", "!", "?", ":", ";")) else f"{message}."


def failure_code(code: str) -> str:
    """A document that failed is a 422, whatever the cause: the request was answered, the document could not be made."""
    return code if code in DOCUMENT_FAILED else "render_crashed"


def internal_problem(request: Request) -> Response:
    return problem(
        request, "internal_error", "Presswork failed to answer; the log has the cause under this request id."
    )


def stopped_problem(request: Request) -> Response:
    return problem(request, "stopped", PROBLEMS["stopped"].meaning, headers={"Retry-After": "1"})


def pointer_step(name: object) -> str:
    """Write one step of a JSON pointer (RFC 6901)."""
    return "/" + str(name).replace("~", "~0").replace("/", "~1")


def flaw_view(flaw: Flaw) -> dict[str, str]:
    return {"pointer": flaw.pointer, "detail": flaw.detail, "code": flaw.code}


def _validation_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)
    found = error.errors()
    if any(item["type"] == "json_invalid" for item in found):
        context = found[0].get("ctx", {}).get("error", "it cannot be parsed")
        return problem(request, "malformed_json", f"The body is not valid JSON: {context}.")
    flaws = [_flaw_of(item) for item in found]
    detail = in_short([f"{flaw.pointer}: {flaw.detail}".removeprefix(": ") for flaw in flaws], "; ")
    return problem(request, "invalid_request", detail, errors=[flaw_view(flaw) for flaw in flaws])


def _flaw_of(item: Mapping[str, object]) -> Flaw:
    place = item["loc"]
    assert isinstance(place, tuple)
    pointer = "".join(pointer_step(part) for part in place[1:])
    if item["type"] == "extra_forbidden":
        return Flaw(pointer, "There is no such field here.", "unknown_field")
    if item["type"] == "missing" and place == ("body",):
        return Flaw(pointer, "The request has no body: send a JSON object.", "missing")
    if not pointer and item["type"] in ("model_type", "model_attributes_type", "dict_type"):
        return Flaw(pointer, "The body must be a JSON object.", str(item["type"]))
    return Flaw(pointer, in_words(item), str(item["type"]))


def _http_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    code = STATUS_CODES.get(error.status_code, "invalid_request")
    detail = PROBLEMS[code].meaning if error.detail in ("Not Found", "Method Not Allowed") else str(error.detail)
    headers = {"Allow": _allowed(request)} if error.status_code == 405 else error.headers
    return problem(request, code, detail, headers=headers)


def _allowed(request: Request) -> str:
    """Collect the methods of every route of a path: Starlette names those of the first one only (RFC 9110, 10.2.1)."""
    known = (context.original_route for context in iter_route_contexts(request.app.routes))
    routes = [route for route in known if route.matches(request.scope)[0] is not Match.NONE]
    return ", ".join(sorted({method for route in routes for method in getattr(route, "methods", None) or ()}))
