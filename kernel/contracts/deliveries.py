"""Webhook deliveries: the attempt that is logged, and the identity that never changes over the retries of one run."""

from uuid import UUID, uuid5

from pydantic import BaseModel, ConfigDict

WebhookType = str
COMPLETED, FAILED, CANCELLED = "document.completed", "document.failed", "document.cancelled"


def webhook_id(document_id: UUID, run: int, type_: WebhookType) -> UUID:
    """Return the `webhook-id` of a run: UUIDv5(document, run, type), the same for every attempt and process."""
    return uuid5(document_id, f"{run}:{type_}")


class DeliveryAttempt(BaseModel, frozen=True):
    """A line of the event stream: one attempt to deliver. Times are epoch milliseconds, durations milliseconds.

    `status` is the delivery's after this attempt: pending (another will follow), delivered or dead.
    `error` is a class: dns, blocked, connect, tls, timeout, protocol, status, gone (there is nothing to tell any more),
    internal (the call could not be built); empty on success. `url` comes without its query, which may hold secrets.
    """

    model_config = ConfigDict(extra="ignore")

    delivery_id: UUID
    attempt: int
    document_id: UUID
    user_id: UUID
    run: int
    type: WebhookType
    url: str
    status: str
    http_status: int | None = None
    duration_ms: int = 0
    error: str = ""
    error_detail: str = ""
    response_excerpt: str = ""
    next_attempt_at: int | None = None
    at: int
    created_at: int
