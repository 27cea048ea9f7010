"""Group commit: callers await their own item while items of all callers travel to Redis in one script call.

One call is under way at a time and the rest gather meanwhile: no timer, no added latency when idle. With an fsync per
call, transitions did 1,100/s one by one and 13,600/s in fifties.
"""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Generic, TypeVar

from contracts.errors import TransientError

Item = TypeVar("Item")
Answer = TypeVar("Answer")

MAX_GROUP = 50
FIRST_PAUSE_S, MAX_PAUSE_S = 0.05, 1.0


class GroupCommit(Generic[Item, Answer]):
    """`commit` takes a list and answers one by one. A server that is away is asked again until it answers."""

    def __init__(self, commit: Callable[[list[Item]], Awaitable[list[Answer]]]) -> None:
        self._commit = commit
        self._waiting: list[tuple[Item, asyncio.Future[Answer]]] = []
        self._running: asyncio.Task[None] | None = None

    async def submit(self, item: Item) -> Answer:
        """Commit one item; returns when the server has answered for it."""
        future: asyncio.Future[Answer] = asyncio.get_running_loop().create_future()
        self._waiting.append((item, future))
        if self._running is None:
            self._running = asyncio.create_task(self._drain())
        return await future

    async def _drain(self) -> None:
        try:
            while self._waiting:
                group, self._waiting = self._waiting[:MAX_GROUP], self._waiting[MAX_GROUP:]
                await self._commit_group(group)
        finally:
            self._running = None

    async def _commit_group(self, group: list[tuple[Item, asyncio.Future[Answer]]]) -> None:
        try:
            answers = await self._until_answered([item for item, _ in group])
        except Exception as error:
            await self._refused(group, error)
            return
        for (_, future), answer in zip(group, answers, strict=True):
            if not future.done():
                future.set_result(answer)

    async def _refused(self, group: list[tuple[Item, asyncio.Future[Answer]]], error: Exception) -> None:
        """Tell whose item cannot be committed; of several each is committed alone, so that its neighbours can be."""
        if len(group) > 1:
            for one in group:
                await self._commit_group([one])
            return
        for _, future in group:
            if not future.done():
                future.set_exception(error)

    async def _until_answered(self, items: list[Item]) -> list[Answer]:
        pause = FIRST_PAUSE_S
        while True:
            try:
                return await self._commit(items)
            except TransientError:
                await asyncio.sleep(pause)
                pause = min(pause * 2, MAX_PAUSE_S)
