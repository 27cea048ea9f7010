"""What an engine is given, what it gives back, and the Protocol between it and `core`."""

from collections.abc import Hashable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta, timezone
from typing import Protocol
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from contracts.documents import Warned
from contracts.errors import DocumentError, DocumentFailed
from contracts.jobs import Simulate
from contracts.templates import Missing, TemplateBundle, TemplateSource


@dataclass(frozen=True)
class RenderRequest:
    """One document to render. `data` is a JSON object as UTF-8 bytes; `created_at_ms` is the document's own clock.

    `template` and `version` only name the template in errors. `trusted`: the source ships with Presswork.
    `assets`: the files that the data names as `{"$asset": "sha256:<hex>"}`, by hex. `missing`: what DOCX templates
    print for data that is not there; `strict` goes before it. `fonts`: files that are fonts, in place of the bundle's.
    """

    bundle: TemplateBundle
    data: bytes
    format: str
    created_at_ms: int = 0
    locale: str | None = None
    timezone: str | None = None
    strict: bool = False
    simulate: Simulate | None = None
    template: str | None = None
    version: int | None = None
    trusted: bool = False
    assets: Mapping[str, bytes] = field(default_factory=dict, repr=False)
    missing: Missing = "blank"
    fonts: TemplateBundle | None = None

    @property
    def extra_pages(self) -> int:
        """How many pages to append so that the document has at least `simulate.pages`."""
        return max(self.simulate.pages - 1, 0) if self.simulate else 0


@dataclass(frozen=True, eq=False)
class Shape:
    """How a part of XML was made: from `pieces` of markup whose texts hold no markup and only what XML allows.

    `markup` is the same for parts made of the same markup in the same order, however often kinds of rows repeat in
    it. `rows` says where in `pieces` one of each kind begins and ends.
    """

    pieces: list[bytes]
    content: bytes
    markup: Hashable
    rows: tuple[tuple[int, int], ...]


@dataclass(frozen=True)
class Rendered:
    """A finished document. `pages` is None where the format has none; `shapes`: those of its parts that are known."""

    content: bytes
    pages: int | None = None
    warnings: tuple[Warned, ...] = ()
    shapes: Mapping[str, Shape] = field(default_factory=dict, repr=False, compare=False)


class Renderer(Protocol):
    """An engine. It may keep caches between documents, never anything of a document itself."""

    def warm_up(self) -> None:
        """Do the slow one-time work (fonts, native libraries) before the first document."""

    def cool(self) -> None:
        """Give back memory that is kept for speed."""

    def render(self, source: TemplateSource, request: RenderRequest) -> Rendered:
        """Render `source` of the request's bundle. Raises DocumentFailed with all it can locate."""


def local_moment(request: RenderRequest) -> datetime:
    """Return the document's own time in its zone (UTC if unknown: the API refuses those). Equal jobs, equal bytes."""
    moment = datetime.fromtimestamp(request.created_at_ms // 1000, UTC)
    try:
        offset = moment.astimezone(ZoneInfo(request.timezone or "UTC")).utcoffset() or timedelta()
    except (ZoneInfoNotFoundError, ValueError, OSError):
        return moment
    return moment.astimezone(timezone(offset))


def failed(code: str, message: str, **where: str | int | bool | None) -> DocumentFailed:
    """Make the DocumentFailed of an engine; `where` are further fields of DocumentError."""
    return DocumentFailed(DocumentError.model_validate({"code": code, "message": message, **where}))
