"""What the status page shows: queue, workers, deliveries, last documents, and whether the servers answer."""

import asyncio
from collections.abc import Awaitable
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

from backends.deliveries import DeliveryBacklog
from contracts.documents import DocumentRow
from contracts.errors import PressworkError
from generator.maintenance.heartbeat import WorkerState, living_workers

if TYPE_CHECKING:
    from generator.main import Generator

T = TypeVar("T")
LAST = 20


@dataclass(frozen=True)
class Status:
    """None where the server that knows it does not answer."""

    redis: bool
    clickhouse: bool
    lengths: dict[str, int] | None
    workers: list[WorkerState] | None
    deliveries: DeliveryBacklog | None
    documents: list[DocumentRow] | None
    events_lag_s: float


class StatusBoard:
    def __init__(self, generator: "Generator") -> None:
        self._generator = generator

    async def status(self) -> Status:
        """Ask everyone at once; who does not answer leaves a gap."""
        generator = self._generator
        redis, clickhouse, lengths, workers, deliveries, documents = await asyncio.gather(
            _or_none(generator.redis.ping()),
            _or_none(generator.clickhouse.ping()),
            _or_none(generator.queue.lengths()),
            _or_none(living_workers(generator.scripts)),
            _or_none(generator.deliveries.backlog()),
            _or_none(generator.history.last_documents(LAST)),
        )
        lag = generator.shipper.lag_seconds
        return Status(bool(redis), bool(clickhouse), lengths, workers, deliveries, documents, lag)

    async def ready(self) -> dict[str, object]:
        """Say for /readyz whether this process can do its work."""
        redis = bool(await _or_none(self._generator.redis.ping()))
        clickhouse = bool(await _or_none(self._generator.clickhouse.ping()))
        registered = self._generator.registered.is_set()
        stopping = self._generator.stop.is_set()
        ready = redis and registered and not stopping
        checks = {
            "redis": "ok" if redis else "unavailable",
            "clickhouse": "ok" if clickhouse else "unavailable",
            "templates": "ok" if registered else "starting",
        }
        status = ("ok" if clickhouse else "degraded") if ready else "unavailable"
        return {"status": status, "stopping": stopping, "checks": checks}


async def _or_none(question: Awaitable[T]) -> T | None:
    try:
        async with asyncio.timeout(2):
            return await question
    except (PressworkError, OSError):
        return None
