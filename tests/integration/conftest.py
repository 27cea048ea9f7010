"""Real servers, once per session, and the User API in this process on top of them."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

import httpx2
import pytest
from fastapi import FastAPI
from redis.asyncio import Redis

from app.main import create_app
from app.settings import ApiSettings
from backends.blobs import FileBlobStore
from backends.clickhouse import ClickHouse
from backends.queue import DocumentQueue
from backends.redis import connect_redis
from backends.role_lease import RoleLease
from backends.scripts import Scripts
from backends.template_store import TemplateStore
from contracts.api_keys import generate_key
from contracts.templates import TemplateHead, TemplateVersion
from generator.shipper import Shipper, ShipperSettings
from tests.integration.delivery_zoo import dialled, hung_up, pw
from tests.integration.doctor_stage import Clinic
from tests.integration.history_servers import Server, clickhouse_server, fresh_database, fresh_prefix, redis_server
from tests.integration.outside_servers import OutsideServer, outside_clickhouse, outside_redis

__all__ = ["dialled", "hung_up", "pw"]

SECRET_KEY = "a secret key for tests, long enough"


@pytest.fixture(scope="session")
def redis_node(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server | OutsideServer]:
    if outside := outside_redis():
        yield outside
        asyncio.run(emptied(outside.url))
        return
    with redis_server(tmp_path_factory.mktemp("redis")) as server:
        yield server


@pytest.fixture(scope="session")
def clickhouse_node(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server | OutsideServer]:
    if outside := outside_clickhouse():
        yield outside
        return
    with clickhouse_server(tmp_path_factory.mktemp("clickhouse")) as server:
        yield server


async def emptied(url: str) -> None:
    client = connect_redis(url)
    await client.flushdb()
    await client.aclose()


@pytest.fixture
async def redis(redis_node: Server) -> AsyncIterator[Redis]:
    """An empty Redis."""
    client = connect_redis(redis_node.url)
    await client.flushdb()
    yield client
    await client.aclose()


@pytest.fixture
async def clickhouse(clickhouse_node: Server) -> AsyncIterator[ClickHouse]:
    """An empty database with the schema."""
    async with fresh_database(clickhouse_node.url) as client:
        yield client


@pytest.fixture
def scripts(redis: Redis) -> Scripts:
    return Scripts(redis)


@pytest.fixture
def queue(scripts: Scripts) -> DocumentQueue:
    return DocumentQueue(scripts, lease_ms=1000)


@dataclass
class Api:
    """The User API in this process, a client with the admin's key, and what it stands on."""

    app: FastAPI
    admin: httpx2.AsyncClient
    key: str
    scripts: Scripts
    queue: DocumentQueue
    clickhouse: ClickHouse
    blobs: FileBlobStore

    def client(self, key: str | None) -> httpx2.AsyncClient:
        headers = {"Authorization": f"Bearer {key}"} if key else {}
        transport = httpx2.ASGITransport(self.app, raise_app_exceptions=False)
        return httpx2.AsyncClient(transport=transport, base_url="http://api.test", headers=headers)

    async def user(self, role: str = "member", email: str = "", **key: object) -> tuple[httpx2.AsyncClient, str]:
        """Make a user with a key; returns a client and the user's id."""
        email = email or f"{role}-{generate_key()[3:11].lower()}@example.com"
        made = (await self.admin.post("/v1/users", json={"email": email, "name": role, "role": role})).json()
        body = {"name": "test", **key}
        shown = (await self.admin.post(f"/v1/users/{made['id']}/keys", json=body)).json()
        return self.client(shown["key"]), made["id"]


@asynccontextmanager
async def running_api(redis_url: str, clickhouse: ClickHouse, folder: Path, **settings: object) -> AsyncIterator[Api]:
    key = generate_key()
    values = {"redis_url": redis_url, "clickhouse_url": url_of(clickhouse), "secret_key": SECRET_KEY, "admin_key": key}
    plain = {"blob_dir": folder, "log_level": "error", "allow_unsafe_redis": outside_redis() is not None}
    app = create_app(ApiSettings.model_validate({**values, **plain, **settings}))
    backends = app.state.backends
    scripts = Scripts(backends.redis)
    async with app.router.lifespan_context(app):
        async with asyncio.timeout(10):
            await app.state.bootstrap.prepared.wait()
        await TemplateStore(scripts).ship(a_template())
        blobs, nobody = FileBlobStore(folder), httpx2.AsyncClient(verify=False)  # certificates take 20 ms to load
        api = Api(app, nobody, key, scripts, DocumentQueue(scripts), clickhouse, blobs)
        async with api.client(key) as api.admin:
            yield api


def url_of(clickhouse: ClickHouse) -> str:
    """Write a client's address as a URL with its login."""
    address = clickhouse.address
    login = f"{quote(address.user, safe='')}:{quote(address.password, safe='')}"
    return f"{address.url.replace('://', f'://{login}@')}{address.database}"


def a_template(name: str = "letter") -> TemplateHead:
    version = TemplateVersion(version=1, sha256="ab" * 32, engines={"pdf": "typst", "docx": "docx"}, created_at=1)
    return TemplateHead(
        name=name,
        visibility="shared",
        engine="typst",
        formats=("pdf", "docx"),
        versions=(version,),
        tags={"production": 1},
        sample={"to": {"name": "Ada"}},
        data_schema={"required": ["to"], "properties": {"to": {"type": "object", "required": ["name"]}}},
        created_at=1,
        updated_at=1,
    )


@pytest.fixture
async def api(redis_node: Server, redis: Redis, clickhouse: ClickHouse, tmp_path: Path) -> AsyncIterator[Api]:
    async with running_api(redis_node.url, clickhouse, tmp_path / "blobs") as running:
        yield running


@pytest.fixture
async def shipping(api: Api) -> AsyncIterator[Shipper]:
    """Ship events while the test runs."""
    lease = RoleLease(api.scripts.redis, api.scripts.prefix, role="shipper", holder="test")
    shipper = Shipper(api.scripts, api.clickhouse, api.blobs, lease, ShipperSettings(interval_s=0.02))
    task = asyncio.create_task(shipper.run())
    yield shipper
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


@pytest.fixture
async def clinic(clickhouse_node: Server, redis_node: Server, tmp_path: Path) -> AsyncIterator[Clinic]:
    """A system of its own for the doctor to examine: a database, a prefix, a folder."""
    async with fresh_database(clickhouse_node.url) as clickhouse, fresh_prefix(redis_node.url) as scripts:
        yield await Clinic(scripts, clickhouse, FileBlobStore(tmp_path / "blobs"), redis_node.url).open()
