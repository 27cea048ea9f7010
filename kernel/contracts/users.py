"""Users and API keys as rows: Redis serves them, ClickHouse keeps them, an event tells of every change."""

from typing import Literal
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field

Role = Literal["admin", "member", "viewer"]
UserStatus = Literal["active", "suspended"]
Scope = Literal["all"]


class UserRow(BaseModel, frozen=True):
    """A user. `version` counts from 1 with each change; times are epoch milliseconds.

    `webhook_secret`: sealed, with those it has replaced (contracts.secret_ring.SecretRing).
    """

    model_config = ConfigDict(extra="ignore")

    user_id: UUID
    email: str
    email_norm: str
    name: str
    role: Role
    status: UserStatus
    attrs: dict[str, object] = Field(default_factory=dict)
    webhook_secret: str
    created_at: int
    updated_at: int
    version: int
    deleted: int = 0


class UserEvent(UserRow, frozen=True):
    """A line of the event stream: the user after the change. `event`: user.created, user.updated, user.deleted,
    user.webhook_secret_rotated.
    """

    event: str
    at: int
    actor_id: UUID | None = None


class KeyRow(BaseModel, frozen=True):
    """An API key without the key: `digest` is its HMAC-SHA256. Times are epoch milliseconds."""

    model_config = ConfigDict(extra="ignore")

    key_id: UUID
    user_id: UUID
    name: str
    prefix: str
    digest: str
    scopes: tuple[Scope, ...] = ()
    created_at: int
    expires_at: int | None = None
    revoked_at: int | None = None
    version: int = 1


class KeyEvent(KeyRow, frozen=True):
    """A line of the event stream: the key after the change. `event`: key.created, key.revoked."""

    event: str
    at: int
    actor_id: UUID | None = None
