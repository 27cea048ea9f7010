"""The heartbeat: tells the panel which workers live and what they do."""

import asyncio
import os
import socket
from collections.abc import Awaitable, Callable
from typing import cast

import structlog
from pydantic import BaseModel, ValidationError
from redis.exceptions import RedisError

from backends.scripts import Scripts
from contracts.ids import now_ms

log = structlog.get_logger(__name__)

BEAT_S = 2.0
DEAD_AFTER_MS = 10_000


class RenderProcess(BaseModel, frozen=True):
    pid: int
    busy: bool
    renders: int
    rss_bytes: int


class WorkerState(BaseModel, frozen=True):
    """A worker as it last told of itself. Times are epoch milliseconds."""

    name: str
    pid: int
    host: str
    started_at: int
    seen_at: int
    documents: tuple[str, ...]
    processes: tuple[RenderProcess, ...]


class Heartbeat:
    def __init__(
        self,
        scripts: Scripts,
        name: str,
        documents: Callable[[], tuple[str, ...]],
        processes: Callable[[], tuple[RenderProcess, ...]],
    ) -> None:
        self._scripts = scripts
        self._redis = scripts.redis
        self._key = f"{scripts.prefix}workers"
        self._name = name
        self._documents = documents
        self._processes = processes
        self._started_at = now_ms()

    async def run(self) -> None:
        """Beat for ever; a worker that stops takes its entry along, and one that starts those of workers that died."""
        try:
            await self._attempt(self._clear_dead)
            while True:
                await self._attempt(self._tell)
                await asyncio.sleep(BEAT_S)
        finally:
            await self._attempt(self._farewell)

    def state(self) -> WorkerState:
        return WorkerState(
            name=self._name,
            pid=os.getpid(),
            host=socket.gethostname(),
            started_at=self._started_at,
            seen_at=now_ms(),
            documents=self._documents(),
            processes=self._processes(),
        )

    async def _tell(self) -> None:
        await self._redis.hset(self._key, self._name, self.state().model_dump_json())

    async def _farewell(self) -> None:
        await self._redis.hdel(self._key, self._name)

    async def _clear_dead(self) -> None:
        await living_workers(self._scripts)

    async def _attempt(self, step: Callable[[], Awaitable[None]]) -> None:
        try:
            await step()
        except (RedisError, OSError) as error:
            log.warning("heartbeat.queue_away", error=str(error))


async def living_workers(scripts: Scripts) -> list[WorkerState]:
    """Read the workers that were seen lately; entries of dead ones, and what nobody can read, are removed."""
    key, now = f"{scripts.prefix}workers", now_ms()
    entries = cast(dict[str, str], await scripts.redis.hgetall(key))
    states = {name: _read(text) for name, text in entries.items()}
    living = [state for state in states.values() if state and now - state.seen_at <= DEAD_AFTER_MS]
    if dead := states.keys() - {state.name for state in living}:
        await scripts.redis.hdel(key, *dead)
    return sorted(living, key=lambda state: state.name)


def _read(text: str) -> WorkerState | None:
    """Read an entry; None for that of another version, which may have other fields."""
    try:
        return WorkerState.model_validate_json(text)
    except ValidationError:
        return None
