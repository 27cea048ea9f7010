"""Composition root of the User API: the one place that chooses concrete things and wires them."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from fastapi import FastAPI
from redis.asyncio import Redis
from starlette.requests import Request
from starlette.staticfiles import StaticFiles

from app.api import (
    assets,
    content,
    documents,
    endpoints,
    errors,
    fonts,
    renders,
    system,
    template_changes,
    templates,
    users,
    webhooks,
)
from app.api.errors import internal_problem, stopped_problem
from app.api.gate import StartupGate
from app.api.intake import Intake
from app.api.limits import BodyLimit
from app.api.openapi import complete
from app.api.schemas import Limits
from app.repository.deliveries import DeliveryRepository
from app.repository.documents import DocumentRepository
from app.repository.templates import TemplateRepository
from app.repository.users import UserRepository
from app.services import Services
from app.services.assets import AssetService
from app.services.auth import Authenticator
from app.services.bootstrap import Bootstrap
from app.services.deliveries import DeliveryService
from app.services.documents import DocumentService, DocumentStores
from app.services.endpoints import EndpointLimits, EndpointService
from app.services.fonts import FontService
from app.services.judges import Judges
from app.services.readiness import Readiness
from app.services.records import asset_quota, font_quota
from app.services.renders import RenderService
from app.services.template_changes import TemplateChanges, TemplateLimits
from app.services.templates import TemplateService
from app.services.users import UserService
from app.settings import ApiSettings
from backends.accounts import Accounts
from backends.asks import Asks
from backends.blobs import BlobStore, FileBlobStore
from backends.changes import Changes
from backends.clickhouse import ClickHouse
from backends.deliveries import Deliveries
from backends.endpoints import EndpointStore
from backends.history_accounts import HistoryAccounts
from backends.history_endpoints import HistoryEndpoints, bring_endpoints_back
from backends.history_templates import HistoryTemplates, bring_templates_back
from backends.migrations.retention import HistoryRetention, apply_retention
from backends.migrations.runner import migrate
from backends.queue import DocumentQueue
from backends.receivers import Receivers
from backends.redis import connect_redis
from backends.redis_safety import require_safe_redis
from backends.scripts import Scripts
from backends.shutdown import Farewell, Shutdown
from backends.telemetry import Metrics, RequestTelemetry, configure_logging
from backends.template_store import TemplateStore
from backends.workbench import Workbench
from contracts.secrets import SecretBox, UrlSigner, derive
from contracts.targets import AllowList
from contracts.views import Links

SWAGGER_UI = Path(__file__).parent / "static" / "swagger-ui"
DESCRIPTION = """Documents from templates and data: request one, hear of it by a signed webhook, download it.

A `202` is a promise: the request is on disk before it is answered."""


@dataclass(frozen=True)
class Backends:
    """The servers this process talks to; tests replace them."""

    redis: Redis
    clickhouse: ClickHouse
    blobs: BlobStore

    @classmethod
    def of(cls, settings: ApiSettings) -> "Backends":
        return cls(
            redis=connect_redis(settings.redis_url, connections=128, timeout_s=2),
            clickhouse=ClickHouse(settings.clickhouse_url),
            blobs=FileBlobStore(settings.blob_dir),
        )

    async def close(self) -> None:
        await self.redis.aclose()
        await self.clickhouse.close()


def create_app(settings: ApiSettings, backends: Backends | None = None) -> FastAPI:
    """Build the application; servers are contacted when it starts, and it starts without them."""
    configure_logging("api", settings.log_level, settings.log_format)
    app = FastAPI(
        title="Presswork User API",
        version="0.1.0",
        description=DESCRIPTION,
        lifespan=_lifespan,
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,  # the redirect would lead to whatever Host the client names
        generate_unique_id_function=lambda route: route.name,
    )
    _wire(app, settings, backends or Backends.of(settings))
    errors.install(app)
    for part in (
        users,
        templates,
        template_changes,
        renders,
        assets,
        fonts,
        documents,
        content,
        webhooks,
        endpoints,
        system,
    ):
        app.include_router(part.router)
    app.mount("/docs/assets", StaticFiles(directory=SWAGGER_UI), name="docs_assets")
    complete(app)
    app.add_middleware(BodyLimit, max_bytes=settings.max_body_bytes, max_upload_bytes=settings.max_upload_bytes)
    app.add_middleware(StartupGate, readiness=app.state.readiness)
    app.add_middleware(Farewell, shutdown=app.state.shutdown, cut_off=lambda scope: stopped_problem(Request(scope)))
    app.add_middleware(
        RequestTelemetry, metrics=app.state.metrics, failed=lambda scope: internal_problem(Request(scope))
    )
    return app


@dataclass(frozen=True)
class Parts:
    """What several services stand on, each made once."""

    scripts: Scripts
    accounts: Accounts
    changes: Changes
    workbench: Workbench
    template_store: TemplateStore
    endpoint_store: EndpointStore
    judges: Judges

    @classmethod
    def over(cls, backends: Backends) -> "Parts":
        scripts = Scripts(backends.redis)
        changes = Changes(backends.redis, scripts.prefix)
        workbench = Workbench(Asks(scripts), backends.blobs, changes)
        stores = TemplateStore(scripts), EndpointStore(scripts)
        return cls(scripts, Accounts(scripts), changes, workbench, *stores, Judges())


def _wire(app: FastAPI, settings: ApiSettings, backends: Backends) -> None:
    parts = Parts.over(backends)
    services = _services(settings, backends, parts)
    bootstrap = _bootstrap(settings, backends, parts, services.users)
    state = app.state
    state.settings, state.backends, state.blobs = settings, backends, backends.blobs
    state.services, state.workbench, state.judges = services, parts.workbench, parts.judges
    state.links = Links(settings.public_url.rstrip("/"), UrlSigner(settings.secret_key), settings.url_ttl_s)
    state.cursor_key = derive(settings.secret_key, "cursors")
    state.metrics, state.changes, state.bootstrap = Metrics("api"), parts.changes, bootstrap
    state.intake = Intake(settings.max_requests)
    state.metrics.watch_intake(lambda: state.intake.under_way, lambda: state.intake.refused)
    state.shutdown = Shutdown()
    state.readiness = Readiness(backends.redis.ping, backends.clickhouse.ping, bootstrap, state.shutdown)
    state.limits = _limits(settings)


def _services(settings: ApiSettings, backends: Backends, parts: Parts) -> Services:
    auth = Authenticator(parts.accounts, settings.secret_key)
    assets_ = AssetService(backends.blobs, asset_quota(settings.max_assets_per_user, settings.max_assets_mb_per_user))
    fonts_ = FontService(backends.blobs, font_quota(settings.max_fonts_per_user, settings.max_fonts_mb_per_user))
    templates_ = TemplateService(parts.template_store, backends.blobs, parts.judges)
    stores = DocumentStores(
        queue=DocumentQueue(parts.scripts, settings.queue_limits()),
        history=DocumentRepository(backends.clickhouse),
        blobs=backends.blobs,
        changes=parts.changes,
    )
    allowed = AllowList.parse(settings.webhook_allow_cidrs, settings.webhook_allow_hosts)
    documents_ = DocumentService(stores, templates_, assets_, fonts_, allowed, settings.idempotency_ttl_s)
    users_ = UserRepository(backends.clickhouse)
    deliveries, box = DeliveryRepository(backends.clickhouse), SecretBox(settings.secret_key)
    overlap_ms = settings.webhook_secret_overlap_s * 1000
    return Services(
        auth=auth,
        users=UserService(parts.accounts, users_, auth, box, overlap_ms),
        documents=documents_,
        templates=templates_,
        template_changes=TemplateChanges(
            parts.template_store,
            templates_,
            TemplateRepository(backends.clickhouse),
            backends.blobs,
            parts.workbench,
            assets_,
            fonts_,
            TemplateLimits(settings.max_templates_per_user, settings.max_versions_per_template),
        ),
        deliveries=DeliveryService(Deliveries(parts.scripts), parts.endpoint_store, deliveries, documents_),
        endpoints=EndpointService(
            parts.endpoint_store,
            Deliveries(parts.scripts),
            deliveries,
            box,
            allowed,
            EndpointLimits(settings.max_endpoints_per_user, overlap_ms),
        ),
        receivers=Receivers(parts.scripts),
        assets=assets_,
        fonts=fonts_,
        renders=RenderService(documents_, parts.workbench),
    )


def _bootstrap(settings: ApiSettings, backends: Backends, parts: Parts, users_: UserService) -> Bootstrap:
    schema = partial(_prepare_schema, backends.clickhouse, settings)
    safe = partial(require_safe_redis, settings.redis_url, allow_unsafe=settings.allow_unsafe_redis)
    back = partial(_bring_back, backends.clickhouse, parts.template_store, parts.endpoint_store)
    history = HistoryAccounts(backends.clickhouse)
    return Bootstrap(parts.accounts, users_, history, schema, settings.admin_key, safe, back)


def _limits(settings: ApiSettings) -> Limits:
    return Limits(
        max_body_bytes=settings.max_body_bytes,
        max_metadata_bytes=settings.max_metadata_bytes,
        max_open_documents=settings.max_open_per_user,
        max_timeout_s=settings.max_timeout_s,
        max_attempts=settings.max_attempts,
    )


async def _bring_back(clickhouse: ClickHouse, templates: TemplateStore, endpoints: EndpointStore) -> dict[str, int]:
    """Fill a Redis that has lost them with what users made; returns how many there are of each."""
    return {
        "templates": await bring_templates_back(HistoryTemplates(clickhouse), templates),
        "endpoints": await bring_endpoints_back(HistoryEndpoints(clickhouse), endpoints),
    }


async def _prepare_schema(clickhouse: ClickHouse, settings: ApiSettings) -> None:
    await migrate(clickhouse)
    await apply_retention(clickhouse, HistoryRetention(settings.history_months, settings.deliveries_days))


@asynccontextmanager
async def _lifespan(app: FastAPI) -> AsyncIterator[None]:
    tasks = [asyncio.create_task(app.state.changes.run()), asyncio.create_task(app.state.bootstrap.run())]
    try:
        # A port that opens earlier would answer 503 to clients that another process serves well.
        await app.state.bootstrap.tried.wait()
        yield
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await app.state.changes.close()
        await app.state.judges.close()
        await app.state.backends.close()
