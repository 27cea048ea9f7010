"""Keeps documents' inputs: copies each job from Redis to `inputs/<id>`, so that a retry works after Redis forgot.

Part of shipping: `accepted` is not confirmed before its job is in the blob store.
"""

from collections.abc import Awaitable, Callable, Collection, Iterable, Mapping, Sequence
from itertools import batched
from typing import cast
from uuid import UUID

from redis.client import NEVER_DECODE

from backends.blobs import BlobStore
from backends.redis import ask
from backends.scripts import Scripts
from contracts.jobs import input_key

#: Jobs read at a time (each may have a megabyte), and how many bytes are gathered for one sync of the disk.
STEP = 128
ENOUGH_BYTES = 32 << 20


class InputKeeper:
    """Raises QueueUnavailable without Redis, BlobUnavailable without the blob store."""

    def __init__(self, scripts: Scripts, blobs: BlobStore) -> None:
        self._redis = scripts.redis
        self._prefix = scripts.prefix
        self._blobs = blobs

    async def keep(self, document_ids: Collection[str]) -> int:
        """Copy the jobs of these documents; those that Redis has no more were deleted. Returns how many were copied."""
        kept, waiting = 0, dict[str, bytes]()
        for step in batched(sorted(document_ids), STEP):
            jobs = await self._read(step)
            waiting |= {id_: job for id_, job in zip(step, jobs, strict=True) if job is not None}
            if sum(map(len, waiting.values())) > ENOUGH_BYTES:
                kept += await self._put(waiting)
                waiting = {}
        return kept + await self._put(waiting)

    async def drop(self, document_ids: Collection[str]) -> None:
        """Remove the inputs and results of deleted documents: whoever deleted them may have died before it did."""
        for id_ in document_ids:
            await self._blobs.delete(_key(id_))
            await self._blobs.delete_prefix(f"results/{id_}")

    async def _put(self, jobs: Mapping[str, bytes]) -> int:
        await self._blobs.put_many({_key(id_): job for id_, job in jobs.items()})
        # Whose data was deleted while we copied it? A deletion that came first must not be undone.
        for step in batched(jobs, STEP):
            if await ask(self._redis.exists(*self._names(step))) < len(step):
                await self.drop([id_ for id_ in step if await self._is_deleted(id_)])
        return len(jobs)

    async def _is_deleted(self, document_id: str) -> bool:
        """Tell whether a document was deleted. That its job has gone says less: it may have left Redis in time."""
        deleted = self._redis.hget(f"{self._prefix}doc:{document_id}", "deleted")
        return await ask(cast(Awaitable[str | None], deleted)) == "1"

    async def _read(self, ids: Sequence[str]) -> list[bytes | None]:
        execute = cast(Callable[..., Awaitable[list[bytes | None]]], self._redis.execute_command)
        return await ask(execute("MGET", *self._names(ids), **{NEVER_DECODE: True}))

    def _names(self, ids: Iterable[str]) -> list[str]:
        return [f"{self._prefix}job:{id_}" for id_ in ids]


def _key(document_id: str) -> str:
    return input_key(UUID(document_id))
