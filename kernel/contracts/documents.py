"""A document as the system knows it: states, the row that every transition writes, and how clients see it.

The row is one JSON object in two parts. `head` is written once at accept; the Lua scripts join the changing rest to it
as text, so the same line is the live state in Redis, the event in the stream, and the row in ClickHouse.
"""

from enum import StrEnum
from typing import Literal
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field

from contracts.errors import DocumentError, Message


class Status(StrEnum):
    SCHEDULED = "scheduled"
    QUEUED = "queued"
    RENDERING = "rendering"
    COMPLETED = "completed"
    FAILED = "failed"
    CANCELLED = "cancelled"


TERMINAL = frozenset({Status.COMPLETED, Status.FAILED, Status.CANCELLED})

#: Which state may follow which. The scripts in backends/lua enforce it; tests compare the two.
TRANSITIONS: dict[Status, frozenset[Status]] = {
    Status.SCHEDULED: frozenset({Status.QUEUED, Status.CANCELLED, Status.FAILED}),
    Status.QUEUED: frozenset({Status.RENDERING, Status.CANCELLED, Status.FAILED}),
    Status.RENDERING: frozenset({Status.QUEUED, Status.COMPLETED, Status.FAILED, Status.CANCELLED}),
    Status.COMPLETED: frozenset({Status.QUEUED}),
    Status.FAILED: frozenset({Status.QUEUED}),
    Status.CANCELLED: frozenset({Status.QUEUED}),
}

Priority = Literal["interactive", "normal", "batch"]
DeliveryStatus = Literal["none", "pending", "delivered", "dead"]
Format = Literal["pdf", "docx", "html", "png", "svg", "xlsx", "md", "txt"]

CONTENT_TYPES: dict[str, str] = {
    "pdf": "application/pdf",
    "docx": "application/vnd.openxmlformats-officedocument.wordprocessingml.document",
    "html": "text/html; charset=utf-8",
    "png": "image/png",
    "svg": "image/svg+xml",
    "xlsx": "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
    "md": "text/markdown; charset=utf-8",
    "txt": "text/plain; charset=utf-8",
}


def own_type(output_format: str) -> str:
    """Return a format's media type without parameters."""
    return CONTENT_TYPES[output_format].partition(";")[0]


class Warned(BaseModel, frozen=True):
    """Something about a finished document that its author should know."""

    code: str
    message: Message


class Result(BaseModel, frozen=True):
    """What a completed run left in the blob store. `key` never leaves the service."""

    key: str
    bytes: int
    sha256: str
    pages: int | None
    content_type: str
    filename: str
    warnings: tuple[Warned, ...] = ()


#: A receiver has at least this long to fetch the bytes, from the moment its webhook has settled.
FETCH_MS = 24 * 3_600_000


def bytes_until(expires_at: int | None, delivery: DeliveryStatus, changed_at: int) -> int | None:
    """Return when a result's bytes may go (epoch ms); None: never, or not before its webhook has settled.

    `changed_at`: the document's newest event, which for a settled webhook is its settling.
    """
    if expires_at is None or delivery == "pending":
        return None
    return expires_at if delivery == "none" else max(expires_at, changed_at + FETCH_MS)


class Delivery(BaseModel, frozen=True):
    """How far the run's webhook is. Times in milliseconds since the epoch."""

    status: DeliveryStatus = "none"
    attempts: int = 0
    next_attempt_at: int | None = None


class DocumentHead(BaseModel, frozen=True):
    """The part of the row that a run does not change. Times in milliseconds since the epoch."""

    document_id: UUID
    user_id: UUID
    batch_id: UUID | None = None
    created_at: int
    output_format: str
    template_name: str | None
    template_version: int | None
    template_sha256: str
    priority: Priority
    lane: str
    subject: str | None = None
    metadata: dict[str, str] = Field(default_factory=dict)
    run_at: int | None = None


class DocumentRow(DocumentHead, frozen=True):
    """A document after one transition: a line of the event stream and a row of ClickHouse. `seq` counts from 1."""

    model_config = ConfigDict(extra="ignore")

    seq: int
    event: str
    at: int
    status: Status
    run: int
    attempt: int
    worker: str = ""
    queued_at: int
    started_at: int | None = None
    completed_at: int | None = None
    expires_at: int | None = None
    render_ms: int | None = None
    result: Result | None = None
    error: DocumentError | None = None
    delivery: Delivery = Delivery()
    detail: dict[str, object] | None = None
    deleted: int = 0

    @property
    def terminal(self) -> bool:
        return self.status in TERMINAL

    @property
    def bytes_until(self) -> int | None:
        """When the result's bytes may go (epoch ms); None: never, or not before its webhook has settled."""
        return bytes_until(self.expires_at, self.delivery.status, self.at)


def head_fragment(head: DocumentHead) -> str:
    """Write the head as JSON without its closing brace: the scripts append the rest."""
    return head.model_dump_json()[:-1]
