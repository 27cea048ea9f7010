"""Bodies and answers of webhook endpoints."""

from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, Field
from pydantic_core import PydanticCustomError

from app.api import examples
from app.api.document_schemas import Text
from app.api.schemas import Body, Cursor, Limit, Moment, NotNull
from contracts.endpoints import TYPES, EndpointRow, Pause, Reason
from contracts.ids import rfc3339

#: In the contract, but nothing sends it yet.
LATER = ("batch.completed",)


def _known_type(value: str) -> str:
    if value in LATER:
        raise PydanticCustomError(
            "not_available", "There are no batches yet, so nothing sends {type}.", {"type": value}
        )
    if value not in TYPES:
        raise PydanticCustomError("invalid_value", "The types are: {types}.", {"types": ", ".join(TYPES)})
    return value


Url = Annotated[str, Field(min_length=1, max_length=2048)]
Types = Annotated[
    list[Annotated[str, AfterValidator(_known_type)]], Field(min_length=1, max_length=16, description=", ".join(TYPES))
]
Headers = dict[str, str]
Description = Annotated[str, Text, Field(max_length=500)]


class NewEndpoint(Body):
    """Without `types` it is called for every type."""

    model_config = examples.shown({"url": "https://hooks.example.com/presswork", "types": ["document.completed"]})

    url: Url
    types: Types = list(TYPES)
    headers: Headers = Field(default_factory=dict)
    description: Description = ""
    enabled: bool = Field(default=True, strict=True)


class EndpointChanges(Body):
    """What to change; what is left out stays. `headers` and `types` are replaced as a whole."""

    model_config = examples.shown({"enabled": False})

    url: Annotated[Url | None, NotNull] = None
    types: Annotated[Types | None, NotNull] = None
    headers: Annotated[Headers | None, NotNull] = None
    description: Annotated[Description | None, NotNull] = None
    enabled: Annotated[bool | None, Field(strict=True), NotNull] = None


class EndpointQuery(Body):
    limit: Limit = 50
    cursor: Cursor = None


class RecoverRequest(Body):
    model_config = examples.shown({"since": examples.MOMENT})

    since: Moment


class EndpointView(BaseModel):
    """Until `paused_until` it is left alone: most of its calls failed, or it asked for a pause (`Retry-After`)."""

    model_config = examples.shown(examples.ENDPOINT)

    id: str
    user_id: str
    url: str
    types: list[str]
    headers: Headers
    description: str
    enabled: bool
    disabled_because: Literal["owner", "gone", "asked", "failing"] | None
    disabled_at: str | None
    paused_until: str | None
    paused_because: Literal["failing", "asked"] | None
    created_at: str
    updated_at: str
    version: int


class EndpointList(BaseModel):
    model_config = examples.page(examples.ENDPOINT)

    items: list[EndpointView]
    next_cursor: str | None


class RecoverAnswer(BaseModel):
    """How many failed deliveries are due again, how many that were never made are due now; `more`: call again."""

    model_config = examples.shown({"resent": 12, "missing": 3, "more": False})

    resent: int
    missing: int
    more: bool


def endpoint_view(row: EndpointRow, url: str, headers: dict[str, str], pause: Pause | None) -> dict[str, object]:
    """Show an endpoint; `url` and `headers` are what the caller may see of them; `pause`: it is left alone now."""
    because: Reason | None = row.disabled_because or None
    return {
        "id": str(row.endpoint_id),
        "user_id": str(row.user_id),
        "url": url,
        "types": list(row.types),
        "headers": headers,
        "description": row.description,
        "enabled": row.enabled,
        "disabled_because": because,
        "disabled_at": rfc3339(row.disabled_at),
        "paused_until": rfc3339(pause.until if pause else None),
        "paused_because": pause.because if pause else None,
        "created_at": rfc3339(row.created_at),
        "updated_at": rfc3339(row.updated_at),
        "version": row.version,
    }
