"""Counts unfinished documents while they go on changing, to compare with the counters that the queue keeps.

Every transition is published. Whoever listens first and reads all documents then knows each one's state at the moment
when a marked message arrives: as it was read, or as its last message says. The marking script reads the counters.
"""

import asyncio
import sys
from collections import Counter
from collections.abc import AsyncIterator, Awaitable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import cast
from uuid import uuid4

from redis.asyncio.client import PubSub
from redis.exceptions import RedisError

from backends.inspection import Inspection
from backends.scripts import Scripts
from contracts.documents import TERMINAL
from contracts.errors import QueueUnavailable

PATIENCE_S = 30.0
UNHEARD = "Changes could not be heard: the count would not be exact."


@dataclass(frozen=True)
class Comparison:
    """By how much each field of the counters is too high. `nonce` stands for the moment of the comparison."""

    nonce: str
    errors: dict[str, int]


class OpenCount:
    """Raises QueueUnavailable when Redis does not answer."""

    def __init__(self, scripts: Scripts) -> None:
        self._scripts = scripts
        self._inspection = Inspection(scripts)

    async def compare(self) -> Comparison:
        """Count all unfinished documents, and compare with the counters."""
        nonce = uuid4().hex
        async with self._listening(nonce) as heard:
            read = await self._unfinished()
            mark, flat = cast(tuple[str, list[str]], await self._scripts.run("check_open", "look", nonce))
            heard_mark, statuses = await _patiently(heard)
        if heard_mark != mark:  # the answer was lost and the counters read again: what changed between was not heard
            raise QueueUnavailable(UNHEARD)
        counted = {name: int(count) for name, count in zip(flat[::2], flat[1::2], strict=True)}
        true = await self._true(read, statuses)
        fields = sorted(counted.keys() | true.keys())
        errors = {name: counted.get(name, 0) - true[name] for name in fields}
        return Comparison(nonce, {name: error for name, error in errors.items() if error})

    async def _unfinished(self) -> dict[str, tuple[str, int]]:
        found = dict[str, tuple[str, int]]()
        async for ids in self._inspection.ids("doc"):
            found |= await self._read(ids, only_unfinished=True)
        return found

    async def _read(self, ids: list[str], *, only_unfinished: bool) -> dict[str, tuple[str, int]]:
        rows = await self._inspection.fields([f"doc:{id_}" for id_ in ids], "status", "user", "size")
        return {
            id_: (sys.intern(user), int(size or 0))
            for id_, (status, user, size) in zip(ids, rows, strict=True)
            if status and user and not (only_unfinished and status in TERMINAL)
        }

    async def _true(self, read: dict[str, tuple[str, int]], statuses: dict[str, str]) -> Counter[str]:
        """Count: what was heard goes before what was read."""
        unfinished = {id_: owner for id_, owner in read.items() if statuses.get(id_, "") not in TERMINAL}
        heard = [id_ for id_, status in statuses.items() if status not in TERMINAL and id_ not in unfinished]
        unfinished |= await self._read(heard, only_unfinished=False)
        true = Counter[str]()
        for user, size in unfinished.values():
            true.update({"all": 1, user: 1, "bytes": size, f"bytes:{user}": size})
        return true

    @asynccontextmanager
    async def _listening(self, nonce: str) -> AsyncIterator[asyncio.Task[tuple[str, dict[str, str]]]]:
        channel, pubsub = f"{self._scripts.prefix}changed:", self._scripts.redis.pubsub()
        try:
            await pubsub.psubscribe(f"{channel}*")
            await _patiently(_subscribed(pubsub))
            task = asyncio.create_task(_listen(pubsub, channel, nonce))
            try:
                yield task
            finally:
                task.cancel()
                await asyncio.gather(task, return_exceptions=True)
        except (RedisError, OSError) as error:
            raise QueueUnavailable() from error
        finally:
            await pubsub.aclose()  # type: ignore[no-untyped-call]


async def _subscribed(pubsub: PubSub) -> None:
    """Wait for the server's word: what changes before it is not heard."""
    while (await pubsub.get_message(timeout=1) or {}).get("type") != "psubscribe":
        continue


async def _listen(pubsub: PubSub, channel: str, nonce: str) -> tuple[str, dict[str, str]]:
    """Return the mark and the last status of every document that changes before it comes.

    Raises QueueUnavailable if a change may have been missed, what the client raises if it cannot listen any more.
    """
    statuses = dict[str, str]()
    while True:
        message = await pubsub.get_message(timeout=1)
        if message is None:
            continue
        if message["type"] == "psubscribe":  # once more: the client has lost its connection and says nothing of it
            raise QueueUnavailable(UNHEARD)
        name, word = str(message["channel"]).removeprefix(channel), str(message["data"])
        if name == nonce:
            return word, statuses
        statuses[name] = word


async def _patiently[T](waited_for: Awaitable[T]) -> T:
    try:
        return await asyncio.wait_for(waited_for, PATIENCE_S)
    except TimeoutError:
        raise QueueUnavailable(UNHEARD) from None
