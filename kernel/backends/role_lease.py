"""One holder per role: whoever has the lease in Redis ships events, promotes, prunes; others stand by.

A lease makes work rare, not exclusive: a paused holder may wake up late, so what it does must bear a second doer.
"""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator

import structlog
from redis.asyncio import Redis

from backends.scripts import PREFIX, Scripts
from contracts.errors import QueueUnavailable, SystemFull

log = structlog.get_logger(__name__)

#: How often who stands by asks for the role: a holder that ends gives it up.
STANDBY_S = 1.0


class RoleLease:
    """A lease on `role` for `holder` (unique per process), `ttl_ms` long. Raises QueueUnavailable without Redis."""

    def __init__(self, redis: Redis, prefix: str = PREFIX, *, role: str, holder: str, ttl_ms: int = 10_000) -> None:
        self._scripts = Scripts(redis, prefix)
        self.role = role
        self.holder = holder
        self.ttl_ms = ttl_ms
        self._held_until = 0.0

    @property
    def held(self) -> bool:
        """Tell whether the lease is still ours by our own clock, counted from before the last renewal was sent."""
        return time.monotonic() < self._held_until

    async def acquire(self) -> bool:
        """Take the lease if it is free, prolong it if it is ours; returns whether we hold it now."""
        asked = time.monotonic()
        granted = await self._scripts.run("role_acquire", self.role, self.holder, self.ttl_ms) == 1
        self._held_until = asked + self.ttl_ms / 1000 if granted else 0.0
        return granted

    async def renew(self) -> bool:
        """Prolong the lease; False if it ran out or is another's now, without taking it again."""
        asked = time.monotonic()
        renewed = await self._scripts.run("role_renew", self.role, self.holder, self.ttl_ms) == 1
        self._held_until = asked + self.ttl_ms / 1000 if renewed else 0.0
        return renewed

    async def release(self) -> None:
        """Give the lease up, so that another takes over at once. Another's lease is left alone."""
        self._held_until = 0.0
        await self._scripts.run("role_release", self.role, self.holder)

    async def keep(self) -> None:
        """Acquire and renew for ever, three times per `ttl_ms`, every second while another holds it; release when
        cancelled. Runs beside the work.
        """
        try:
            while True:
                await self._keep_once()
                await asyncio.sleep(self.ttl_ms / 3000 if self.held else min(STANDBY_S, self.ttl_ms / 3000))
        finally:
            with contextlib.suppress(QueueUnavailable, SystemFull):  # it runs out by itself
                await self.release()

    @contextlib.asynccontextmanager
    async def kept(self) -> AsyncIterator[None]:
        """Keep trying for the role while the block runs."""
        task = asyncio.create_task(self.keep(), name=f"lease {self.role}")
        try:
            yield
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    async def _keep_once(self) -> None:
        was_held = self.held
        try:
            held = await self.acquire()
        except (QueueUnavailable, SystemFull) as error:
            log.warning("role.unreachable", role=self.role, error=str(error))
            return
        except Exception:
            # A bug, but nobody waits for this task: if it ended, the role would have no holder until a restart.
            log.exception("role.broken", role=self.role)
            return
        if held != was_held:
            log.info("role.acquired" if held else "role.lost", role=self.role, holder=self.holder)
