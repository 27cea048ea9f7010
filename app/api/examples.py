"""Examples that /openapi.json shows: one consistent world of one user, one template and one document."""

from typing import Any

from pydantic import ConfigDict

Example = dict[str, object]
Json = dict[str, Any]

MOMENT, LATER, WEEK_LATER = "2026-03-01T09:30:00.120Z", "2026-03-01T09:30:00.166Z", "2026-03-08T09:30:00.166Z"
USER_ID, KEY_ID = "01a2066a-006f-74e4-be57-510843db21c0", "01a2066a-00af-7c11-9d02-3b1f7c0a9e55"
DOCUMENT_ID = "01a20674-6b65-7fe8-8b9d-bd677df88074"
SHA256 = "95c9e9106edfcbdae59572258c242095856d99a3dd7dddea98b72873a1af8224"
BASE = f"http://127.0.0.1:8000/v1/documents/{DOCUMENT_ID}"

USER: Example = {
    "id": USER_ID,
    "email": "ada@example.com",
    "name": "Ada Lovelace",
    "role": "member",
    "status": "active",
    "attrs": {"team": "billing"},
    "created_at": MOMENT,
    "updated_at": MOMENT,
    "version": 1,
}
KEY: Example = {
    "id": KEY_ID,
    "name": "billing service",
    "prefix": "pw_EvWdh0",
    "scopes": [],
    "expires_at": None,
    "created_at": MOMENT,
}
TEMPLATE: Example = {
    "name": "invoice",
    "owner_id": None,
    "visibility": "shared",
    "engine": "typst",
    "formats": ["pdf", "png", "svg", "docx"],
    "versions": 1,
    "tags": {"production": 1},
    "title": "Invoice",
    "description": "An invoice on A4.",
    "sample": {"number": "INV-7"},
    "validation": None,
    "missing": "blank",
    "created_at": MOMENT,
    "updated_at": MOMENT,
}
OWN_TEMPLATE: Example = {
    **TEMPLATE,
    "name": "delivery-note",
    "owner_id": USER_ID,
    "visibility": "private",
    "formats": ["pdf", "png", "svg"],
    "title": "Delivery note",
    "description": None,
}
TEMPLATE_MADE: Example = {
    **OWN_TEMPLATE,
    "version": 1,
    "warnings": [{"code": "template_warning", "message": "unknown font family: acme sans (line 3)"}],
    "example": {"number": "text"},
}
TEMPLATE_VERSION: Example = {
    "version": 1,
    "sha256": SHA256,
    "formats": ["pdf", "png", "svg"],
    "tags": ["production"],
    "created_at": MOMENT,
}
DATA_SCHEMA: Example = {
    "$schema": "https://json-schema.org/draft/2020-12/schema",
    "type": "object",
    "required": ["number"],
    "properties": {"number": {"type": ["string", "number"]}},
}
RESULT: Example = {
    "bytes": 19048,
    "sha256": SHA256,
    "pages": 1,
    "content_type": "application/pdf",
    "filename": "INV-7.pdf",
    "url": f"{BASE}/content?expires=1772361000&signature=gh78oGD47hQ646dvUM",
    "url_expires_at": "2026-03-01T10:30:00.000Z",
    "warnings": [],
}
DOCUMENT: Example = {
    "id": DOCUMENT_ID,
    "status": "completed",
    "format": "pdf",
    "template": {"name": "invoice", "version": 1, "sha256": SHA256},
    "user_id": USER_ID,
    "run": 1,
    "attempts": 1,
    "priority": "normal",
    "lane": USER_ID,
    "subject": "customer-17",
    "metadata": {"order": "7"},
    "created_at": MOMENT,
    "started_at": MOMENT,
    "completed_at": LATER,
    "expires_at": WEEK_LATER,
    "timings": {"queued_ms": 11, "render_ms": 31, "total_ms": 46},
    "result": RESULT,
    "error": None,
    "delivery": {"status": "delivered", "attempts": 1, "next_attempt_at": None},
}
ACCEPTED: Example = {
    "id": DOCUMENT_ID,
    "status": "queued",
    "links": {"self": BASE, "content": f"{BASE}/content", "events": f"{BASE}/events"},
}
EVENT: Example = {
    "at": MOMENT,
    "event": "started",
    "run": 1,
    "attempt": 1,
    "worker": "host-4462-4faa19",
    "detail": None,
}
ENDPOINT: Example = {
    "id": "01a2066a-4b1f-7d02-8c55-91be7714a0f3",
    "user_id": USER_ID,
    "url": "https://hooks.example.com/presswork",
    "types": ["document.completed", "document.failed"],
    "headers": {"X-Team": "billing"},
    "description": "Billing's receiver",
    "enabled": True,
    "disabled_because": None,
    "disabled_at": None,
    "paused_until": None,
    "paused_because": None,
    "created_at": MOMENT,
    "updated_at": MOMENT,
    "version": 1,
}
DELIVERY: Example = {
    "id": "b4f4eb0c-3c6f-5f0e-9d51-6a4a1d3c5e10",
    "document_id": DOCUMENT_ID,
    "endpoint_id": None,
    "run": 1,
    "type": "document.completed",
    "url": "https://example.com/hooks/presswork?...",
    "status": "pending",
    "created_at": LATER,
    "attempts": [
        {
            "at": "2026-03-01T09:30:00.301Z",
            "status_code": 503,
            "error": {"code": "status", "message": "HTTP 503"},
            "timings": {"dns_ms": 3, "connect_ms": 12, "tls_ms": 31, "first_byte_ms": 36, "total_ms": 84},
            "response_excerpt": "maintenance",
        }
    ],
    "next_attempt_at": "2026-03-01T09:30:05.912Z",
}
EVENTS: Example = {
    "items": [
        {**EVENT, "event": "accepted", "attempt": 0, "worker": ""},
        EVENT,
        {**EVENT, "at": LATER, "event": "completed"},
    ]
}
EVENT_STREAM = """id: 2
event: started
data: {"at":"2026-03-01T09:30:00.120Z","event":"started","run":1,"attempt":1,"worker":"host-4462-4faa19","detail":null}

"""
DOCUMENT_ERROR: Example = {
    "code": "template_error",
    "message": "unknown variable: totl",
    "template": "invoice",
    "version": 1,
    "line": 12,
    "column": 4,
    "part": None,
    "tag": None,
    "data_path": None,
    "excerpt": "#totl",
    "hint": "Did you mean `total`?",
    "retryable": False,
}
INVOICE: Example = {
    "number": "INV-7",
    "date": "2026-03-01",
    "currency": "EUR",
    "seller": {"name": "Blue Harbour Ltd"},
    "buyer": {"name": "Acme GmbH"},
    "items": [{"name": "Consulting", "qty": 2, "unit": "h", "price": 120}],
}
DOCUMENT_REQUEST: Example = {"template": "invoice", "format": "pdf", "data": INVOICE}
ASSET: Example = {
    "asset": f"sha256:{SHA256}",
    "media_type": "image/png",
    "size": 18_204,
    "created_at": MOMENT,
    "used_at": LATER,
}
FONT: Example = {
    "family": "Brand Sans",
    "style": "Bold",
    "sha256": SHA256,
    "size": 271_436,
    "owner_id": USER_ID,
    "visibility": "private",
}
RENDER_REQUEST: Example = {"template": "invoice", "format": "png", "data": INVOICE, "locale": "en-GB"}
RENDER_REQUESTS: dict[str, Json] = {
    "template": {"summary": "A picture of an invoice's first page", "value": RENDER_REQUEST},
    "source": {
        "summary": "A source that is being written",
        "value": {
            "source": {"engine": "typst", "content": '= Hello, #json("data.json").name!'},
            "data": {"name": "Ada"},
            "options": {"strict": True},
        },
    },
}
#: By the name under which an operation shows it: an OpenAPI Example Object.
DOCUMENT_REQUESTS: dict[str, Json] = {
    "template": {"summary": "An invoice from a shipped template", "value": DOCUMENT_REQUEST},
    "webhook": {
        "summary": "As a Word file, in German, with a webhook",
        "value": {
            **DOCUMENT_REQUEST,
            "format": "docx",
            "filename": "INV-7.docx",
            "locale": "de-DE",
            "subject": "customer-17",
            "metadata": {"order": "7"},
            "callback_url": "https://hooks.example.com/documents",
            "callback_headers": {"X-Team": "billing"},
        },
    },
    "scheduled": {
        "summary": "Later, with patience, kept for a day",
        "value": {
            **DOCUMENT_REQUEST,
            "run_at": WEEK_LATER,
            "priority": "batch",
            "expires_in": 86_400,
            "options": {"strict": True, "max_attempts": 5, "timeout_s": 60},
        },
    },
    "source": {
        "summary": "From an own source",
        "value": {
            "source": {"engine": "typst", "content": '= Hello, #json("data.json").name!'},
            "data": {"name": "Ada"},
        },
    },
}
REQUEST_ID = "01a20674-6ae3-7bee-898c-1aa7e0697a9b"
LIMITS: Example = {
    "max_body_bytes": 1_048_576,
    "max_metadata_bytes": 4096,
    "max_open_documents": 100_000,
    "max_timeout_s": 120,
    "max_attempts": 10,
}
PROBLEM: Example = {
    "type": "/problems/invalid_request",
    "title": "Invalid request",
    "status": 422,
    "detail": "There is no template 'invoce'; there are: invoice, report.",
    "code": "invalid_request",
    "request_id": REQUEST_ID,
    "retryable": False,
    "errors": [
        {"pointer": "/template", "detail": "There is no template 'invoce'; ...", "code": "unknown_template"},
    ],
}


def page(item: Example) -> ConfigDict:
    """Make a list's configuration that shows a page with this item."""
    return shown({"items": [item], "next_cursor": None})


def shown(example: Example) -> ConfigDict:
    """Make a model's configuration that shows this example."""
    return ConfigDict(json_schema_extra={"examples": [example]})  # type: ignore[list-item]
