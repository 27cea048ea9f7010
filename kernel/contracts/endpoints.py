"""Webhook endpoints as rows: receivers that a user has registered for types of events. Redis serves them, ClickHouse
keeps them, an event tells of every change.
"""

from dataclasses import dataclass
from typing import Literal
from uuid import UUID

from pydantic import BaseModel, ConfigDict

from contracts.deliveries import CANCELLED, COMPLETED, FAILED

DISABLED, PING = "endpoint.disabled", "ping"
#: What an endpoint may ask for; a `ping` is sent to whichever is tested.
TYPES = (COMPLETED, FAILED, CANCELLED, DISABLED)

#: Why an endpoint gets nothing: by its owner; it answered 410, or `webhook-delivery: disable`; it failed for days.
Reason = Literal["", "owner", "gone", "asked", "failing"]
#: Why a receiver is left alone for a while: most of its calls failed, or it asked for a pause (`Retry-After`).
PauseReason = Literal["failing", "asked"]


@dataclass(frozen=True)
class Pause:
    """A receiver is left alone until then (epoch milliseconds)."""

    until: int
    because: PauseReason


class EndpointRow(BaseModel, frozen=True):
    """An endpoint. `version` counts from 1 with each change; times are epoch milliseconds.

    `secret`: sealed, with those it has replaced (contracts.secret_ring.SecretRing). `headers`: a JSON object, sealed;
    empty for none. `disabled_because` is empty while it is enabled.
    """

    model_config = ConfigDict(extra="ignore")

    endpoint_id: UUID
    user_id: UUID
    url: str
    types: tuple[str, ...]
    headers: str = ""
    description: str = ""
    disabled_because: Reason = ""
    disabled_at: int | None = None
    secret: str
    created_at: int
    updated_at: int
    version: int
    deleted: int = 0

    @property
    def enabled(self) -> bool:
        return not self.disabled_because and not self.deleted


class EndpointEvent(BaseModel, frozen=True):
    """A line of the event stream: an endpoint after a change.

    `event`: endpoint.created, endpoint.updated, endpoint.secret_rotated, endpoint.disabled, endpoint.deleted.
    """

    endpoint_id: UUID
    user_id: UUID
    row: EndpointRow
    created_at: int
    updated_at: int
    version: int
    deleted: int
    event: str
    at: int
    actor_id: UUID | None = None

    @classmethod
    def of(cls, row: EndpointRow, event: str, at: int, actor_id: UUID | None = None) -> "EndpointEvent":
        """Tell of a row that was just changed."""
        same = row.model_dump(include={"endpoint_id", "user_id", "created_at", "updated_at", "version", "deleted"})
        return cls(**same, row=row, event=event, at=at, actor_id=actor_id)
