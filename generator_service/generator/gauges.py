"""Gauges for /metrics, read from Redis every few seconds: a scrape never waits for a server."""

import asyncio

import structlog
from prometheus_client import CollectorRegistry, Gauge

from backends.deliveries import Deliveries
from backends.queue import DocumentQueue
from contracts.errors import TransientError
from generator.shipper import Shipper

log = structlog.get_logger(__name__)

EVERY_S = 2.0


class QueueGauges:
    def __init__(
        self, registry: CollectorRegistry, queue: DocumentQueue, deliveries: Deliveries, shipper: Shipper
    ) -> None:
        self._queue = queue
        self._deliveries = deliveries
        self._shipper = shipper
        self._documents = Gauge("presswork_documents", "Unfinished documents", ["state"], registry=registry)
        self._pending = Gauge("presswork_webhooks_pending", "Deliveries not settled", registry=registry)
        self._oldest = Gauge(
            "presswork_webhook_oldest_due_age_seconds",
            "Oldest due, unsent; without those whose receiver is left alone for a while",
            registry=registry,
        )
        self._lag = Gauge("presswork_events_lag_seconds", "Oldest event not in ClickHouse", registry=registry)
        self._shipped = Gauge("presswork_events_shipped", "Events shipped by this process", registry=registry)
        self._quarantined = Gauge(
            "presswork_events_quarantined", "Events this process could not store", registry=registry
        )
        self._up = Gauge("presswork_redis_up", "1 while Redis answers", registry=registry)

    async def run(self) -> None:
        """Refresh for ever."""
        while True:
            try:
                await self._refresh()
                self._up.set(1)
            except TransientError as error:
                self._up.set(0)
                log.debug("gauges.queue_away", error=error.message)
            await asyncio.sleep(EVERY_S)

    async def _refresh(self) -> None:
        for state, count in (await self._queue.lengths()).items():
            self._documents.labels(state).set(count)
        backlog = await self._deliveries.backlog()
        self._pending.set(backlog.pending)
        self._oldest.set(backlog.oldest_due_ms / 1000)
        self._lag.set(self._shipper.lag_seconds)
        self._shipped.set(self._shipper.counters.events)
        self._quarantined.set(self._shipper.counters.quarantined)
