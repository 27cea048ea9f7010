"""Template heads in Redis: what the API lists and pins; the sources are in the blob store by sha256."""

from typing import cast
from uuid import UUID

from redis.exceptions import RedisError, WatchError

from backends.scripts import Scripts
from contracts.errors import QueueUnavailable
from contracts.templates import TemplateHead

PARSED_KEPT = 256


class TemplateStore:
    """Raises QueueUnavailable from every method when Redis does not answer."""

    def __init__(self, scripts: Scripts) -> None:
        self._redis = scripts.redis
        self._key = f"{scripts.prefix}templates"
        self._heads: dict[str, TemplateHead] = {}

    async def visible_to(self, user_id: UUID | None) -> list[TemplateHead]:
        """List the templates that a user may use (None: every one), by name."""
        try:
            texts = await self._redis.hvals(self._key)
        except (RedisError, OSError) as error:
            raise QueueUnavailable() from error
        heads = [TemplateHead.model_validate_json(text) for text in texts]
        seen = [head for head in heads if user_id is None or head.visibility == "shared" or head.owner_id == user_id]
        return sorted(seen, key=lambda head: head.name)

    async def find(self, name: str, user_id: UUID) -> TemplateHead | None:
        """Find a template by name: the user's own goes before a shared one."""
        try:
            found = await self._redis.hmget(self._key, [f"{user_id}/{name}", f"/{name}"])
        except (RedisError, OSError) as error:
            raise QueueUnavailable() from error
        own, shared = cast(list[str | None], found)
        text = own or shared
        return None if text is None else self._parsed(text)

    def _parsed(self, text: str) -> TemplateHead:
        """Parse a head, or find it parsed: heads seldom change and every accepted document reads one."""
        head = self._heads.get(text)
        if head is None:
            if len(self._heads) >= PARSED_KEPT:
                self._heads.clear()
            head = self._heads[text] = TemplateHead.model_validate_json(text)
        return head

    async def ship(self, head: TemplateHead) -> None:
        """Register a template that ships with the product; a source that is known already changes nothing.

        A changed source becomes the next version and `production` moves to it; older versions stay for pinned jobs.
        """
        field = f"/{head.name}"
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
    if any(version.sha256 == fresh.sha256 for version in known.versions):
        return None
    number = max(version.version for version in known.versions) + 1
    versions = (*known.versions, fresh.model_copy(update={"version": number}))
    update = {"versions": versions, "tags": {**known.tags, "production": number}, "created_at": known.created_at}
    return shipped.model_copy(update=update)
