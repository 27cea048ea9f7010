"""Composition root of the generator: the one place that chooses concrete things and wires the roles together."""

import asyncio
import os
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path

import structlog
from fastapi import FastAPI
from starlette.requests import Request
from starlette.responses import PlainTextResponse

from backends.accounts import Accounts
from backends.asks import Asks
from backends.blobs import FileBlobStore
from backends.clickhouse import ClickHouse
from backends.deliveries import Circuit, Deliveries
from backends.endpoints import EndpointStore
from backends.queue import DocumentQueue
from backends.redis import connect_redis
from backends.redis_safety import RedisRefused, UnsafeRedis, require_safe_redis
from backends.role_lease import RoleLease
from backends.scripts import Scripts
from backends.shutdown import Farewell, Shutdown, first
from backends.telemetry import Metrics, RequestTelemetry, configure_logging
from backends.template_store import TemplateStore
from contracts.errors import TransientError
from contracts.ids import new_id
from contracts.secrets import SecretBox, UrlSigner
from contracts.targets import AllowList
from contracts.views import Links
from generator.admin.panel import attach
from generator.bundles import Bundles, register
from generator.delivery import DEFAULT_SCHEDULE, Attempter, Deliverer, Dialer, Schedule
from generator.delivery.connections import trusting
from generator.delivery.loop import DeliverLimits, disable_endpoint
from generator.gauges import QueueGauges
from generator.guests import GuestPool
from generator.loops import Loop, Loops
from generator.maintenance.heartbeat import Heartbeat, RenderProcess
from generator.maintenance.pruner import Pruner, PrunerMetrics
from generator.maintenance.pruning import pruning_over
from generator.maintenance.rescuer import Rescuer
from generator.maintenance.retention import Retention
from generator.maintenance.scheduler import Scheduler
from generator.payloads import DeliveryData
from generator.repository import HistoryRepository
from generator.sandbox import RenderPool, SandboxLimits
from generator.settings import GeneratorSettings
from generator.shipped import load_shipped
from generator.shipper import Shipper, ShipperSettings
from generator.turnstile import Turnstile
from generator.workbench import AskMetrics, WorkbenchServer
from generator.worker import Worker, WorkerSettings
from generator.worker_metrics import WorkerMetrics

log = structlog.get_logger(__name__)

#: How often the generator looks whether Redis still knows the shipped templates.
TEMPLATES_LOOK_S = 5.0
#: What finishes what it has begun.
FINISHING = ("worker", "workbench", "deliverer")
#: What goes on while the process drains: what is under way, and those who tell of it.
DRAINING = (*FINISHING, "shipper", "heartbeat", "gauges")
#: What follows the drain time: handing over what is rendered and giving back the rest, then shipping the last events.
GIVE_BACK_S, FLUSH_S = 3.0, 5.0
TEMPLATES = Path(__file__).parent.parent / "templates"


class Generator:
    """Everything a generator process is made of, by role."""

    def __init__(self, settings: GeneratorSettings) -> None:
        self.settings = settings
        self.name = f"{socket.gethostname()}-{os.getpid()}-{new_id().hex[-6:]}"
        self.redis = connect_redis(settings.redis_url)
        self.scripts = Scripts(self.redis)
        self.clickhouse = ClickHouse(settings.clickhouse_url)
        self.blobs = FileBlobStore(settings.blob_dir)
        self.metrics = Metrics("generator")
        self.queue = DocumentQueue(
            self.scripts,
            settings.queue_limits(),
            lease_ms=int(settings.lease_s * 1000),
            lane_cap=settings.lane_concurrency,
        )
        self.accounts = Accounts(self.scripts)
        self.history = HistoryRepository(self.clickhouse)
        self.pool = RenderPool(sandbox_limits(settings))
        self.turnstile = Turnstile()
        self.guests = GuestPool(self.pool, self.turnstile)
        self.worker = self._worker()
        self.workbench = self._workbench()
        self.deliveries = Deliveries(self.scripts, circuit=circuit_of(settings))
        allowed = AllowList.parse(settings.webhook_allow_cidrs, settings.webhook_allow_hosts)
        self.dialer = Dialer(allowed, tls=trusting(settings.webhook_ca_file))
        self.deliverer = self._deliverer()
        self.shipper = self._shipper()
        self.shutdown = Shutdown()
        self.running = Loops()
        self.registered = asyncio.Event()
        self.roles = {role.strip() for role in settings.roles.split(",") if role.strip()}

    def _worker(self) -> Worker:
        worker_settings = WorkerSettings(self.name, self.settings.retry_delay_s, self.settings.drain_s)
        metrics = WorkerMetrics(self.metrics.registry)
        bundles = Bundles(self.blobs)
        return Worker(self.queue, self.pool, self.blobs, bundles, worker_settings, metrics, self.turnstile)

    def _workbench(self) -> WorkbenchServer:
        metrics = AskMetrics(self.metrics.registry)
        return WorkbenchServer(Asks(self.scripts), self.guests, self.blobs, metrics, drain_s=self.settings.drain_s)

    def _deliverer(self) -> Deliverer:
        settings = self.settings
        links = Links(settings.public_url.rstrip("/"), UrlSigner(settings.secret_key), settings.url_ttl_s)
        box, endpoints = SecretBox(settings.secret_key), EndpointStore(self.scripts)
        data = DeliveryData(self.queue, self.history, self.accounts, endpoints, links, box.open)
        schedule = Schedule.parse(settings.webhook_schedule or DEFAULT_SCHEDULE)
        attempter = Attempter(self.dialer, data, data, box.open, schedule)
        limits = DeliverLimits(
            concurrency=settings.webhook_concurrency,
            per_user=settings.webhook_per_user,
            per_receiver=settings.webhook_per_receiver,
            drain_s=settings.drain_s,
            failing_days=settings.webhook_failing_days,
        )
        return Deliverer(self.deliveries, attempter, limits, partial(disable_endpoint, endpoints))

    def _shipper(self) -> Shipper:
        lease = RoleLease(self.redis, self.scripts.prefix, role="shipper", holder=self.name)
        return Shipper(
            self.scripts, self.clickhouse, self.blobs, lease, ShipperSettings(live_ttl_s=self.settings.live_ttl_s)
        )

    def _pruner(self) -> Pruner:
        retention = Retention.of(self.settings.inputs_ttl_s, self.settings.history_months, self.settings.assets_days)
        pruning = pruning_over(self.scripts, self.clickhouse, self.blobs, retention)
        lease = RoleLease(self.redis, self.scripts.prefix, role="pruner", holder=self.name)
        return Pruner(pruning, lease, PrunerMetrics(self.metrics.registry), self.settings.prune_every_s)

    def loops(self) -> dict[str, Loop]:
        """Return this process's loops by name, as its roles ask."""
        work = partial(self.worker.run, self.shutdown.asked, self.shutdown.hurried)
        at_once = partial(self.workbench.run, self.shutdown.asked, self.shutdown.hurried)
        by_role: dict[str, dict[str, Loop]] = {
            "render": {"worker": work, "workbench": at_once, "heartbeat": self._heartbeat().run},
            "deliver": {"deliverer": self.deliverer.run},
            "ship": {"shipper": self.shipper.run},
            "maintain": {
                "rescuer": Rescuer(self.queue).run,
                "scheduler": Scheduler(self.queue).run,
                "pruner": self._pruner().run,
            },
        }
        gauges = QueueGauges(self.metrics.registry, self.queue, self.deliveries, self.shipper)
        chosen = {name: loop for role, loops in by_role.items() if role in self.roles for name, loop in loops.items()}
        return {"gauges": gauges.run, **chosen}

    def _heartbeat(self) -> Heartbeat:
        return Heartbeat(self.scripts, self.name, self._documents, self._processes)

    def _documents(self) -> tuple[str, ...]:
        return tuple(str(document_id) for document_id in self.worker.in_flight)

    def _processes(self) -> tuple[RenderProcess, ...]:
        return tuple(
            RenderProcess(pid=child.pid, busy=child.busy, renders=child.renders, rss_bytes=child.rss_bytes)
            for child in self.pool.children
        )

    async def keep_templates(self) -> None:
        """Make the shipped templates known, and again whenever Redis has lost them."""
        shipped, store = load_shipped(TEMPLATES), TemplateStore(self.scripts)
        while True:
            try:
                if not await store.shipped([template.name for template in shipped]):
                    self.registered.clear()
                    await register(shipped, self.blobs, store)
                    log.info("templates.registered", names=[template.name for template in shipped])
                elif not self.registered.is_set():
                    await register(shipped, self.blobs, store)
                self.registered.set()
            except TransientError as error:
                log.warning("templates.waiting", error=error.message)
            await asyncio.sleep(TEMPLATES_LOOK_S if self.registered.is_set() else 0.5)

    async def judge_redis(self) -> None:
        """Say loudly if Redis may lose what it confirms: the User API does not become ready on such a one."""
        judged = False
        while not judged:
            try:
                await require_safe_redis(self.settings.redis_url, allow_unsafe=self.settings.allow_unsafe_redis)
                judged = True
            except UnsafeRedis as error:
                log.error("redis.unsafe", error=error.message)
                judged = True
            except RedisRefused as error:
                log.warning("redis.waiting", error=error.message)
                await asyncio.sleep(TEMPLATES_LOOK_S)

    async def drain(self) -> None:
        """Claim nothing more, finish within `drain_s`, give the rest back, ship what waits; at once when hurried."""
        self.shutdown.asked.set()
        self.deliverer.stop(self.shutdown.hurried)
        await self.running.cancel(but=DRAINING)
        hurried = self.shutdown.hurried
        await first(self.running.ended(*FINISHING), hurried.wait(), timeout_s=self.settings.drain_s)
        await first(self.running.ended(*FINISHING), timeout_s=GIVE_BACK_S)
        if "ship" in self.roles:
            await first(self.shipper.flush(FLUSH_S), hurried.wait())
        await self.running.cancel()

    async def close(self) -> None:
        self.dialer.close()
        await self.pool.close()
        await self.redis.aclose()
        await self.clickhouse.close()


def circuit_of(settings: GeneratorSettings) -> Circuit:
    """Translate settings into when a receiver is left alone."""
    return Circuit(
        requests=settings.webhook_circuit_calls,
        per_cent=settings.webhook_circuit_percent,
        open_ms=int(settings.webhook_circuit_s * 1000),
        longest_ms=int(settings.webhook_circuit_max_s * 1000),
        per_s=settings.webhook_rate,
    )


def sandbox_limits(settings: GeneratorSettings) -> SandboxLimits:
    """Translate settings into the limits of the render processes."""
    return SandboxLimits(
        workers=settings.workers,
        memory_bytes=settings.render_memory_mb * 1024 * 1024,
        output_bytes=settings.max_output_bytes,
        file_bytes=settings.max_output_bytes + 1024 * 1024,
        mode=settings.sandbox,
        untrusted_unconfined=settings.sandbox == "unsafe",
        packages=Path(settings.typst_packages) if settings.typst_packages else None,
    )


def create_app(settings: GeneratorSettings) -> FastAPI:
    """Build the service: its loops run while the application runs."""
    configure_logging("generator", settings.log_level, settings.log_format)
    app = FastAPI(
        title="Presswork generator",
        lifespan=_lifespan,
        docs_url=None,
        redoc_url=None,
        openapi_url=None,
        redirect_slashes=False,
    )
    generator = Generator(settings)
    app.state.generator = generator
    attach(app, generator)
    app.add_middleware(Farewell, shutdown=generator.shutdown, cut_off=lambda _: STOPPED)
    app.add_middleware(RequestTelemetry, metrics=generator.metrics, failed=lambda scope: _failed(Request(scope)))
    return app


STOPPED = PlainTextResponse("The service ended before it could answer: try again.\n", 503, {"Retry-After": "1"})


def _failed(request: Request) -> PlainTextResponse:
    return PlainTextResponse(f"Internal error; the log has it under {request.state.request_id}.\n", 500)


@asynccontextmanager
async def _lifespan(app: FastAPI) -> AsyncIterator[None]:
    generator: Generator = app.state.generator
    await generator.pool.start()
    generator.running.start(
        {"templates": generator.keep_templates, "redis": generator.judge_redis, **generator.loops()}
    )
    try:
        async with app.state.panel.running():
            yield
    finally:
        if not generator.shutdown.asked.is_set():  # else it was drained before the port closed
            await generator.drain()
        await generator.close()
