"""Can this process serve? Redis decides; without ClickHouse it is degraded, but ready."""

import asyncio
from collections.abc import Awaitable, Callable

from app.services.bootstrap import Bootstrap
from backends.shutdown import Shutdown


class Readiness:
    def __init__(
        self,
        redis: Callable[[], Awaitable[object]],
        history: Callable[[], Awaitable[object]],
        bootstrap: Bootstrap,
        shutdown: Shutdown,
    ) -> None:
        self._redis = redis
        self._history = history
        self._bootstrap = bootstrap
        self._shutdown = shutdown

    @property
    def prepared(self) -> bool:
        return self._bootstrap.prepared.is_set()

    async def report(self) -> dict[str, object]:
        """Say `ok`, `degraded` (no history) or `unavailable`, with a word on each part."""
        stopping = self._shutdown.asked.is_set()
        redis_ok, history_ok = await asyncio.gather(_answers(self._redis), _answers(self._history))
        checks = {
            "redis": ("unsafe" if self._bootstrap.unsafe_redis else "ok") if redis_ok else "unavailable",
            "clickhouse": "ok" if history_ok else "unavailable",
            "prepared": "ok" if self.prepared else "starting",
        }
        ready = redis_ok and self.prepared and not stopping
        whole = history_ok and self._bootstrap.migrated.is_set()
        status = ("ok" if whole else "degraded") if ready else "unavailable"
        return {"status": status, "stopping": stopping, "checks": checks}


async def _answers(ping: Callable[[], Awaitable[object]]) -> bool:
    try:
        async with asyncio.timeout(1.5):
            return bool(await ping())
    except Exception:  # whatever a client raises, the answer is the same: not reachable
        return False
