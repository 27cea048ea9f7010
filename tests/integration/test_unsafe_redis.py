"""A service on a Redis that may lose what it has confirmed: nothing is accepted until that is mended."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import httpx2
import pytest
from redis.asyncio import Redis

from app.main import create_app
from app.settings import ApiSettings
from backends.clickhouse import ClickHouse
from contracts.api_keys import generate_key
from tests.conftest import WaitUntil
from tests.integration.conftest import SECRET_KEY, url_of
from tests.integration.history_servers import Server, redis_server

Client = httpx2.AsyncClient


@pytest.fixture
async def unsafe_redis(tmp_path: Path) -> AsyncIterator[Server]:
    """A Redis that syncs its file once a second: a power failure takes what was confirmed in the last one."""
    with contextlib.ExitStack() as stack:
        server = await asyncio.to_thread(stack.enter_context, redis_server(tmp_path / "redis"))
        await configured(server, "everysec")
        yield server


@asynccontextmanager
async def api_on(redis: Server, clickhouse: ClickHouse, folder: Path, **settings: object) -> AsyncIterator[Client]:
    values = {
        "redis_url": redis.url,
        "clickhouse_url": url_of(clickhouse),
        "secret_key": SECRET_KEY,
        "admin_key": generate_key(),
        "blob_dir": folder / "blobs",
        "log_level": "error",
        **settings,
    }
    app = create_app(ApiSettings.model_validate(values))
    async with app.router.lifespan_context(app):
        async with httpx2.AsyncClient(transport=httpx2.ASGITransport(app), base_url="http://api.test") as client:
            yield client


async def test_the_api_becomes_ready_once_the_redis_is_mended(
    unsafe_redis: Server, clickhouse: ClickHouse, tmp_path: Path, wait_until: WaitUntil
) -> None:
    async with api_on(unsafe_redis, clickhouse, tmp_path) as client:

        async def is_called_unsafe() -> bool:
            return bool((await client.get("/readyz")).json()["checks"]["redis"] == "unsafe")

        await wait_until(is_called_unsafe, "/readyz calls Redis unsafe")
        refused = await client.post("/v1/documents", json={})
        assert (refused.status_code, refused.json()["code"]) == (503, "not_started")
        await configured(unsafe_redis, "always")
        await wait_until(lambda: is_ready(client), "the API is ready")


async def test_the_api_is_ready_on_a_redis_whose_risk_is_accepted(
    unsafe_redis: Server, clickhouse: ClickHouse, tmp_path: Path, wait_until: WaitUntil
) -> None:
    async with api_on(unsafe_redis, clickhouse, tmp_path, allow_unsafe_redis=True) as client:
        await wait_until(lambda: is_ready(client), "the API is ready")


async def is_ready(client: Client) -> bool:
    return bool((await client.get("/readyz")).status_code == 200)


async def configured(redis: Server, appendfsync: str) -> None:
    async with Redis.from_url(redis.url) as client:
        await client.config_set("appendfsync", appendfsync)
