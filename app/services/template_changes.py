"""Making and changing templates: each change is compared with what was read, written in one step, and kept by history.

An uploaded file becomes a version only once a generator has compiled it and rendered its sample.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Protocol, cast
from uuid import UUID

import structlog
from pydantic_core import to_json

from app.repository.templates import TemplateRepository
from app.services.assets import AssetService
from app.services.auth import Principal
from app.services.fonts import FontService, texts_of, with_fonts
from app.services.template_uploads import Upload
from app.services.templates import TemplateService
from backends.blobs import BlobStore
from backends.template_store import TemplateStore
from contracts.errors import (
    Conflict,
    Forbidden,
    HistoryUnavailable,
    Invalid,
    NotFound,
    ShippedTemplate,
    VersionMismatch,
)
from contracts.ids import now_ms
from contracts.templates import TemplateHead, TemplateManifest, TemplateVersion, Visibility, bundle_key
from contracts.workbench import Verdict

log = structlog.get_logger(__name__)

PRODUCTION = "production"
MAX_TAGS = 100
#: A larger inferred schema is not kept: it would be read at every accept.
MAX_SCHEMA_BYTES = 256 * 1024
#: How often a change is tried again when somebody else was faster.
CONFLICT_TRIES = 50
#: Uploads that are unpacked and stored at once: each may hold some hundred megabytes.
UPLOADS_AT_ONCE = 4

Change = Callable[[TemplateHead], TemplateHead]
Make = Callable[[], Awaitable[TemplateHead]]


class Checker(Protocol):
    """Raises DocumentFailed for what is wrong with a template, TransientError if no generator tells."""

    async def check(
        self, name: str, sha256: str, sample: dict[str, object] | None, user_id: UUID | None = None
    ) -> Verdict: ...


@dataclass(frozen=True)
class TemplateLimits:
    """How many templates a user may have, and how many versions a template: each accept reads the list of them."""

    per_user: int = 1000
    versions: int = 1000

    def require_room(self, head: TemplateHead) -> None:
        """Raise Conflict `too_many_versions` if a template cannot have another one."""
        if len(head.versions) >= self.versions:
            raise Conflict(
                "too_many_versions",
                f"{self.versions} versions of a template are allowed (PRESSWORK_MAX_VERSIONS_PER_TEMPLATE): upload the"
                " next one under another name, or delete the template and upload it anew: its numbers count on.",
            )


@dataclass(frozen=True)
class NewVersion:
    """What came with an upload. None: keep what the template has."""

    read: Callable[[], Upload]
    sample: dict[str, object] | None = None
    visibility: Visibility | None = None
    publish: bool = False


@dataclass(frozen=True)
class Made:
    """A version that was made: its template, its number, and what the check found."""

    head: TemplateHead
    version: int
    verdict: Verdict


class TemplateChanges:
    """Raises QueueUnavailable, BlobUnavailable, SystemFull beside what the methods say."""

    def __init__(
        self,
        store: TemplateStore,
        templates: TemplateService,
        repository: TemplateRepository,
        blobs: BlobStore,
        checker: Checker,
        assets: AssetService,
        fonts: FontService,
        limits: TemplateLimits,
    ) -> None:
        self._store = store
        self._templates = templates
        self._repository = repository
        self._blobs = blobs
        self._checker = checker
        self._assets = assets
        self._fonts = fonts
        self._limits = limits
        self._uploads = asyncio.Semaphore(UPLOADS_AT_ONCE)

    async def create(self, caller: Principal, name: str, new: NewVersion) -> Made:
        """Make a template, or one anew under the name of a deleted one. Its first version is `production` at once.

        Raises Conflict `name_taken`, `name_reserved` or `too_many_templates`, Invalid, DocumentFailed, NoGenerator.
        """
        owner_id = caller.user.user_id
        await self._require_free(name, owner_id)
        await self._assets.require(owner_id, new.sample, "/sample")
        stored = await self._stored(new, owner_id)
        verdict = await self._checker.check(name, stored.sha256, new.sample, owner_id)

        async def begun() -> TemplateHead:
            known = await self._require_free(name, owner_id)
            return _begun(name, owner_id, stored, new, known)

        head = await self._write(begun, "template.created", owner_id, verdict)
        await self._keep(stored, new, owner_id)
        return Made(head, head.last_version, verdict)

    async def add_version(self, caller: Principal, head: TemplateHead, new: NewVersion) -> Made:
        """Make the next version.

        Raises ShippedTemplate, Forbidden, NotFound, Conflict `too_many_versions`, Invalid, DocumentFailed, NoGenerator.
        """
        _require_owner(caller, head)
        self._limits.require_room(head)
        user_id = caller.user.user_id
        sample = head.sample if new.sample is None else new.sample
        await self._assets.require(user_id, new.sample, "/sample")
        stored = await self._stored(new, user_id)
        verdict = await self._checker.check(head.name, stored.sha256, sample, user_id)

        async def added() -> TemplateHead:
            known = await self._current(head)
            self._limits.require_room(known)
            return _with_version(known, stored, new)

        changed = await self._write(added, "template.version_added", user_id, verdict)
        await self._keep(stored, new, user_id)
        return Made(changed, changed.last_version, verdict)

    async def change(
        self, caller: Principal, head: TemplateHead, changes: Mapping[str, object], revisions: frozenset[int] | None
    ) -> TemplateHead:
        """Change what is no version's own. `revisions`: what If-Match allows.

        Raises ShippedTemplate, Forbidden, NotFound, VersionMismatch, Invalid at `/schema` or in `/sample`, Conflict
        `name_taken`.
        """
        if changes.get("data_schema") is not None:
            schema = cast(dict[str, object], changes["data_schema"])
            await self._templates.require_schema(caller.user.user_id, schema)
        await self._assets.require(caller.user.user_id, changes.get("sample"), "/sample")
        return await self._changed(
            caller, head, lambda known: known.model_copy(update=dict(changes)), "template.updated", revisions
        )

    async def tag(
        self, caller: Principal, head: TemplateHead, tag: str, version: int, revisions: frozenset[int] | None
    ) -> TemplateHead:
        """Let a tag name a version. Raises as `change`, and Invalid at `/version`."""

        def tagged(known: TemplateHead) -> TemplateHead:
            if known.version(version) is None:
                raise Invalid.at("/version", f"{known.name} has no version {version}.")
            if len({*known.tags, tag}) > MAX_TAGS:
                raise Invalid.at("/tag", f"A template has at most {MAX_TAGS} tags.", "too_large")
            return _in_production(known, {**known.tags, tag: version})

        return await self._changed(caller, head, tagged, "template.tagged", revisions)

    async def untag(
        self, caller: Principal, head: TemplateHead, tag: str, revisions: frozenset[int] | None
    ) -> TemplateHead:
        """Remove a tag. Raises as `change`, and Conflict `production_needed`."""
        if tag == PRODUCTION:
            detail = "`production` says what the template's name means: move it to another version instead."
            _require_owner(caller, head)
            raise Conflict("production_needed", detail)

        def untagged(known: TemplateHead) -> TemplateHead:
            if tag not in known.tags:
                raise NotFound("tag")
            return known.model_copy(update={"tags": {name: at for name, at in known.tags.items() if name != tag}})

        return await self._changed(caller, head, untagged, "template.untagged", revisions)

    async def delete(self, caller: Principal, head: TemplateHead, revisions: frozenset[int] | None) -> None:
        """Delete a template: its documents stay, its name is free for its owner, its version numbers never recur."""

        def deleted(known: TemplateHead) -> TemplateHead:
            update: dict[str, object] = {"deleted_at": now_ms(), "sample": None, "data_schema": None, "tags": {}}
            return known.model_copy(update=update)

        await self._changed(caller, head, deleted, "template.deleted", revisions)

    # One change

    async def _changed(
        self, caller: Principal, head: TemplateHead, change: Change, event: str, revisions: frozenset[int] | None
    ) -> TemplateHead:
        _require_owner(caller, head)

        async def changed() -> TemplateHead:
            known = await self._current(head)
            if revisions is not None and known.revision not in revisions:
                raise VersionMismatch()
            return change(known)

        return await self._write(changed, event, caller.user.user_id)

    async def _write(self, make: Make, event: str, actor_id: UUID, verdict: Verdict | None = None) -> TemplateHead:
        """Write what `make` makes of what is there, again and again until nobody was in between."""
        for _ in range(CONFLICT_TRIES):
            made = await make()
            now = max(now_ms(), made.updated_at)
            head = made.model_copy(update={"revision": made.revision + 1, "updated_at": now})
            try:
                await self._store.put(head, event, actor_id, _new_schemas(head, verdict))
            except VersionMismatch:
                continue
            await self._written(head)
            return head
        raise VersionMismatch("Too many are changing this template at once.")

    async def _written(self, head: TemplateHead) -> None:
        try:
            await self._repository.written(head)
        except HistoryUnavailable as error:
            # The change is made: Redis has it, and its event brings the row to ClickHouse later.
            log.warning("template.write_through_failed", template=head.name, error=error.message)

    async def _current(self, head: TemplateHead) -> TemplateHead:
        """Read a template as it is now. Raises NotFound if it was deleted meanwhile."""
        assert head.owner_id is not None
        known = await self._store.of_owner(head.name, head.owner_id)
        if known is None or known.deleted_at is not None:
            raise NotFound("template")
        return known

    async def _require_free(self, name: str, owner_id: UUID) -> TemplateHead | None:
        """Return the deleted template that had this name, if there was one."""
        known = await self._store.of_owner(name, owner_id)
        if known is not None and known.deleted_at is None:
            detail = f"You have a template named {name!r}: add a version to it, or choose another name."
            raise Conflict("name_taken", detail)
        if await self._store.is_shipped(name):
            raise Conflict("name_reserved", f"A template named {name!r} ships with Presswork: choose another name.")
        if await self._store.count(owner_id) >= self._limits.per_user:
            limit = (
                f"{self._limits.per_user} templates are allowed (PRESSWORK_MAX_TEMPLATES_PER_USER): delete one first."
            )
            raise Conflict("too_many_templates", limit)
        return known

    # Uploads

    async def _stored(self, new: NewVersion, user_id: UUID) -> "Stored":
        """Unpack an upload, add the fonts that it names, and store its bundle. Raises Invalid."""
        async with self._uploads:
            upload = await asyncio.to_thread(new.read)
            bundle = with_fonts(upload.bundle, await self._fonts.fonts_for(user_id, texts_of(upload.bundle)))
            await self._blobs.put(bundle_key(bundle.sha256), bundle.pack())
        return Stored(bundle.manifest, bundle.sha256, upload.title, upload.description)

    async def _keep(self, stored: "Stored", new: NewVersion, user_id: UUID) -> None:
        """Store a source again if it went: an old one that no head named may have been pruned just before."""
        if await self._blobs.size(bundle_key(stored.sha256)) is None:
            await self._stored(new, user_id)


@dataclass(frozen=True)
class Stored:
    """An upload whose bundle is in the blob store: it may wait for its check without its bytes."""

    manifest: TemplateManifest
    sha256: str
    title: str
    description: str

    def version(self, number: int) -> TemplateVersion:
        engines = {made: source.engine for source in self.manifest.sources for made in source.formats}
        return TemplateVersion(version=number, sha256=self.sha256, engines=engines, created_at=now_ms())


def _require_owner(caller: Principal, head: TemplateHead) -> None:
    if head.owner_id is None:
        raise ShippedTemplate()
    if caller.role != "admin" and head.owner_id != caller.user.user_id:
        raise Forbidden("Only the template's owner or an admin may change it.")


def _begun(name: str, owner_id: UUID, stored: Stored, new: NewVersion, known: TemplateHead | None) -> TemplateHead:
    """Describe a new template; `known`: the deleted one of this name, whose numbers it counts on from."""
    now, number = now_ms(), known.last_version + 1 if known else 1
    version = stored.version(number)
    return TemplateHead(
        name=name,
        owner_id=owner_id,
        visibility=new.visibility or "private",
        title=stored.title,
        description=stored.description,
        engine=next(iter(version.engines.values())),
        formats=version.formats,
        versions=(version,),
        tags={PRODUCTION: number},
        sample=new.sample,
        created_at=now,
        updated_at=now,
        revision=known.revision if known else 0,
        last_version=number,
        first_at=known.first_at if known else now,
    )


def _with_version(known: TemplateHead, stored: Stored, new: NewVersion) -> TemplateHead:
    number = known.last_version + 1
    update = {
        "versions": (*known.versions, stored.version(number)),
        "last_version": number,
        "visibility": new.visibility or known.visibility,
        "sample": known.sample if new.sample is None else new.sample,
        "title": stored.title or known.title,
        "description": stored.description or known.description,
    }
    head = known.model_copy(update=update)
    return _in_production(head, {**head.tags, PRODUCTION: number}) if new.publish else head


def _in_production(head: TemplateHead, tags: dict[str, int]) -> TemplateHead:
    """Set the tags; engine and formats are those of `production`."""
    shown = head.version(tags[PRODUCTION])
    assert shown is not None
    engine = next(iter(shown.engines.values()))
    return head.model_copy(update={"tags": tags, "engine": engine, "formats": shown.formats})


def _new_schemas(head: TemplateHead, verdict: Verdict | None) -> dict[int, str]:
    if verdict is None or verdict.inferred_schema is None:
        return {}
    text = to_json(verdict.inferred_schema).decode()
    return {head.last_version: text} if len(text) <= MAX_SCHEMA_BYTES else {}
