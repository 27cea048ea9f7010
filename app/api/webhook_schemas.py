"""Queries and answers of webhook deliveries."""

from typing import Annotated, Literal

from pydantic import BaseModel, Field

from app.api import examples
from app.api.schemas import Body, Cursor, Limit
from contracts.deliveries import Delivery, DeliveryAttempt
from contracts.ids import rfc3339

DeliveryStatus = Literal["pending", "delivered", "dead"]


class DeliveryQuery(Body):
    status: DeliveryStatus | None = None
    document_id: Annotated[str | None, Field(max_length=64)] = None
    endpoint_id: Annotated[str | None, Field(max_length=64)] = None
    limit: Limit = 50
    cursor: Cursor = None


class AttemptError(BaseModel):
    code: str
    message: str


class AttemptTimings(BaseModel):
    """Milliseconds; null for a step that was not taken: no name to resolve, a kept connection, no TLS, no answer."""

    dns_ms: int | None
    connect_ms: int | None
    tls_ms: int | None
    first_byte_ms: int | None
    total_ms: int


class AttemptShown(BaseModel):
    at: str
    status_code: int | None
    error: AttemptError | None
    timings: AttemptTimings
    response_excerpt: str


class DeliveryView(BaseModel):
    model_config = examples.shown(examples.DELIVERY)

    id: str
    document_id: str | None
    endpoint_id: str | None
    run: int
    type: str
    url: str
    status: DeliveryStatus
    created_at: str
    attempts: list[AttemptShown]
    next_attempt_at: str | None


class DeliveryList(BaseModel):
    model_config = examples.page(examples.DELIVERY)

    items: list[DeliveryView]
    next_cursor: str | None


def delivery_view(delivery: Delivery) -> dict[str, object]:
    """Show a delivery; its id is the `webhook-id` of every attempt."""
    return {
        "id": str(delivery.delivery_id),
        "document_id": str(delivery.document_id) if delivery.run > 0 else None,
        "endpoint_id": None if delivery.endpoint_id is None else str(delivery.endpoint_id),
        "run": delivery.run,
        "type": delivery.type,
        "url": delivery.url,
        "status": delivery.status,
        "created_at": rfc3339(delivery.created_at),
        "attempts": [_attempt_view(attempt) for attempt in delivery.attempts],
        "next_attempt_at": rfc3339(delivery.next_attempt_at),
    }


def _attempt_view(attempt: DeliveryAttempt) -> dict[str, object]:
    return {
        "at": rfc3339(attempt.at),
        "status_code": attempt.http_status,
        "error": {"code": attempt.error, "message": attempt.error_detail} if attempt.error else None,
        "timings": {
            "dns_ms": attempt.dns_ms,
            "connect_ms": attempt.connect_ms,
            "tls_ms": attempt.tls_ms,
            "first_byte_ms": attempt.first_byte_ms,
            "total_ms": attempt.duration_ms,
        },
        "response_excerpt": attempt.response_excerpt,
    }
