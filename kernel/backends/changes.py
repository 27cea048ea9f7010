"""Waiting for a document to change: one subscription connection per process, one channel per awaited document.

Messages may be lost (a broken connection), so a waiter also looks by itself every second.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from uuid import UUID

import structlog
from redis.asyncio import Redis
from redis.exceptions import RedisError

log = structlog.get_logger(__name__)

LOOK_AGAIN_S = 1.0
#: RuntimeError: two coroutines that found the connection broken and both make it again.
LOST = (RedisError, OSError, RuntimeError)


class Changes:
    """Tells waiters that a document's state has moved. Start with `run()` as a task."""

    def __init__(self, redis: Redis, prefix: str) -> None:
        self._pubsub = redis.pubsub(ignore_subscribe_messages=True)
        self._channel = f"{prefix}changed:"
        self._waiters: dict[str, set[asyncio.Event]] = {}
        self.over = False

    async def run(self) -> None:
        """Listen until cancelled; a lost connection is made again."""
        while True:
            try:
                await self._pubsub.subscribe(f"{self._channel}none")
                while True:
                    message = await self._pubsub.get_message(timeout=5)
                    if message is not None:
                        self._wake(message["channel"])
            except LOST as error:
                log.warning("changes.disconnected", error=str(error))
                await asyncio.sleep(0.5)

    def stop(self) -> None:
        """Let everybody stop waiting, now and from now on: the process ends."""
        self.over = True
        for channel in tuple(self._waiters):
            self._wake(channel)

    async def close(self) -> None:
        await self._pubsub.aclose()  # type: ignore[no-untyped-call]

    @asynccontextmanager
    async def watching(self, document_id: UUID) -> AsyncIterator["Watch"]:
        """Watch one document: read its state inside the block, then `await watch.changed(seconds)`."""
        channel, event = f"{self._channel}{document_id}", asyncio.Event()
        waiters = self._waiters.setdefault(channel, set())
        waiters.add(event)
        if len(waiters) == 1:
            await self._tell(self._pubsub.subscribe, channel)
        try:
            yield Watch(event, self)
        finally:
            waiters.discard(event)
            if not waiters and self._waiters.pop(channel, None) is not None:
                await self._tell(self._pubsub.unsubscribe, channel)

    async def _tell(self, command: Callable[[str], Awaitable[object]], channel: str) -> None:
        try:
            await command(channel)
        except LOST as error:
            log.warning("changes.disconnected", error=str(error))

    def _wake(self, channel: str) -> None:
        for event in self._waiters.get(channel, ()):
            event.set()


class Watch:
    def __init__(self, event: asyncio.Event, changes: Changes) -> None:
        self._event = event
        self._changes = changes

    @property
    def over(self) -> bool:
        """Tell whether there is nothing more to wait for, because the process ends."""
        return self._changes.over

    async def changed(self, timeout_s: float) -> None:
        """Return when the document may have changed: a message, a second, or the timeout; at once when it is over."""
        try:
            async with asyncio.timeout(min(timeout_s, LOOK_AGAIN_S)):
                await self._event.wait()
        except TimeoutError:
            return
        self._event.clear()
