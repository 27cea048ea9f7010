"""What happens now: queue, workers, deliveries, the last minutes' numbers, and whether the servers answer."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

from backends.deliveries import DeliveryBacklog
from backends.endpoints import EndpointStore
from contracts.endpoints import EndpointRow
from contracts.errors import PressworkError
from contracts.ids import now_ms
from generator.maintenance.heartbeat import WorkerState, living_workers
from generator.repository import Bucket

if TYPE_CHECKING:
    from generator.main import Generator

T = TypeVar("T")
MINUTE_MS, HOUR_MS, DAY_MS = 60_000, 3_600_000, 86_400_000
#: A bucket that all of time fits into.
ONE_BUCKET_MS = 10**15
#: However many people look, the servers are asked once in this time.
KEPT_S = 1.0


@dataclass(frozen=True)
class Status:
    """None where the server that knows it does not answer. `hour`: what ended in the last hour, as one bucket.

    `lost_endpoints`: those that were disabled, not by their owners, the latest first.
    """

    redis: bool
    clickhouse: bool
    api: bool
    lengths: dict[str, int] | None
    oldest_ms: int | None
    workers: list[WorkerState] | None
    deliveries: DeliveryBacklog | None
    dead_deliveries: int | None
    lost_endpoints: list[EndpointRow] | None
    minute: Bucket | None
    hour: Bucket | None
    events_lag_s: float


class StatusBoard:
    def __init__(self, generator: "Generator", api_alive: Callable[[], Awaitable[bool]]) -> None:
        self._generator = generator
        self._api_alive = api_alive
        self._endpoints = EndpointStore(generator.scripts)
        self._asking = asyncio.Lock()
        self._kept: Status | None = None
        self._kept_until = 0.0
        self._changes = 0

    async def status(self) -> Status:
        """Return the state of things, at most `KEPT_S` old."""
        async with self._asking:
            if self._kept is None or time.monotonic() >= self._kept_until:
                changes, self._kept = self._changes, await self._ask()
                self._kept_until = time.monotonic() + KEPT_S if changes == self._changes else 0.0
            return self._kept

    def forget(self) -> None:
        """Ask anew next time: somebody has changed what it shows. What is being asked right now may be too old, too."""
        self._kept_until, self._changes = 0.0, self._changes + 1

    async def _ask(self) -> Status:
        """Ask everyone at once; who does not answer leaves a gap."""
        generator, now = self._generator, now_ms()
        async with asyncio.TaskGroup() as group:
            redis = group.create_task(or_none(generator.redis.ping()))
            clickhouse = group.create_task(or_none(generator.clickhouse.ping()))
            api = group.create_task(or_none(self._api_alive()))
            lengths = group.create_task(or_none(generator.queue.lengths()))
            oldest = group.create_task(or_none(generator.queue.oldest_ms()))
            workers = group.create_task(or_none(living_workers(generator.scripts)))
            deliveries = group.create_task(or_none(generator.deliveries.backlog()))
            dead = group.create_task(or_none(generator.history.dead_deliveries(now - DAY_MS)))
            lost = group.create_task(or_none(self._lost_endpoints()))
            minute = group.create_task(or_none(generator.history.ended(now - MINUTE_MS, ONE_BUCKET_MS)))
            hour = group.create_task(or_none(generator.history.ended(now - HOUR_MS, ONE_BUCKET_MS)))
        return Status(
            redis=bool(redis.result()),
            clickhouse=bool(clickhouse.result()),
            api=bool(api.result()),
            lengths=lengths.result(),
            oldest_ms=oldest.result(),
            workers=workers.result(),
            deliveries=deliveries.result(),
            dead_deliveries=dead.result(),
            lost_endpoints=lost.result(),
            minute=_whole(minute.result()),
            hour=_whole(hour.result()),
            events_lag_s=generator.shipper.lag_seconds,
        )

    async def _lost_endpoints(self) -> list[EndpointRow]:
        found = [row for row in await self._endpoints.all() if row.disabled_because not in ("", "owner")]
        return sorted(found, key=lambda row: row.disabled_at or 0, reverse=True)

    async def ready(self) -> dict[str, object]:
        """Say for /readyz whether this process can do its work."""
        redis = bool(await or_none(self._generator.redis.ping()))
        clickhouse = bool(await or_none(self._generator.clickhouse.ping()))
        registered = self._generator.registered.is_set()
        stopping = self._generator.shutdown.asked.is_set()
        ready = redis and registered and not stopping
        checks = {
            "redis": "ok" if redis else "unavailable",
            "clickhouse": "ok" if clickhouse else "unavailable",
            "templates": "ok" if registered else "starting",
        }
        status = ("ok" if clickhouse else "degraded") if ready else "unavailable"
        return {"status": status, "stopping": stopping, "checks": checks}


def _whole(buckets: list[Bucket] | None) -> Bucket | None:
    if buckets is None:
        return None
    return buckets[-1] if buckets else Bucket(0)


async def or_none(question: Awaitable[T]) -> T | None:
    """Await an answer for two seconds at most; None if there is none."""
    try:
        async with asyncio.timeout(2):
            return await question
    except (PressworkError, OSError):
        return None
