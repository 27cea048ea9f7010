"""Bodies and answers of users and keys. Unknown fields are refused; times are RFC 3339 UTC."""

import math
import re
import unicodedata
from datetime import UTC, datetime
from typing import Annotated, Literal
from uuid import UUID

from email_validator import EmailNotValidError, validate_email
from pydantic import AfterValidator, AwareDatetime, BaseModel, BeforeValidator, ConfigDict, Field, StringConstraints
from pydantic_core import PydanticCustomError, to_json

from app.api import examples
from app.services.auth import Principal
from contracts.errors import Invalid
from contracts.ids import rfc3339
from contracts.users import KeyRow, Role, Scope, UserRow, UserStatus

MAX_ATTRS_BYTES = 4096
#: Embeddings, overrides and isolates of direction: with them "gpj.exe" is shown as "exe.jpg" (Unicode TR 36, 3.3).
TURNING = frozenset("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")
DATE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}[Tt ]")


def _email(value: str) -> str:
    try:
        found = validate_email(value, check_deliverability=False, globally_deliverable=False)
    except EmailNotValidError as error:
        raise PydanticCustomError("invalid_email", "{reason}", {"reason": str(error)}) from error
    return found.normalized


def _no_controls(value: str) -> str:
    if unprintable(value):
        raise PydanticCustomError("control_character", "Control characters are not allowed here.")
    if value and all(unicodedata.category(character)[0] in "CZ" for character in value):
        raise PydanticCustomError("control_character", "This has no character that can be seen.")
    return value


def unprintable(value: str) -> bool:
    """Tell whether a text holds control characters, or marks that turn the direction of what stands around it."""
    return any(unicodedata.category(one) in ("Cc", "Cs") or one in TURNING for one in value)


def _small_object(value: dict[str, object]) -> dict[str, object]:
    if not all(_storable(inner) for inner in value.values()):
        raise PydanticCustomError("invalid_value", "Numbers in attrs must fit 64 bits and be finite.")
    if len(to_json(value)) > MAX_ATTRS_BYTES:
        raise PydanticCustomError(
            "too_large", "attrs may hold at most {limit} bytes of JSON.", {"limit": MAX_ATTRS_BYTES}
        )
    return value


def _storable(value: object) -> bool:
    if isinstance(value, dict):
        return all(_storable(inner) for inner in value.values())
    if isinstance(value, list):
        return all(_storable(inner) for inner in value)
    if isinstance(value, float):
        return math.isfinite(value)
    return not isinstance(value, int) or -(2**63) <= value < 2**63


def _not_null(value: object) -> object:
    if value is None:
        raise PydanticCustomError("null_not_allowed", "null is not allowed: leave the field out to keep its value.")
    return value


def _written(value: object) -> object:
    if not isinstance(value, str) or not DATE.match(value):
        raise PydanticCustomError("invalid_time", "A time is RFC 3339 text, such as 2026-03-01T09:30:00Z.")
    return value


Email = Annotated[str, StringConstraints(max_length=320, strip_whitespace=True), AfterValidator(_email)]
Name = Annotated[
    str, StringConstraints(min_length=1, max_length=200, strip_whitespace=True), AfterValidator(_no_controls)
]
Attrs = Annotated[dict[str, object], AfterValidator(_small_object)]
NotNull = AfterValidator(_not_null)
#: pydantic alone would take 1772357400 and "1772357400" for times too.
Moment = Annotated[AwareDatetime, BeforeValidator(_written)]
Limit = Annotated[int, Field(ge=1, le=200, description="How many items, 1 to 200")]
Cursor = Annotated[str | None, Field(max_length=2000, description="`next_cursor` of the page before")]


class Body(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class NewUser(Body):
    model_config = examples.shown({"email": "ada@example.com", "name": "Ada Lovelace"})

    email: Email
    name: Name
    role: Role = "member"
    status: UserStatus = "active"
    attrs: Attrs = Field(default_factory=dict)


class UserChanges(Body):
    """What to change; what is left out stays. `attrs` is replaced as a whole."""

    model_config = examples.shown({"name": "Ada King"})

    email: Annotated[Email | None, NotNull] = None
    name: Annotated[Name | None, NotNull] = None
    role: Annotated[Role | None, NotNull] = None
    status: Annotated[UserStatus | None, NotNull] = None
    attrs: Annotated[Attrs | None, NotNull] = None


class NewKey(Body):
    model_config = examples.shown({"name": "billing service"})

    name: Name
    scopes: tuple[Scope, ...] = ()
    expires_at: Moment | None = None


class UserQuery(Body):
    q: Annotated[str | None, Field(max_length=200, description="Part of the name or e-mail address")] = None
    email: Annotated[str | None, Field(max_length=320, description="The exact address; case does not matter")] = None
    role: Role | None = None
    status: UserStatus | None = None
    limit: Limit = 50
    cursor: Cursor = None


class PageQuery(Body):
    limit: Limit = 50
    cursor: Cursor = None


class User(BaseModel):
    model_config = examples.shown(examples.USER)

    id: str
    email: str
    name: str
    role: Role
    status: UserStatus
    attrs: dict[str, object]
    created_at: str
    updated_at: str
    version: int


class Key(BaseModel):
    model_config = examples.shown(examples.KEY)

    id: str
    name: str
    prefix: str
    scopes: tuple[Scope, ...]
    expires_at: str | None
    created_at: str


class NewKeyShown(Key):
    """The only answer that ever holds the key."""

    model_config = examples.shown({**examples.KEY, "key": "pw_EvWdh0a7u6p84RsxDdWzASUOV5dEPOB2EJmJXNy06sa1ldil8"})

    key: str


class ListedKey(Key):
    last_used_at: str | None


class KeyShown(BaseModel):
    id: str
    name: str
    scopes: tuple[Scope, ...]


class Limits(BaseModel):
    max_body_bytes: int
    max_metadata_bytes: int
    max_open_documents: int
    max_timeout_s: float
    max_attempts: int


class Me(BaseModel):
    model_config = examples.shown(
        {
            "user": examples.USER,
            "key": {name: examples.KEY[name] for name in ("id", "name", "scopes")},
            "limits": examples.LIMITS,
        }
    )

    user: User
    key: KeyShown
    limits: Limits


class UserList(BaseModel):
    model_config = examples.page(examples.USER)

    items: list[User]
    next_cursor: str | None


class KeyList(BaseModel):
    model_config = examples.page({**examples.KEY, "last_used_at": examples.LATER})

    items: list[ListedKey]
    next_cursor: str | None


class HolderQuery(Body):
    owner_id: Annotated[UUID | None, Field(description="Whose; without it one's own. For admins")] = None


class HeldQuery(PageQuery, HolderQuery):
    pass


class AssetShown(BaseModel):
    model_config = examples.shown({"asset": f"sha256:{examples.SHA256}"})

    asset: str


class ListedAsset(BaseModel):
    """`size` in bytes; `used_at`: of the last upload or use, to the hour."""

    model_config = examples.shown(examples.ASSET)

    asset: str
    media_type: str
    size: int
    created_at: str
    used_at: str


class AssetList(BaseModel):
    model_config = examples.page(examples.ASSET)

    items: list[ListedAsset]
    next_cursor: str | None


class FontQuery(Body):
    visibility: Literal["private", "shared"] = Field(
        default="private", description="shared: for everybody's templates; admins only"
    )


class FontShown(BaseModel):
    """A font. `owner_id`: null for one that ships; `sha256`, `size`: null for one inside the engine."""

    model_config = examples.shown(examples.FONT)

    family: str
    style: str
    sha256: str | None
    size: int | None
    owner_id: str | None
    visibility: Literal["private", "shared"]


class NewFontShown(BaseModel):
    model_config = examples.shown({"font": examples.FONT})

    font: FontShown


class FontList(BaseModel):
    model_config = examples.page(examples.FONT)

    items: list[FontShown]
    next_cursor: str | None


class WebhookSecret(BaseModel):
    model_config = examples.shown({"secret": "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "previous_valid_until": None})

    secret: str
    previous_valid_until: str | None


def user_view(row: UserRow) -> User:
    return User(
        id=str(row.user_id),
        email=row.email,
        name=row.name,
        role=row.role,
        status=row.status,
        attrs=row.attrs,
        created_at=str(rfc3339(row.created_at)),
        updated_at=str(rfc3339(row.updated_at)),
        version=row.version,
    )


def key_view(row: KeyRow) -> dict[str, object]:
    return {
        "id": str(row.key_id),
        "name": row.name,
        "prefix": row.prefix,
        "scopes": row.scopes,
        "expires_at": rfc3339(row.expires_at),
        "created_at": rfc3339(row.created_at),
    }


def me_view(caller: Principal, limits: Limits) -> Me:
    key = KeyShown(id=str(caller.key.key_id), name=caller.key.name, scopes=caller.key.scopes)
    return Me(user=user_view(caller.user), key=key, limits=limits)


def epoch_ms(moment: datetime | None, pointer: str) -> int | None:
    """Turn an aware time into epoch milliseconds. Raises Invalid at `pointer`."""
    if moment is None:
        return None
    try:
        return int(moment.astimezone(UTC).timestamp() * 1000)
    except OverflowError:
        raise Invalid.at(pointer, "The time lies outside of the years 1 to 9999 in UTC.") from None
