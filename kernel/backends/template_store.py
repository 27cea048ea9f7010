"""Template heads in Redis: what the API lists and pins; the sources are in the blob store by sha256."""

import time
from typing import cast
from uuid import UUID

from redis.exceptions import RedisError, WatchError

from backends.redis import ask
from backends.scripts import Scripts
from contracts.errors import QueueUnavailable
from contracts.templates import TemplateHead

#: Every accepted document looks its template up: asking Redis each time was a fifth of the work.
FRESH_S = 0.5
KEPT = 10_000


class TemplateStore:
    """Raises QueueUnavailable from every method when Redis does not answer."""

    def __init__(self, scripts: Scripts) -> None:
        self._redis = scripts.redis
        self._key = f"{scripts.prefix}templates"
        self._found: dict[tuple[UUID, str], tuple[float, TemplateHead]] = {}

    async def visible_to(self, user_id: UUID | None) -> list[TemplateHead]:
        """List the templates that a user may use (None: every one), by name."""
        texts = await ask(self._redis.hvals(self._key))
        heads = [TemplateHead.model_validate_json(text) for text in texts]
        seen = [head for head in heads if user_id is None or head.visibility == "shared" or head.owner_id == user_id]
        return sorted(seen, key=lambda head: head.name)

    async def find(self, name: str, user_id: UUID) -> TemplateHead | None:
        """Find a template by name: the user's own goes before a shared one. Up to half a second old."""
        seen = self._found.get((user_id, name))
        if seen and time.monotonic() - seen[0] < FRESH_S:
            return seen[1]
        head = await self._find(name, user_id)
        if head is not None:
            if len(self._found) >= KEPT:
                self._found.clear()
            self._found[user_id, name] = (time.monotonic(), head)
        return head

    async def _find(self, name: str, user_id: UUID) -> TemplateHead | None:
        found = await ask(self._redis.hmget(self._key, [f"{user_id}/{name}", f"/{name}"]))
        own, shared = cast(list[str | None], found)
        text = own or shared
        return None if text is None else TemplateHead.model_validate_json(text)

    async def shipped(self, count: int) -> bool:
        """Tell whether Redis knows at least so many templates."""
        return await ask(self._redis.hlen(self._key)) >= count

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
                        merged = shipped_over(TemplateHead.model_validate_json(text) if text else None, head)
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
