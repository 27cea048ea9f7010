"""Bodies, queries and answers of documents. Field by field the contract of docs/api.md."""

import json
import re
import zoneinfo
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StringConstraints, model_validator
from pydantic_core import PydanticCustomError

from app.api import examples
from app.api.depth import data_depth
from app.api.schemas import Body, Cursor, Limit, Moment, unprintable
from contracts.documents import Format, Priority, Status
from contracts.jobs import Simulate
from contracts.templates import ENGINES

LOCALE = re.compile(r"[A-Za-z]{2,3}([-_][A-Za-z0-9]{2,8})*")
MAX_KEPT_S = 10 * 365 * 86_400


def _file_name(value: str) -> str:
    if value in (".", "..") or unprintable(value) or any(char in '/\\"' for char in value):
        raise PydanticCustomError("invalid_value", "A file name has no slashes, quotes or control characters.")
    return value


def _locale(value: str) -> str:
    if not LOCALE.fullmatch(value):
        raise PydanticCustomError("invalid_value", "A locale is a language tag such as en, en-GB or ru.")
    return value.replace("_", "-")


def _timezone(value: str) -> str:
    try:
        zoneinfo.ZoneInfo(value)
    except (ValueError, OSError, zoneinfo.ZoneInfoNotFoundError):
        raise PydanticCustomError("invalid_value", "A time zone is an IANA name such as Europe/London.") from None
    return value


def _printable(value: str) -> str:
    if unprintable(value):
        raise PydanticCustomError("control_character", "Control characters are not allowed here.")
    return value


def _available(value: str) -> str:
    if value not in ENGINES:
        message = "Inline sources of this engine are not available yet; available: typst, docx."
        raise PydanticCustomError("not_available", message)  # noqa: B904
    return value


Text = AfterValidator(_printable)
Data = Annotated[dict[str, object], AfterValidator(data_depth)]
Label = Annotated[str, StringConstraints(min_length=1, max_length=200), Text]


class Source(Body):
    """A template that comes with the request. It sees nothing but its data: its root is empty."""

    engine: Annotated[Literal["typst", "html", "markdown", "docx"], AfterValidator(_available)]
    content: Annotated[str, StringConstraints(min_length=1)]
    encoding: Literal["utf-8", "base64"] = "utf-8"


class SimulateOption(Body):
    seconds: float = Field(default=0, ge=0, le=3600, strict=True)
    pages: int = Field(default=0, ge=0, le=10_000, strict=True)

    def option(self) -> Simulate:
        return Simulate(seconds=self.seconds, pages=self.pages)


class Options(Body):
    strict: bool = Field(
        default=False, strict=True, description="Warnings (missing data, missing glyphs) fail the document"
    )
    max_attempts: int = Field(default=3, ge=1, strict=True)
    timeout_s: float | None = Field(default=None, gt=0, strict=True, description="Wall clock limit of a render, in s")
    simulate: SimulateOption | None = None


class DocumentRequest(Body):
    model_config = examples.shown(examples.DOCUMENT_REQUEST)

    template: Annotated[str, StringConstraints(min_length=1, max_length=200)] | None = None
    source: Source | None = None
    data: Data = Field(default_factory=dict)
    format: Format = "pdf"
    filename: Annotated[str, StringConstraints(min_length=1, max_length=255), AfterValidator(_file_name)] | None = None
    callback_url: Annotated[str, StringConstraints(min_length=1, max_length=2048)] | None = None
    callback_headers: dict[str, str] = Field(default_factory=dict)
    locale: Annotated[str, StringConstraints(max_length=35), AfterValidator(_locale)] | None = None
    timezone: Annotated[str, StringConstraints(max_length=64), AfterValidator(_timezone)] | None = None
    priority: Priority = "normal"
    lane: Annotated[str, StringConstraints(min_length=1, max_length=128), Text] | None = None
    run_at: Moment | None = None
    expires_in: int | None = Field(
        default=None, ge=60, le=MAX_KEPT_S, strict=True, description="Seconds the result is kept"
    )
    subject: Label | None = None
    metadata: dict[Label, Annotated[str, Text]] = Field(default_factory=dict)
    options: Options = Options()

    @model_validator(mode="after")
    def _one_origin(self) -> Self:
        if (self.template is None) == (self.source is None):
            raise PydanticCustomError("template_or_source", "Give either `template` or `source`, and not both.")
        if self.callback_headers and self.callback_url is None:
            raise PydanticCustomError("callback_url_missing", "`callback_headers` needs `callback_url`.")
        return self


class RenderOptions(Body):
    strict: bool = Field(default=False, strict=True, description="Warnings fail the render")
    timeout_s: float | None = Field(default=None, gt=0, strict=True, description="Wall clock limit of it, in s")
    simulate: SimulateOption | None = None


class RenderRequest(Body):
    """A document to make now: the fields of a document request that have to do with its making."""

    model_config = examples.shown(examples.RENDER_REQUEST)

    template: Annotated[str, StringConstraints(min_length=1, max_length=200)] | None = None
    source: Source | None = None
    data: Data = Field(default_factory=dict)
    format: Format = "pdf"
    locale: Annotated[str, StringConstraints(max_length=35), AfterValidator(_locale)] | None = None
    timezone: Annotated[str, StringConstraints(max_length=64), AfterValidator(_timezone)] | None = None
    options: RenderOptions = RenderOptions()

    @model_validator(mode="after")
    def _one_origin(self) -> Self:
        if (self.template is None) == (self.source is None):
            raise PydanticCustomError("template_or_source", "Give either `template` or `source`, and not both.")
        return self

    def as_document(self) -> DocumentRequest:
        """Return the document request that it would be: the same rules hold."""
        options = Options(strict=self.options.strict, timeout_s=self.options.timeout_s, simulate=self.options.simulate)
        return DocumentRequest(
            template=self.template,
            source=self.source,
            data=self.data,
            format=self.format,
            locale=self.locale,
            timezone=self.timezone,
            options=options,
        )


class RetryRequest(Body):
    model_config = examples.shown({"template": "invoice@2"})

    template: Annotated[str, StringConstraints(min_length=1, max_length=200)] | None = None


class WaitQuery(Body):
    wait: float = Field(default=0, ge=0, le=60, description="Seconds to wait for the document to end")


class DocumentQuery(BaseModel):
    # `metadata[k]` cannot be declared (see takes_map); GuardedRoute refuses unknown names.
    model_config = ConfigDict(frozen=True)

    status: Status | None = None
    template: Annotated[str | None, Field(max_length=200)] = None
    format: Format | None = None
    user_id: Annotated[str | None, Field(max_length=64)] = None
    lane: Annotated[str | None, Field(max_length=128)] = None
    subject: Annotated[str | None, Field(max_length=200)] = None
    created_after: Moment | None = None
    created_before: Moment | None = None
    batch_id: Annotated[str | None, Field(max_length=64)] = None
    limit: Limit = 50
    cursor: Cursor = None


class ContentQuery(BaseModel):
    # Links may carry parameters of others; GuardedRoute refuses unknown ones elsewhere.
    model_config = ConfigDict(frozen=True)

    expires: int | None = None
    signature: Annotated[str | None, Field(max_length=200)] = None


class Links(BaseModel):
    self: str
    content: str
    events: str


class AcceptedDocument(BaseModel):
    model_config = examples.shown(examples.ACCEPTED)

    id: str
    status: Status
    links: Links


class TemplateRef(BaseModel):
    name: str | None
    version: int | None
    sha256: str


class Timings(BaseModel):
    queued_ms: int | None
    render_ms: int | None
    total_ms: int | None


class Warned(BaseModel):
    code: str
    message: str


class ResultShown(BaseModel):
    bytes: int
    sha256: str
    pages: int | None
    content_type: str
    filename: str
    url: str
    url_expires_at: str
    warnings: list[Warned]


class ErrorShown(BaseModel):
    code: str
    message: str
    template: str | None
    version: int | None
    line: int | None
    column: int | None
    part: str | None
    tag: str | None
    data_path: str | None
    excerpt: str | None
    hint: str | None
    retryable: bool


class DeliveryShown(BaseModel):
    status: Literal["none", "pending", "delivered", "dead"]
    attempts: int
    next_attempt_at: str | None


class Document(BaseModel):
    model_config = examples.shown(examples.DOCUMENT)

    id: str
    status: Status
    format: Format
    template: TemplateRef
    user_id: str
    run: int
    attempts: int
    priority: Priority
    lane: str
    subject: str | None
    metadata: dict[str, str]
    created_at: str
    started_at: str | None
    completed_at: str | None
    expires_at: str | None
    timings: Timings
    result: ResultShown | None
    error: ErrorShown | None
    delivery: DeliveryShown


class DocumentList(BaseModel):
    model_config = examples.page(examples.DOCUMENT)

    items: list[Document]
    next_cursor: str | None


class EventShown(BaseModel):
    at: str
    event: str
    run: int
    attempt: int
    worker: str
    detail: dict[str, object] | None


class EventList(BaseModel):
    model_config = examples.shown(examples.EVENTS)

    items: list[EventShown]


def metadata_bytes(metadata: dict[str, str]) -> int:
    return len(json.dumps(metadata, ensure_ascii=False, separators=(",", ":")).encode(errors="surrogatepass"))
