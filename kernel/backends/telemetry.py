"""Logs and metrics of both services: structured logs with request ids, one wide line and one metric per request."""

import logging
import re
import sys
import time
from collections.abc import Awaitable, Callable, MutableMapping
from hmac import compare_digest
from typing import Any, Literal

import structlog
from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    GCCollector,
    Histogram,
    Info,
    PlatformCollector,
    ProcessCollector,
)
from prometheus_client.exposition import generate_latest

from contracts.ids import new_id

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
Application = Callable[[Scope, Receive, Send], Awaitable[None]]

SANE_REQUEST_ID = re.compile(r"[A-Za-z0-9._:/+=-]{1,128}")
QUIET_PATHS = frozenset({"/livez", "/readyz", "/metrics"})
METRICS_TYPE = "text/plain; version=0.0.4; charset=utf-8"


def configure_logging(service: str, level: str, style: Literal["auto", "json", "pretty"]) -> None:
    """Send structlog and the standard library's logs to stdout as JSON lines, or readable on a terminal."""
    pretty = style == "pretty" or (style == "auto" and sys.stdout.isatty())
    shared: list[structlog.typing.Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.format_exc_info if not pretty else structlog.dev.set_exc_info,
    ]
    renderer: structlog.typing.Processor = (
        structlog.dev.ConsoleRenderer()
        if pretty
        else structlog.processors.JSONRenderer(ensure_ascii=False, default=str)
    )
    structlog.configure(
        processors=[*shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.make_filtering_bound_logger(getattr(logging, level.upper())),
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler(sys.stdout)
    final = [structlog.stdlib.ProcessorFormatter.remove_processors_meta, renderer]
    handler.setFormatter(structlog.stdlib.ProcessorFormatter(foreign_pre_chain=shared, processors=final))
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level.upper())
    for noisy in ("uvicorn.access", "aiohttp.access"):
        logging.getLogger(noisy).setLevel(logging.WARNING)
    structlog.contextvars.bind_contextvars(service=service)


class Metrics:
    """One registry per process, so that tests and several services in one process do not share counters."""

    def __init__(self, service: str) -> None:
        self.registry = CollectorRegistry()
        ProcessCollector(registry=self.registry)
        PlatformCollector(registry=self.registry)
        GCCollector(registry=self.registry)
        Info("presswork_build", "What runs", registry=self.registry).info({"service": service})
        self.requests = Counter(
            "presswork_http_requests_total", "Requests answered", ["method", "route", "status"], registry=self.registry
        )
        self.request_seconds = Histogram(
            "presswork_http_request_duration_seconds",
            "Time to answer",
            ["route"],
            buckets=(0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 10, 60),
            registry=self.registry,
        )

    def watch_intake(self, under_way: Callable[[], int], refused: Callable[[], int]) -> None:
        """Show how many requests are under way and how many were refused for being too many."""
        now = Gauge(
            "presswork_http_requests_under_way", "Requests under way, waiting ones aside", registry=self.registry
        )
        now.set_function(under_way)
        total = Gauge("presswork_http_requests_refused", "Requests refused with 503 overloaded", registry=self.registry)
        total.set_function(refused)

    def text(self) -> bytes:
        return generate_latest(self.registry)


def metrics_allowed(token: str, authorization: str) -> bool:
    """Tell whether a scrape may read /metrics: always without a configured token."""
    return not token or compare_digest(f"Bearer {token}".encode(), authorization.encode(errors="replace"))


class RequestTelemetry:
    """ASGI middleware: gives each request an id, logs one line and counts it when it is answered."""

    def __init__(self, app: Application, metrics: Metrics, failed: Callable[[Scope], Application]) -> None:
        self.app = app
        self.metrics = metrics
        self.failed = failed
        self.log = structlog.get_logger("presswork.http")

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        request_id = request_id_of(scope)
        scope.setdefault("state", {})["request_id"] = request_id
        answer = Answer(send, request_id)
        began = time.perf_counter()
        with structlog.contextvars.bound_contextvars(request_id=request_id):
            try:
                await self.app(scope, receive, answer)
            except Exception:
                self.log.exception("request.failed", path=scope["path"])
                if answer.status == 0:
                    await self.failed(scope)(scope, receive, answer)
            finally:
                self._record(scope, answer.status, time.perf_counter() - began)

    def _record(self, scope: Scope, status: int, seconds: float) -> None:
        route = getattr(scope.get("route"), "path_format", "unmatched")
        self.metrics.requests.labels(scope["method"], route, str(status)).inc()
        self.metrics.request_seconds.labels(route).observe(seconds)
        if scope["path"] not in QUIET_PATHS:
            line = {"method": scope["method"], "path": scope["path"], "status": status, "ms": round(seconds * 1000, 1)}
            self.log.info("request.answered", **line, **_ids(scope))


def _ids(scope: Scope) -> dict[str, str]:
    """Say who asked, and for which document: it stands in the path, or its endpoint has noted it."""
    state, path = scope.get("state", {}), scope.get("path_params", {})
    known = {"user_id": state.get("user_id"), "document_id": state.get("document_id") or path.get("document_id")}
    return {name: str(value) for name, value in known.items() if value}


class Answer:
    """Notes the status that goes out and adds X-Request-Id."""

    def __init__(self, send: Send, request_id: str) -> None:
        self._send = send
        self._header = (b"x-request-id", request_id.encode())
        self.status = 0

    async def __call__(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.status = message["status"]
            message["headers"] = [*message.get("headers", ()), self._header]
        await self._send(message)


def request_id_of(scope: Scope) -> str:
    """Return the caller's X-Request-Id if it is sane, else a new one."""
    for name, value in scope["headers"]:
        if name == b"x-request-id" and SANE_REQUEST_ID.fullmatch(text := value.decode("latin-1")):
            return str(text)
    return str(new_id())
