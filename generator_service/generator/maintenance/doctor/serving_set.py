"""Does Redis hold what serving needs: users, keys, templates, endpoints, and the mark that says that it is all there?

Rebuilt from ClickHouse, and the templates that ship with Presswork from their files. What Redis has is newer and stays,
unless Redis was set back: then history has a higher version.
"""

import re
from collections.abc import AsyncIterator, Collection, Sequence
from itertools import batched
from uuid import UUID

from backends.accounts import forgotten
from backends.history_templates import live_schemas
from contracts.endpoints import EndpointRow
from contracts.templates import TemplateHead, bundle_key
from contracts.users import KeyRow, UserRow
from generator.bundles import register
from generator.maintenance.doctor.port import MENDED, Finding, Flaw
from generator.maintenance.doctor.stores import Stores
from generator.shipped import load_shipped

STEP = 500
VERSION = re.compile(r'"version":(\d+)')
MARK = "populated"


class ServingSet:
    name = "serving-set"
    title = "users, keys, templates and endpoints in Redis"
    flaws = {
        "user": Flaw("users that Redis lacks or has an older version of", "taken over from history"),
        "key": Flaw("keys that Redis lacks or has an older version of", "taken over from history"),
        "template": Flaw("templates of Presswork's own that Redis lacks", "registered again"),
        "upload": Flaw("templates of users that Redis lacks or has an older version of", "taken over from history"),
        "endpoint": Flaw("webhook endpoints that Redis lacks or has an older version of", "taken over from history"),
        "source": Flaw("template sources that the blob store lacks", "stored again if they ship with Presswork"),
        "mark": Flaw("marks that the set is complete", "set"),
    }

    def __init__(self, stores: Stores) -> None:
        self._stores = stores
        self._users: dict[str, UserRow] = {}
        self._keys: dict[str, KeyRow] = {}
        self._uploads: dict[str, TemplateHead] = {}
        self._endpoints: dict[str, EndpointRow] = {}
        self._schemas: dict[UUID, dict[str, str]] = {}
        self._shipped = load_shipped()

    async def look(self, only: Collection[str] | None = None) -> AsyncIterator[Finding]:
        self._users = {str(row.user_id): row for row in await self._stores.history_accounts.users()}
        self._keys = {str(row.key_id): row for row in await self._stores.history_accounts.keys()}
        self._uploads = {str(head.template_id): head for head in await self._stores.history_templates.heads()}
        rows = await self._stores.history_endpoints.rows()
        self._endpoints = {str(row.endpoint_id): row for row in rows if not row.deleted}
        async for finding in self._look():
            if only is None or finding.subject in only:
                yield finding

    async def _look(self) -> AsyncIterator[Finding]:
        for user in await self._older_users():
            yield Finding("user", str(user.user_id), str(user.version))
        for key in await self._older_keys():
            yield Finding("key", str(key.key_id), str(key.version))
        for head in await self._older_uploads():
            yield Finding("upload", str(head.template_id), str(head.revision))
        for row in await self._older_endpoints():
            yield Finding("endpoint", str(row.endpoint_id), str(row.version))
        for finding in await self._templates():
            yield finding
        # The API makes the first user; until then an empty set is no loss.
        if self._users and not (await self._stores.redis.known([MARK]))[0]:
            yield Finding("mark", MARK)

    async def mend(self, findings: Sequence[Finding]) -> list[str]:
        if any(finding.flaw in ("template", "source") for finding in findings):
            await register(self._shipped, self._stores.blobs, self._stores.templates)
        if any(finding.flaw == "upload" for finding in findings):
            self._schemas = await self._stores.history_templates.schemas()
        return [await self._mend(finding) for finding in findings]

    async def _mend(self, finding: Finding) -> str:
        match finding.flaw:
            case "user":
                await self._stores.accounts.adopt_user(self._users[finding.subject])
            case "key":
                await self._stores.accounts.adopt_key(self._keys[finding.subject])
            case "upload":
                head = self._uploads[finding.subject]
                await self._stores.templates.adopt(head, live_schemas(head, self._schemas))
            case "endpoint":
                await self._stores.endpoints.adopt(self._endpoints[finding.subject])
            case "source":
                if await self._stores.blobs.size(bundle_key(finding.subject)) is None:
                    return "it is no template that ships with Presswork: restore it from a backup"
            case "mark":
                await self._stores.accounts.mark_populated()
        return MENDED

    async def _older_users(self) -> list[UserRow]:
        older = list[UserRow]()
        for step in batched(self._users.items(), STEP):
            known = await self._stores.redis.fields([f"user:{id_}" for id_, _ in step], "version")
            older += [row for (_, row), (version,) in zip(step, known, strict=True) if _is_older(version, row)]
        return older

    async def _older_keys(self) -> list[KeyRow]:
        older = list[KeyRow]()
        for step in batched(self._keys.values(), STEP):
            known = await self._stores.redis.fields([f"key:{row.digest}" for row in step], "row")
            lives = await self._stores.redis.ttls([f"user:{row.user_id}" for row in step])
            for row, (text,), ttl in zip(step, known, lives, strict=True):
                if self._is_used(row, ttl) and _version(text) < row.version:
                    older.append(row)
        return older

    async def _older_uploads(self) -> list[TemplateHead]:
        older = list[TemplateHead]()
        for step in batched(self._uploads.values(), STEP):
            names = [f"template:{head.owner_id}/{head.name}" for head in step]
            known = await self._stores.redis.fields(names, "version")
            older += [head for head, (version,) in zip(step, known, strict=True) if int(version or 0) < head.revision]
        return older

    async def _older_endpoints(self) -> list[EndpointRow]:
        older = list[EndpointRow]()
        for step in batched(self._endpoints.values(), STEP):
            known = await self._stores.redis.fields([f"endpoint:{row.endpoint_id}" for row in step], "version")
            lives = await self._stores.redis.ttls([f"user:{row.user_id}" for row in step])
            for row, (version,), ttl in zip(step, known, lives, strict=True):
                user = self._users.get(str(row.user_id))
                if user is not None and not user.deleted and ttl < 0 and int(version or 0) < row.version:
                    older.append(row)
        return older

    def _is_used(self, key: KeyRow, user_ttl: int) -> bool:
        """Tell whether the key's user is there, or will be: keys die with their user, in Redis but not in history."""
        user = self._users.get(str(key.user_id))
        return user is not None and not user.deleted and user_ttl < 0

    async def _templates(self) -> list[Finding]:
        heads = await self._stores.templates.visible_to(None)
        known = {head.name for head in heads if head.owner_id is None}
        found = [Finding("template", shipped.name) for shipped in self._shipped if shipped.name not in known]
        pinned = {version.sha256 for head in heads for version in head.versions}
        return found + [
            Finding("source", sha256)
            for sha256 in sorted(pinned)
            if await self._stores.blobs.size(bundle_key(sha256)) is None
        ]


def _is_older(version: str | None, row: UserRow) -> bool:
    return not forgotten(row) if version is None else int(version) < row.version


def _version(row: str | None) -> int:
    found = VERSION.search(row or "")
    return int(found[1]) if found else 0
