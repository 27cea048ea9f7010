"""The job: everything a worker needs to make one document, and everything needed to make it again.

Written once at accept: to Redis (the live copy) and later to `inputs/{document_id}` in the blob store (for retry).
"""

from collections.abc import Iterable
from uuid import UUID

from pydantic import BaseModel, Field

from contracts.assets import use_key
from contracts.documents import DocumentHead, Format, Priority, Warned
from contracts.fonts import font_use_key
from contracts.templates import Missing

#: Crashes (not failures) of a worker on one run before the document is set aside.
MAX_CRASHES = 3
#: From this many on it is rendered with nobody beside it, so that the crash that would set it aside is its own.
ALONE_AFTER_CRASHES = 2


class PinnedTemplate(BaseModel, frozen=True):
    """A template version, pinned at accept: what is rendered does not change while the job waits."""

    name: str
    version: int
    sha256: str
    engine: str
    missing: Missing = "blank"
    #: It ships with Presswork: it may be rendered where no process can be confined.
    trusted: bool = False


class InlineSource(BaseModel, frozen=True):
    """A template that came with the request. `content` is text, or base64 for binary engines.

    `fonts`: those of the user that it names, as `<sha256>.<ttf, otf or ttc>`.
    """

    engine: str
    content: str
    encoding: str
    sha256: str
    fonts: tuple[str, ...] = ()


class Callback(BaseModel, frozen=True):
    url: str
    headers: dict[str, str] = Field(default_factory=dict)


class Simulate(BaseModel, frozen=True):
    """Imitates heavy generation: the render also takes `seconds`, the document also has `pages` pages."""

    seconds: float = Field(default=0, ge=0, le=3600)
    pages: int = Field(default=0, ge=0, le=10_000)


class JobOptions(BaseModel, frozen=True):
    strict: bool = False
    max_attempts: int = 3
    timeout_s: float = 30
    simulate: Simulate | None = None


class GenerationJob(BaseModel, frozen=True):
    """One document to make. Exactly one of `template` and `source` is set. `run_at` and `created_at`: epoch ms."""

    document_id: UUID
    user_id: UUID
    created_at: int
    template: PinnedTemplate | None = None
    source: InlineSource | None = None
    data: dict[str, object] = Field(default_factory=dict)
    format: Format
    filename: str
    locale: str | None = None
    timezone: str | None = None
    priority: Priority = "normal"
    lane: str
    subject: str | None = None
    metadata: dict[str, str] = Field(default_factory=dict)
    callback: Callback | None = None
    run_at: int | None = None
    expires_in: int | None = None
    options: JobOptions = JobOptions()
    #: What was found at accept and did not refuse it: shown with the result.
    warnings: tuple[Warned, ...] = ()
    request_id: str = ""
    #: What the queue keeps the client's Idempotency-Key under: deleting the document frees it.
    idempotency_key: str = ""
    #: What it is compared by, and until when (epoch ms): with these it can be put back should Redis be lost.
    idempotency_fingerprint: str = ""
    idempotency_until: int = 0

    @property
    def engine(self) -> str:
        pinned = self.template or self.source
        assert pinned is not None
        return pinned.engine

    def head(self) -> DocumentHead:
        """Return the immutable part of this document's row."""
        pinned = self.template or self.source
        assert pinned is not None
        return DocumentHead(
            document_id=self.document_id,
            user_id=self.user_id,
            created_at=self.created_at,
            output_format=self.format,
            template_name=self.template.name if self.template else None,
            template_version=self.template.version if self.template else None,
            template_sha256=pinned.sha256,
            priority=self.priority,
            lane=self.lane,
            subject=self.subject,
            metadata=self.metadata,
            run_at=self.run_at,
        )


def held_keys(document_id: UUID, assets: Iterable[str], source: InlineSource | None) -> list[str]:
    """Name the empty blobs that hold a document's assets (hex digests) and fonts while it may be made from them."""
    fonts = source.fonts if source else ()
    return [
        *(use_key(document_id, digest) for digest in assets),
        *(font_use_key(document_id, font.partition(".")[0]) for font in fonts),
    ]


def result_key(document_id: UUID, token: int) -> str:
    """Name the blob of one attempt: the fencing token keeps a zombie's bytes from the winner's."""
    return f"results/{document_id}/{token}"


def input_key(document_id: UUID) -> str:
    """Name the blob that keeps a document's job for retries."""
    return f"inputs/{document_id}"
