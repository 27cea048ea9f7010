"""Template heads in Redis: what the API lists, changes and pins; the sources are in the blob store by sha256.

Those that ship with Presswork are in one hash, which every start fills again. Those that users made have a hash each
and, like users, are kept by ClickHouse too: each change with its event is one script.
"""

import time
from collections.abc import Collection, Iterable, Mapping
from functools import lru_cache
from itertools import batched
from typing import cast
from uuid import UUID

from pydantic_core import from_json
from redis.exceptions import RedisError, WatchError

from backends.redis import ask
from backends.scripts import Scripts
from contracts.errors import Conflict, QueueUnavailable, VersionMismatch
from contracts.ids import new_id, now_ms
from contracts.templates import TemplateEvent, TemplateHead

#: Every accepted document looks its template up: asking Redis each time was a fifth of the work.
FRESH_S = 0.5
KEPT = 10_000
#: Inferred schemas do not change; this many are kept.
SCHEMAS_KEPT = 1_000
STEP = 500


class TemplateStore:
    """Raises QueueUnavailable from every method when Redis does not answer."""

    def __init__(self, scripts: Scripts) -> None:
        self._scripts = scripts
        self._redis = scripts.redis
        self._prefix = scripts.prefix
        self._key = f"{scripts.prefix}templates"
        self._found: dict[tuple[UUID, str], tuple[float, TemplateHead]] = {}
        self._schemas: dict[tuple[UUID, int], dict[str, object]] = {}

    async def visible_to(self, user_id: UUID | None) -> list[TemplateHead]:
        """List the templates that a user may use (None: every one), by name."""
        if user_id is None:
            owned = [head for head in await self.owned() if head.deleted_at is None]
        else:
            mine = cast(set[str], await ask(self._redis.smembers(f"{self._prefix}user-templates:{user_id}")))
            shared = cast(dict[str, str], await ask(self._redis.hgetall(f"{self._prefix}shared-templates")))
            names = {f"{user_id}/{name}" for name in mine}
            owned = await self._rows(names | {f"{owner}/{name}" for name, owner in shared.items()})
        return sorted([*await self.shipped_heads(), *owned], key=lambda head: head.name)

    async def shipped_heads(self) -> list[TemplateHead]:
        """List the templates that ship with Presswork."""
        return [_head(text) for text in cast(list[str], await ask(self._redis.hvals(self._key)))]

    async def owned(self) -> list[TemplateHead]:
        """List every template that a user made, deleted ones too."""
        return await self._rows(cast(set[str], await ask(self._redis.smembers(f"{self._prefix}owned-templates"))))

    async def _rows(self, ids: Iterable[str]) -> list[TemplateHead]:
        heads: list[TemplateHead] = []
        for step in batched(ids, STEP):
            async with self._redis.pipeline(transaction=False) as pipe:
                for id_ in step:
                    pipe.hget(f"{self._prefix}template:{id_}", "row")
                heads += [_head(text) for text in await ask(pipe.execute()) if text]
        return heads

    async def find(self, name: str, user_id: UUID) -> TemplateHead | None:
        """Find what a name means to a user: the own one, then a shipped one, then a shared one. Up to 0.5 s old."""
        seen = self._found.get((user_id, name))
        if seen and time.monotonic() - seen[0] < FRESH_S:
            return seen[1]
        head = await self.find_now(name, user_id)
        if head is not None:
            if len(self._found) >= KEPT:
                self._found.clear()
            self._found[user_id, name] = (time.monotonic(), head)
        return head

    async def find_now(self, name: str, user_id: UUID) -> TemplateHead | None:
        """Find what a name means to a user at this moment."""
        text = cast(str | None, await self._scripts.run("template_find", str(user_id), name))
        return None if text is None else _head(text)

    async def of_owner(self, name: str, owner_id: UUID) -> TemplateHead | None:
        """Read a user's own template at this moment, a deleted one too."""
        text = await ask(self._redis.hget(f"{self._prefix}template:{owner_id}/{name}", "row"))
        return None if text is None else _head(text)

    async def count(self, owner_id: UUID) -> int:
        """Count a user's templates."""
        return int(await ask(self._redis.scard(f"{self._prefix}user-templates:{owner_id}")))

    async def schema(self, head: TemplateHead, version: int) -> dict[str, object] | None:
        """Return the schema that was inferred from a version; None if there is none."""
        known = head.version(version)
        if head.owner_id is None:
            return known.inferred_schema if known else None
        key = head.template_id, version
        if key not in self._schemas:
            name = f"{self._prefix}template-schemas:{head.owner_id}/{head.name}"
            text = await ask(self._redis.hget(name, str(version)))
            if text is None:
                return None
            if len(self._schemas) >= SCHEMAS_KEPT:
                self._schemas.clear()
            self._schemas[key] = from_json(text)
        return self._schemas[key]

    async def schemas(self, head: TemplateHead) -> dict[str, str]:
        """Return all inferred schemas of a template as JSON texts, by version."""
        name = f"{self._prefix}template-schemas:{head.owner_id}/{head.name}"
        return cast(dict[str, str], await ask(self._redis.hgetall(name)))

    async def put(
        self, head: TemplateHead, event: str, actor_id: UUID | None, schemas: Mapping[int, str] | None = None
    ) -> None:
        """Write a template whose `revision` is the stored one plus 1; `schemas`: JSON texts of new versions.

        Raises VersionMismatch, SystemFull, Conflict `name_reserved` or `name_taken` (of a shared one).
        """
        texts = {str(version): text for version, text in (schemas or {}).items()}
        line = TemplateEvent.of(head, event, now_ms(), actor_id, schemas=texts).model_dump_json()
        arguments = (head.revision - 1, head.model_dump_json(), line, _shared(head), _deleted(head), new_id().hex)
        pairs = [text for pair in texts.items() for text in pair]
        answer = await self._scripts.run("template_put", str(head.owner_id), head.name, *arguments, *pairs)
        self._found.clear()
        if answer == "conflict":
            raise VersionMismatch()
        if answer == "reserved":
            raise Conflict(
                "name_reserved", f"A template named {head.name!r} ships with Presswork: choose another name."
            )
        if answer == "shared_name_taken":
            raise Conflict("name_taken", f"Somebody shares a template named {head.name!r}: choose another name.")

    async def adopt(self, head: TemplateHead, schemas: Mapping[str, str]) -> None:
        """Take a template over from history, unless Redis has it as new."""
        pairs = [text for pair in schemas.items() for text in pair]
        arguments = (head.revision, head.model_dump_json(), _shared(head), _deleted(head))
        await self._scripts.run("adopt_template", str(head.owner_id), head.name, *arguments, *pairs)

    async def shipped(self, names: Collection[str]) -> bool:
        """Tell whether Redis knows these shipped templates."""
        return None not in await ask(self._redis.hmget(self._key, [f"/{name}" for name in names]))

    async def is_shipped(self, name: str) -> bool:
        """Tell whether a template of this name ships with Presswork."""
        return await self.shipped([name])

    async def ship(self, head: TemplateHead) -> None:
        """Register a template that ships with the product; one that is known as it is changes nothing.

        A changed source becomes the next version and `production` moves to it; older versions stay for pinned jobs.
        What is no version's own (title, sample, data schema) is replaced.
        """
        field = f"/{head.name}"
        self._found.clear()
        try:
            async with self._redis.pipeline() as pipe:
                while True:
                    try:
                        await pipe.watch(self._key)
                        text = await pipe.hget(self._key, field)
                        merged = shipped_over(_head(text) if text else None, head)
                        pipe.multi()  # type: ignore[no-untyped-call]
                        if merged is not None:
                            pipe.hset(self._key, field, merged.model_dump_json())
                        await pipe.execute()
                        return
                    except WatchError:
                        continue
        except (RedisError, OSError) as error:
            raise QueueUnavailable() from error


def shipped_over(known: TemplateHead | None, shipped: TemplateHead) -> TemplateHead | None:
    """Return the head to store when a template ships over a known one; None if there is nothing new."""
    if known is None:
        return shipped
    (fresh,) = shipped.versions
    versions, tags = known.versions, known.tags
    if all(version.sha256 != fresh.sha256 for version in versions):
        number = max(version.version for version in versions) + 1
        versions = (*versions, fresh.model_copy(update={"version": number}))
        tags = {**tags, "production": number}
    update = {"versions": versions, "tags": tags, "created_at": known.created_at}
    merged = shipped.model_copy(update=update)
    same = merged.model_copy(update={"updated_at": known.updated_at}) == known
    return None if same else merged


@lru_cache(maxsize=256)
def _head(text: str) -> TemplateHead:
    return TemplateHead.model_validate_json(text)


def _shared(head: TemplateHead) -> int:
    return int(head.visibility == "shared")


def _deleted(head: TemplateHead) -> int:
    return int(head.deleted_at is not None)
