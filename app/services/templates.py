"""Templates: which ones a caller sees, and what a reference such as `invoice@3` means right now."""

import re
from uuid import UUID

from app.services.data_schema import DataSchemas
from backends.template_store import TemplateStore
from contracts.errors import Invalid, NotFound
from contracts.jobs import PinnedTemplate
from contracts.templates import TemplateHead, TemplateVersion

REFERENCE = re.compile(r"(?P<name>[a-z0-9-]{1,64})(?:@(?P<which>\d{1,9}|sha256:[0-9a-f]{64}|[A-Za-z0-9._-]{1,64}))?")


class TemplateService:
    def __init__(self, store: TemplateStore) -> None:
        self._store = store
        self._schemas = DataSchemas()

    async def visible(self, user_id: UUID | None) -> list[TemplateHead]:
        """List the templates a user may use (None: all), by name."""
        return await self._store.visible_to(user_id)

    async def get(self, name: str, user_id: UUID) -> TemplateHead:
        """Read a template. Raises NotFound."""
        head = await self._store.find(name, user_id) if REFERENCE.fullmatch(name) else None
        if head is None:
            raise NotFound("template")
        return head

    async def pin(self, reference: str, output_format: str, user_id: UUID, data: dict[str, object]) -> PinnedTemplate:
        """Resolve `name`, `name@3`, `name@tag` or `name@sha256:...` to one version that makes this format.

        Raises Invalid at `/template`, `/format`, or where the data does not fit the template's schema.
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
        if head.data_schema is not None:
            self._schemas.check(head.data_schema, data)
        engine = version.engines[output_format]
        return PinnedTemplate(name=head.name, version=version.version, sha256=version.sha256, engine=engine)


def _version(head: TemplateHead, which: str | None) -> TemplateVersion:
    which = which or "production"
    wanted: int | None
    if which.startswith("sha256:"):
        wanted = next((known.version for known in head.versions if known.sha256 == which[7:]), None)
    else:
        wanted = int(which) if which.isdigit() else head.tags.get(which)
    for known in head.versions:
        if known.version == wanted:
            return known
    tags = ", ".join(sorted(head.tags))
    raise _unknown(f"{head.name} has no version or tag {which!r}; versions: 1 to {len(head.versions)}, tags: {tags}.")


def _unknown(detail: str) -> Invalid:
    return Invalid.at("/template", detail, "unknown_template")
