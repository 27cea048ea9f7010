"""A worker whose render processes are replaced by a pool that makes small files at once, and requests for it.

Import the fixture where it is needed: `from tests.integration.instant_pool import pool`.
"""

import asyncio
import json
from collections.abc import AsyncIterator
from dataclasses import dataclass, field

import httpx2
import pytest
from prometheus_client import CollectorRegistry

from contracts.errors import DocumentError, DocumentFailed
from contracts.templates import TemplateBundle
from generator.bundles import Bundles
from generator.renderers.port import Rendered, RenderRequest
from generator.shipper import Shipper
from generator.worker import Worker, WorkerSettings
from generator.worker_metrics import WorkerMetrics
from tests.integration.conftest import Api

LETTER = {"template": "letter", "data": {"to": {"name": "Ada"}}, "format": "pdf"}


@dataclass
class InstantPool:
    """Renders at once: the content tells what was asked for. `gate` holds renders back; data may ask for a failure."""

    size: int = 2
    gate: asyncio.Event = field(default_factory=asyncio.Event)

    async def render(self, request: RenderRequest, timeout_s: float) -> Rendered:
        await self.gate.wait()
        data = json.loads(request.data)
        if failure := data.get("fail"):
            raise DocumentFailed(DocumentError(code=failure, message="It failed.", line=3, hint="Mend it."))
        return Rendered(b"%PDF-" + request.data * data.get("times", 1), pages=1)


class OneBundle(Bundles):
    async def of(self, job: object) -> TemplateBundle:
        return TemplateBundle.of_file("typst", b"= Hello", "main.typ")


@pytest.fixture
async def pool(api: Api, shipping: Shipper) -> AsyncIterator[InstantPool]:
    """A worker that renders while the test runs; its pool's gate is open."""
    pool, stop = InstantPool(), asyncio.Event()
    pool.gate.set()
    settings = WorkerSettings("test-worker", retry_delay_s=0, drain_s=0)
    worker = Worker(api.queue, pool, api.blobs, OneBundle(api.blobs), settings, WorkerMetrics(CollectorRegistry()))
    task = asyncio.create_task(worker.run(stop))
    yield pool
    stop.set()
    await asyncio.wait_for(task, 10)


async def request(
    client: httpx2.AsyncClient, headers: dict[str, str] | None = None, **changes: object
) -> httpx2.Response:
    return await client.post("/v1/documents", json={**LETTER, **changes}, headers=headers or {})


async def completed(api: Api, **changes: object) -> dict[str, object]:
    response = await request(api.admin, {"Prefer": "wait=10"}, **changes)
    assert response.status_code == 200, response.text
    return dict(response.json())
