"""Keeps documents' inputs: copies each job from Redis to `inputs/<id>`, so that a retry works after Redis forgot.

Part of shipping: `accepted` is not confirmed before its job is in the blob store.
"""

from collections.abc import Collection
from itertools import batched
from typing import cast
from uuid import UUID

from backends.blobs import BlobStore
from backends.scripts import Scripts
from contracts.errors import QueueUnavailable
from contracts.jobs import input_key
from redis.exceptions import RedisError

#: Jobs copied at a time: each may have a megabyte.
STEP = 128


class InputKeeper:
    """Raises QueueUnavailable without Redis, BlobUnavailable without the blob store."""

    def __init__(self, scripts: Scripts, blobs: BlobStore) -> None:
        self._redis = scripts.redis
        self._prefix = scripts.prefix
        self._blobs = blobs

    async def keep(self, document_ids: Collection[str]) -> int:
        """Copy the jobs of these documents; those that Redis has no more were deleted. Returns how many were copied."""
        kept = 0
        for step in batched(sorted(document_ids), STEP):
            jobs = await self._ask("GET", "job:", step)
            found = {id_: cast(str, job) for id_, job in zip(step, jobs, strict=True) if job is not None}
            await self._blobs.put_many({_key(id_): job.encode() for id_, job in found.items()})
            await self.drop(await self._deleted_since(tuple(found)))
            kept += len(found)
        return kept

    async def drop(self, document_ids: Collection[str]) -> None:
        """Remove the inputs of deleted documents."""
        for id_ in document_ids:
            await self._blobs.delete(_key(id_))

    async def _deleted_since(self, ids: tuple[str, ...]) -> list[str]:
        """Find whose data was deleted while we copied it: a deletion that came first must not be undone."""
        alive = await self._ask("EXISTS", "job:", ids)
        return [id_ for id_, exists in zip(ids, alive, strict=True) if not exists]

    async def _ask(self, command: str, kind: str, ids: tuple[str, ...]) -> list[object]:
        try:
            async with self._redis.pipeline(transaction=False) as pipe:
                for id_ in ids:
                    pipe.execute_command(command, f"{self._prefix}{kind}{id_}")
                return list(await pipe.execute())
        except (RedisError, OSError) as error:
            raise QueueUnavailable() from error


def _key(document_id: str) -> str:
    return input_key(UUID(document_id))
