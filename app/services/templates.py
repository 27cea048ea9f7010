"""Templates: which ones a caller sees, and what a reference such as `invoice@3` means right now."""

import asyncio
import re
from dataclasses import dataclass
from pathlib import PurePosixPath
from uuid import UUID

import structlog

from app.services.auth import Principal
from app.services.judge_child import Judgement
from app.services.judges import Judges
from app.services.template_uploads import source_archive
from backends.blobs import BlobStore
from backends.template_store import TemplateStore
from contracts.documents import Warned, own_type
from contracts.errors import Invalid, NotFound
from contracts.jobs import PinnedTemplate
from contracts.templates import TemplateBundle, TemplateHead, TemplateVersion, bundle_key

NAME = re.compile(r"[a-z0-9-]{1,64}")
REFERENCE = re.compile(r"(?P<name>[a-z0-9-]{1,64})(?:@(?P<which>\d{1,9}|sha256:[0-9a-f]{64}|[A-Za-z0-9._-]{1,64}))?")

MEDIA_TYPES = {".typ": "text/plain; charset=utf-8", ".docx": own_type("docx")}

log = structlog.get_logger(__name__)

Judged = tuple[PinnedTemplate, tuple[Warned, ...]]


class TemplateService:
    def __init__(self, store: TemplateStore, blobs: BlobStore, judges: Judges) -> None:
        self._store = store
        self._blobs = blobs
        self._judges = judges

    async def visible(self, user_id: UUID | None) -> list[TemplateHead]:
        """List the templates a user may use (None: all), by name."""
        return await self._store.visible_to(user_id)

    async def get(self, name: str, caller: Principal, owner_id: UUID | None = None) -> TemplateHead:
        """Read what a name means to the caller, or the template of this name that `owner_id` made. Raises NotFound."""
        head = None
        if NAME.fullmatch(name) and owner_id is not None:
            head = await self._store.of_owner(name, owner_id)
        elif NAME.fullmatch(name):
            head = await self._store.find_now(name, caller.user.user_id)
        if head is None or head.deleted_at is not None or not _sees(caller, head):
            raise NotFound("template")
        return head

    async def schema(self, head: TemplateHead) -> tuple[dict[str, object], bool]:
        """Return the schema that data must fit, and whether it was given or inferred. Raises NotFound."""
        if head.data_schema is not None:
            return head.data_schema, True
        inferred = await self._store.schema(head, head.tags["production"])
        if inferred is None:
            raise NotFound("schema")
        return inferred, False

    async def source(self, head: TemplateHead, number: int) -> "Source":
        """Return what a version was made of. Raises NotFound, BlobUnavailable."""
        known = head.version(number)
        packed = await self._blobs.get(bundle_key(known.sha256)) if known else None
        if packed is None:
            raise NotFound("version" if known is None else "source any more")
        return await asyncio.to_thread(_source, head, packed)

    async def require_schema(self, user_id: UUID, schema: dict[str, object]) -> None:
        """Raise Invalid at `/schema` for what is no JSON Schema 2020-12, or leads out of itself; RateLimited."""
        try:
            await self._judges.require(user_id, schema)
        except ValueError as error:
            detail = f"This is not a JSON Schema (2020-12) that stands alone: {error}"
            raise Invalid.at("/schema", detail[:500], "invalid_schema") from error

    async def pin(
        self, reference: str, output_format: str, user_id: UUID, data: dict[str, object], *, strict: bool = False
    ) -> Judged:
        """Resolve `name`, `name@3`, `name@tag` or `name@sha256:...` to one version that makes this format.

        Returns it, and what to warn of. Raises Invalid at `/template`, `/format`, or where the data does not fit the
        template's schema; with `strict` also where that would be a warning. RateLimited for too much of that at once.
        """
        match = REFERENCE.fullmatch(reference)
        head = await self._store.find(match["name"], user_id) if match else None
        if match is None or head is None:
            names = ", ".join(known.name for known in (await self._store.visible_to(user_id))[:10])
            raise _unknown(f"There is no template {reference!r}; there are: {names or 'none'}.")
        version = _version(head, match["which"])
        if output_format not in version.formats:
            made = ", ".join(version.formats)
            detail = f"{head.name} cannot be made as {output_format}; it can be: {made}."
            raise Invalid.at("/format", detail, "unsupported_format")
        pinned = PinnedTemplate(
            name=head.name,
            version=version.version,
            sha256=version.sha256,
            engine=version.engines[output_format],
            missing=head.missing,
            trusted=head.owner_id is None,
        )
        return pinned, await self._judged(user_id, head, version, data, strict)

    async def _judged(
        self, user_id: UUID, head: TemplateHead, version: TemplateVersion, data: dict[str, object], strict: bool
    ) -> tuple[Warned, ...]:
        given = head.data_schema is not None
        schema = head.data_schema if given else await self._store.schema(head, version.version)
        if schema is None:
            return ()
        try:
            order = Judgement.model_construct(
                schema_=schema, data=data, validation=head.validation, given=given, strict=strict
            )
            return await self._judges.judge(user_id, order)
        except ValueError as error:  # an inferred one that is none: a bug, but documents can be made all the same
            log.error("schema.unusable", template=head.name, version=version.version, error=str(error))
            return ()


@dataclass(frozen=True)
class Source:
    """What a version was made of, as it is downloaded."""

    filename: str
    content: bytes
    media_type: str


def _source(head: TemplateHead, packed: bytes) -> Source:
    bundle = TemplateBundle.unpack(packed)
    if len(bundle.files) > 1 or bundle.manifest.pdf_standards or bundle.manifest.tagged:
        content = source_archive(bundle, head.title, head.description)
        return Source(f"{head.name}.zip", content, "application/zip")
    ((file, content),) = bundle.files.items()
    suffix = PurePosixPath(file).suffix.lower()
    return Source(f"{head.name}{suffix}", content, MEDIA_TYPES.get(suffix, "application/octet-stream"))


def _sees(caller: Principal, head: TemplateHead) -> bool:
    return head.owner_id is None or head.visibility == "shared" or caller.sees(head.owner_id)


def _version(head: TemplateHead, which: str | None) -> TemplateVersion:
    which = which or "production"
    wanted: int | None
    if which.startswith("sha256:"):
        wanted = next((known.version for known in head.versions if known.sha256 == which[7:]), None)
    else:
        wanted = int(which) if which.isdigit() else head.tags.get(which)
    known = head.version(wanted) if wanted is not None else None
    if known is not None:
        return known
    tags, first, last = ", ".join(sorted(head.tags)), head.versions[0].version, head.versions[-1].version
    raise _unknown(f"{head.name} has no version or tag {which!r}; versions: {first} to {last}, tags: {tags}.")


def _unknown(detail: str) -> Invalid:
    return Invalid.at("/template", detail, "unknown_template")
