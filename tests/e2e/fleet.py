"""Both services as processes, as many as a test wants, on one Redis, one ClickHouse and one blob folder."""

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx2

from backends.embedded.tether import tethered
from contracts.api_keys import generate_key
from tests.integration.history_servers import Server, clickhouse_server, free_port, redis_server

START_S = 60.0
SECRET_KEY = "a secret key for tests, long enough"
PORTS = {"app": "PRESSWORK_API_PORT", "generator": "PRESSWORK_GENERATOR_PORT"}


@dataclass
class Service:
    """One process of the User API (`app`) or the generator; it keeps its port when it is started again."""

    module: str
    environment: dict[str, str]
    log: Path
    port: int = field(default_factory=free_port)
    process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    async def start(self) -> "Service":
        """Start it and wait until it is ready."""
        self._spawn()
        await until(self.is_ready, f"{self.module} is ready", lambda: self.log.read_text()[-2000:])
        return self

    def _spawn(self) -> None:
        command = tethered([sys.executable, "-P", "-m", self.module])
        environment = self.environment | {PORTS[self.module]: str(self.port)}
        with open(self.log, "ab") as log:
            self.process = subprocess.Popen(command, stdout=log, stderr=log, env=environment)

    async def is_ready(self) -> bool:
        return await self.readyz() == 200

    async def readyz(self) -> int | None:
        """Return the status of /readyz; None if nobody answers."""
        async with httpx2.AsyncClient(timeout=5) as http:
            try:
                return (await http.get(f"{self.url}/readyz")).status_code
            except httpx2.TransportError:
                return None

    def signal(self, number: signal.Signals = signal.SIGTERM) -> None:
        assert self.process is not None
        self.process.send_signal(number)

    async def ended(self, limit_s: float = 60) -> int:
        """Wait for its end; return the exit code."""
        assert self.process is not None
        return await asyncio.to_thread(self.process.wait, limit_s)

    async def restart(self) -> int:
        """Stop it by SIGTERM and start it again; return the exit code of the stop."""
        self.signal()
        code = await self.ended()
        await self.start()
        return code

    def kill(self) -> None:
        if self.process is not None and self.process.poll() is None:
            self.process.kill()
            self.process.wait()


@dataclass
class Fleet:
    """The servers, and the services that were started on them. `key` is the admin's."""

    folder: Path
    redis: Server
    clickhouse: Server
    key: str = field(default_factory=generate_key)
    services: list[Service] = field(default_factory=list)

    def service(self, module: str, **variables: object) -> Service:
        """Describe a service; `start()` starts it. `variables` are PRESSWORK_ settings in lower case."""
        settings = {
            "redis_url": self.redis.url,
            "clickhouse_url": self.clickhouse.url,
            "secret_key": SECRET_KEY,
            "admin_key": self.key,
            "blob_dir": self.folder / "blobs",
            "workers": 1,
            "log_format": "json",
            "webhook_allow_cidrs": "127.0.0.1/32",
            "webhook_schedule": "0,1,1,1,1,1",
            **variables,
        }
        plain = {name: value for name, value in os.environ.items() if not name.startswith("PRESSWORK_")}
        told = {f"PRESSWORK_{name.upper()}": str(value) for name, value in settings.items()}
        log = self.folder / f"{module}-{len(self.services)}.log"
        self.services.append(Service(module, {**plain, **told, "PYTHONPATH": os.pathsep.join(sys.path)}, log))
        return self.services[-1]

    async def start(self, module: str, **variables: object) -> Service:
        return await self.service(module, **variables).start()

    def client(self, service: Service, **options: Any) -> httpx2.AsyncClient:
        headers = {"Authorization": f"Bearer {self.key}"}
        return httpx2.AsyncClient(base_url=service.url, headers=headers, timeout=60, **options)


@contextmanager
def servers(folder: Path) -> Iterator[Fleet]:
    """Start the servers; what a test started on them is killed at the end."""
    with redis_server(folder / "redis") as redis, clickhouse_server(folder / "clickhouse") as clickhouse:
        fleet = Fleet(folder, redis, clickhouse)
        try:
            yield fleet
        finally:
            for service in fleet.services:
                service.kill()


async def until(
    condition: Callable[[], Awaitable[object]], what: str, explain: Callable[[], str] = str, limit_s: float = START_S
) -> None:
    """Wait for a condition; fail with its name when the time is over."""
    try:
        async with asyncio.timeout(limit_s):
            while not await condition():
                await asyncio.sleep(0.02)
    except TimeoutError:
        raise AssertionError(f"not within {limit_s:g} s: {what}. {explain()}") from None


def simulated(seconds: float, **more: object) -> dict[str, object]:
    """Return the body of a request whose render takes so long."""
    return {
        "source": {"engine": "typst", "content": "Hello"},
        "format": "pdf",
        "data": {},
        "options": {"simulate": {"seconds": seconds}, "timeout_s": 60},
        **more,
    }


async def status_of(client: httpx2.AsyncClient, document_id: str) -> str:
    return str((await client.get(f"/v1/documents/{document_id}")).json()["status"])


async def events_of(client: httpx2.AsyncClient, document_id: str) -> list[str]:
    answer = await client.get(f"/v1/documents/{document_id}/events")
    return [item["event"] for item in answer.json()["items"]]
