"""Webhook deliveries: the attempt that is logged, and the identity that never changes over the retries of one run."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated
from uuid import UUID, uuid5

from pydantic import BaseModel, ConfigDict, Field

from contracts.jobs import Callback
from contracts.targets import BadTarget, Target

WebhookType = str
COMPLETED, FAILED, CANCELLED = "document.completed", "document.failed", "document.cancelled"


def webhook_id(document_id: UUID, run: int, type_: WebhookType, endpoint_id: UUID | None = None) -> UUID:
    """Return the `webhook-id` of a run: UUIDv5(document, run, type, endpoint), the same for every attempt."""
    return uuid5(document_id, f"{run}:{type_}" + (f":{endpoint_id}" if endpoint_id else ""))


def member_of(document_id: UUID, run: int, endpoint_id: UUID | None = None) -> str:
    """Name a delivery as Redis does: `document:run`, and for an endpoint `document:run:endpoint`."""
    return f"{document_id}:{run}" + (f":{endpoint_id}" if endpoint_id else "")


def shown_url(callback: str) -> str:
    """Name a callback's receiver for logs and lists: without the query, which may hold a secret; or nothing."""
    try:
        return Target.parse(Callback.model_validate_json(callback).url).shown
    except (BadTarget, ValueError):
        return ""


class DeliveryAttempt(BaseModel, frozen=True):
    """A line of the event stream: one attempt to deliver. Times are epoch milliseconds, durations milliseconds.

    Attempt 0 is none: it says that the delivery became due, when its run ended or because somebody sent it again.
    `status` is the delivery's after this attempt: pending (another will follow), delivered or dead. What is about no
    document (a ping, say) has the message's own id in the place of the document's, and run 0. `endpoint_id`: the
    endpoint that is called; None for a callback.
    `error` is a class: dns, blocked, connect, tls, timeout, protocol, status, gone (there is nothing to tell any more),
    internal (the call could not be built), disabled (the endpoint is, or was deleted); empty on success.
    `url` comes without its query, which may hold secrets. `duration_ms` is the whole call; of it, to find the address,
    to connect, to agree on TLS, and from the request to the answer's first byte: None for a step that was not taken.
    `calm_ms`, how long the receiver asks to be left alone, is not logged.
    """

    model_config = ConfigDict(extra="ignore")

    delivery_id: UUID
    attempt: int
    document_id: UUID
    user_id: UUID
    run: int
    type: WebhookType
    endpoint_id: UUID | None = None
    url: str
    status: str
    http_status: int | None = None
    duration_ms: int = 0
    dns_ms: int | None = None
    connect_ms: int | None = None
    tls_ms: int | None = None
    first_byte_ms: int | None = None
    error: str = ""
    error_detail: str = ""
    response_excerpt: str = ""
    next_attempt_at: int | None = None
    calm_ms: Annotated[int, Field(exclude=True)] = 0
    at: int
    created_at: int


@dataclass(frozen=True)
class Delivery:
    """A run's webhook as the log knows it. `attempts` are those that were made, oldest first."""

    delivery_id: UUID
    document_id: UUID
    user_id: UUID
    run: int
    type: WebhookType
    endpoint_id: UUID | None
    url: str
    status: str
    next_attempt_at: int | None
    created_at: int
    attempts: tuple[DeliveryAttempt, ...]

    @property
    def member(self) -> str:
        return member_of(self.document_id, self.run, self.endpoint_id)

    @classmethod
    def of(cls, lines: Sequence[DeliveryAttempt]) -> "Delivery":
        """Put the lines of one delivery together; the newest says how it stands."""
        last = max(lines, key=lambda line: (line.at, line.attempt))
        attempts = sorted((line for line in lines if line.attempt > 0), key=lambda line: line.attempt)
        return cls(
            delivery_id=last.delivery_id,
            document_id=last.document_id,
            user_id=last.user_id,
            run=last.run,
            type=last.type,
            endpoint_id=last.endpoint_id,
            url=last.url or next((line.url for line in reversed(attempts) if line.url), ""),
            status=last.status,
            next_attempt_at=last.next_attempt_at,
            created_at=last.created_at,
            attempts=tuple(attempts),
        )
