"""The whole service in this process for the panel's tests: API and generator on loopback ports, real servers below.

Import the fixture where it is needed: `from tests.integration.panel_stack import panel`.
"""

import asyncio
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path

import httpx2
import pytest
import uvicorn
from fastapi import FastAPI
from redis.asyncio import Redis

from backends.clickhouse import ClickHouse
from generator.main import Generator, create_app
from generator.renderers.port import Rendered, RenderRequest
from generator.sandbox import RenderPool
from generator.settings import GeneratorSettings
from tests.integration.conftest import SECRET_KEY, Api, running_api, url_of
from tests.integration.history_servers import Server, free_port

CSRF = re.compile(r'data-csrf="([0-9a-f]+)"')


@dataclass
class PanelStack:
    """`browser` is logged in as the first admin and follows no redirects."""

    api: Api
    generator: Generator
    browser: httpx2.AsyncClient
    csrf: str

    async def get(self, path: str, **params: str) -> httpx2.Response:
        return await self.browser.get(path, params=params)

    async def post(self, path: str, **fields: str) -> httpx2.Response:
        """Send a form as the page would, with its CSRF token."""
        return await self.browser.post(path, data={"csrf": self.csrf, **fields})

    def stranger(self) -> httpx2.AsyncClient:
        """Return a browser that nobody has logged in with."""
        return httpx2.AsyncClient(base_url=self.browser.base_url)


class LateRenderPool(RenderPool):
    """Starts its processes with the first document: most pages need none, and to warm them takes a second."""

    _started: asyncio.Task[None] | None = None

    async def start(self) -> None:
        return

    async def render(self, request: RenderRequest, timeout_s: float | None = None) -> Rendered:
        self._started = self._started or asyncio.create_task(super().start())
        await asyncio.shield(self._started)
        return await super().render(request, timeout_s)

    async def close(self) -> None:
        """Wait for a start that is under way: one that is cut off would remove the same folder as this."""
        if self._started is not None:
            await asyncio.gather(self._started, return_exceptions=True)
        await super().close()


@pytest.fixture
async def panel(
    redis_node: Server, redis: Redis, clickhouse: ClickHouse, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[PanelStack]:
    """API, generator in all its roles, and a browser with an admin's session."""
    monkeypatch.setattr("generator.main.RenderPool", LateRenderPool)
    api_port, panel_port = free_port(), free_port()
    api_url = f"http://127.0.0.1:{api_port}"
    async with running_api(redis_node.url, clickhouse, tmp_path / "blobs", public_url=api_url) as api:
        await api.scripts.redis.delete(f"{api.scripts.prefix}templates")  # the API's tests have one without a source
        app = create_app(_settings(api, redis_node.url, tmp_path / "blobs", api_url))
        async with _serving(api.app, api_port), app.router.lifespan_context(app), _serving(app, panel_port):
            await asyncio.wait_for(app.state.generator.registered.wait(), 20)
            async with httpx2.AsyncClient(
                base_url=f"http://127.0.0.1:{panel_port}", timeout=30, verify=False
            ) as browser:
                answer = await browser.post("/login", data={"key": api.key})
                assert answer.status_code == 303, answer.text
                found = CSRF.search((await browser.get("/")).text)
                assert found is not None
                yield PanelStack(api, app.state.generator, browser, found[1])


def _settings(api: Api, redis_url: str, blobs: Path, api_url: str) -> GeneratorSettings:
    values = {
        "redis_url": redis_url,
        "clickhouse_url": url_of(api.clickhouse),
        "secret_key": SECRET_KEY,
        "blob_dir": blobs,
        "api_url": api_url,
        "public_url": api_url,
        "log_level": "error",
        "workers": 1,
        "drain_s": 1,
    }
    return GeneratorSettings.model_validate(values)


class _Server(uvicorn.Server):
    """Leaves the test runner's signals alone."""

    def capture_signals(self) -> nullcontext[None]:  # type: ignore[override]
        return nullcontext()


@asynccontextmanager
async def _serving(app: FastAPI, port: int) -> AsyncIterator[None]:
    """Serve an application whose lifespan somebody else runs."""
    config = uvicorn.Config(
        app, port=port, lifespan="off", log_config=None, access_log=False, timeout_graceful_shutdown=1
    )
    server = _Server(config)
    task = asyncio.create_task(server.serve())
    async with asyncio.timeout(10):
        while not server.started:
            await asyncio.sleep(0.01)
    yield
    server.should_exit = True
    await asyncio.wait_for(task, 10)
