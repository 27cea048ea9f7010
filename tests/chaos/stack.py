"""What is tried: a real `presswork up`, and beside it a second API and a second generator on the same servers.

The second ones are nobody's children but ours: no supervisor ends them when they freeze, so they become real zombies,
and fault points can be armed at each of their starts.
"""

import asyncio
import json
import os
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

import httpx2
import psutil

from backends.embedded.tether import tethered
from tests.chaos.history import History

PORTS = ("api", "generator", "redis", "clickhouse", "api-2", "generator-2", "receiver")
SERVICES = ("api", "generator", "api-2", "generator-2")
SERVERS = ("redis", "clickhouse")
START_S = 120.0
ROOT = Path(__file__).parents[2]

#: By which word a child of `presswork up` is recognised on its command line.
MARKS = {
    "api": {"app"},
    "generator": {"generator"},
    "redis": {"valkey-server", "redis-server"},
    "clickhouse": {"backends.embedded.clickhouse_node"},
}

#: Short steps, and so many of them that a receiver which refuses a fifth of all calls never gets the last one.
WEBHOOK_SCHEDULE = "0,1,1,1,2,2,2,3,3,3" + ",5" * 30


@dataclass(frozen=True)
class Ground:
    """Where a run lives: its folder and its ports."""

    home: Path
    ports: dict[str, int]

    @classmethod
    def take(cls, home: Path) -> "Ground":
        """Make the folders. `lock` makes the data directory ours before small disks are mounted in it."""
        data = home / "var"
        data.mkdir(parents=True, mode=0o700)
        (data / "lock").touch(mode=0o600)
        return cls(home, free_ports())

    @property
    def data(self) -> Path:
        return self.home / "var"

    @property
    def disks(self) -> dict[str, Path]:
        """The folders of which each has a disk of its own."""
        return {name: self.data / name for name in ("redis", "blobs", "clickhouse")}

    @property
    def redis_url(self) -> str:
        return f"redis://:{quote(self.secret('redis.password'))}@127.0.0.1:{self.ports['redis']}/0"

    @property
    def clickhouse_url(self) -> str:
        password = quote(self.secret("clickhouse.password"))
        return f"http://presswork:{password}@127.0.0.1:{self.ports['clickhouse']}/presswork"

    @property
    def apis(self) -> list[str]:
        return [f"http://127.0.0.1:{self.ports[name]}" for name in ("api", "api-2")]

    @property
    def receiver(self) -> str:
        return f"http://127.0.0.1:{self.ports['receiver']}"

    def secret(self, name: str) -> str:
        return (self.data / name).read_text().strip()

    def log(self, name: str) -> Path:
        return self.home / f"{name}.log"

    def shared_environment(self) -> dict[str, str]:
        """Return what all processes are told."""
        plain = {name: value for name, value in os.environ.items() if not name.startswith("PRESSWORK_")}
        if server := os.environ.get("PRESSWORK_REDIS_SERVER"):
            plain["PRESSWORK_REDIS_SERVER"] = server
        return plain | {
            "PYTHONPATH": os.pathsep.join(filter(None, (str(ROOT), plain.get("PYTHONPATH")))),
            "PRESSWORK_ALLOW_SIMULATE": "1",
            "PRESSWORK_WEBHOOK_ALLOW_HOSTS": f"127.0.0.1:{self.ports['receiver']}",
            "PRESSWORK_WEBHOOK_SCHEDULE": WEBHOOK_SCHEDULE,
            "PRESSWORK_LOG_FORMAT": "json",
        }


class Up:
    """The `presswork up` of a run. `launcher`: how Python starts its module."""

    def __init__(self, ground: Ground, launcher: tuple[str, ...]) -> None:
        self._ground = ground
        self._launcher = launcher
        self._process: subprocess.Popen[bytes] | None = None
        self._wanted = False

    @property
    def lives(self) -> bool:
        return self._process is not None and self._process.poll() is None

    @property
    def deserted(self) -> bool:
        """Tell whether it ended without being told to."""
        return self._wanted and not self.lives

    def start(self) -> None:
        """Start it; `ready` tells when it serves."""
        self._wanted = True
        ports = self._ground.ports
        named = [word for name in ("api", "generator", *SERVERS) for word in (f"--{name}-port", str(ports[name]))]
        command = [sys.executable, *self._launcher, "standalone", "up", "--workers", "1"]
        named += ["--data-dir", str(self._ground.data)]
        environment = self._ground.shared_environment() | {"PRESSWORK_READY_FILE": str(self._ready_file)}
        self._ready_file.unlink(missing_ok=True)
        with self._ground.log("up").open("ab") as log:
            self._process = subprocess.Popen(
                tethered([*command, *named]), stdout=log, stderr=log, env=environment, start_new_session=True
            )

    async def ready(self) -> dict[str, Any]:
        """Wait until it serves; return what it says of itself. Raises RuntimeError if it does not come."""
        for _ in range(round(START_S / 0.1)):
            with suppress(OSError, ValueError):
                facts: dict[str, Any] = json.loads(self._ready_file.read_text())
                return facts
            if not self.lives:
                break
            await asyncio.sleep(0.1)
        raise RuntimeError(f"`presswork up` did not start: {self._ground.log('up').read_text()[-2000:]}")

    def process(self) -> psutil.Process | None:
        with suppress(psutil.Error):
            if self._process is not None and self.lives:
                return psutil.Process(self._process.pid)
        return None

    def child(self, name: str) -> psutil.Process | None:
        """Find a child by its name; None while there is none. The handle knows it from a later process of its pid."""
        parent = self.process()
        with suppress(psutil.Error):
            for process in parent.children() if parent else ():
                words = " ".join(process.cmdline()).split()
                if MARKS[name] & {word.rpartition("/")[2] for word in words}:
                    return process
        return None

    async def stop(self) -> int:
        """Ask it to end; return its exit code."""
        self._wanted = False
        assert self._process is not None
        if self.lives:
            self._process.terminate()
        return await asyncio.to_thread(self._process.wait, 60)

    def kill(self) -> None:
        """End it as the machine's power would: its children die with it."""
        self._wanted = False
        if self._process is not None and self.lives:
            self._process.kill()
            self._process.wait()

    @property
    def _ready_file(self) -> Path:
        return self._ground.home / "ready.json"


class Second:
    """A second process of a service, started again whenever it ends. `faults()`: PRESSWORK_FAULT at each start."""

    def __init__(
        self, name: str, ground: Ground, history: History, faults: Callable[[], str], command: list[str]
    ) -> None:
        self.name = name
        self._ground = ground
        self._history = history
        self._faults = faults
        self._command = command
        self._process: asyncio.subprocess.Process | None = None
        self._wanted = True

    async def keep(self) -> None:
        """Keep it up until `end`."""
        while self._wanted:
            fault = self._faults()
            with self._ground.log(self.name).open("ab") as log:
                self._process = await asyncio.create_subprocess_exec(
                    *tethered(self._command, niceness=5),
                    stdout=log,
                    stderr=log,
                    env=self._environment() | {"PRESSWORK_FAULT": fault},
                    start_new_session=True,
                )
            self._history.note("started", who=self.name, pid=self._process.pid, fault=fault)
            code = await self._process.wait()
            self._history.note("ended", who=self.name, pid=self._process.pid, code=code, fault=fault)
            await asyncio.sleep(0.3)

    def process(self) -> psutil.Process | None:
        with suppress(psutil.Error):
            if self._process is not None and self._process.returncode is None:
                return psutil.Process(self._process.pid)
        return None

    async def end(self) -> None:
        """Stop keeping it, and let it go."""
        self._wanted = False
        if self._process is not None and self._process.returncode is None:
            self._process.terminate()
            await self._process.wait()

    def _environment(self) -> dict[str, str]:
        ports = self._ground.ports
        return self._ground.shared_environment() | {
            "PRESSWORK_REDIS_URL": self._ground.redis_url,
            "PRESSWORK_CLICKHOUSE_URL": self._ground.clickhouse_url,
            "PRESSWORK_SECRET_KEY": self._ground.secret("secret.key"),
            "PRESSWORK_ADMIN_KEY": self._ground.secret("admin.key"),
            "PRESSWORK_BLOB_DIR": str(self._ground.disks["blobs"]),
            "PRESSWORK_PUBLIC_URL": self._ground.apis[0],
            "PRESSWORK_API_PORT": str(ports["api-2"]),
            "PRESSWORK_GENERATOR_PORT": str(ports["generator-2"]),
            "PRESSWORK_WORKERS": "1",
            "PRESSWORK_DRAIN_S": "3",
            "PYTHONUNBUFFERED": "1",
        }


async def answers(ground: Ground, who: str, http: httpx2.AsyncClient) -> bool:
    """Tell whether a process serves now."""
    try:
        if who == "redis":
            return await _redis_answers(ground)
        path = "/ping" if who == "clickhouse" else "/readyz"
        return (await http.get(f"http://127.0.0.1:{ground.ports[who]}{path}")).status_code == 200
    except (httpx2.HTTPError, OSError):
        return False


async def _redis_answers(ground: Ground) -> bool:
    async with asyncio.timeout(1):
        reader, writer = await asyncio.open_connection("127.0.0.1", ground.ports["redis"])
        try:
            writer.write(f"AUTH {ground.secret('redis.password')}\r\nPING\r\n".encode())
            return await reader.readline() == b"+OK\r\n" and await reader.readline() == b"+PONG\r\n"
        finally:
            writer.close()


def free_ports() -> dict[str, int]:
    servers = [socket.create_server(("127.0.0.1", 0)) for _ in PORTS]
    ports = {name: server.getsockname()[1] for name, server in zip(PORTS, servers, strict=True)}
    for server in servers:
        server.close()
    return ports


def render_processes(generators: list[psutil.Process | None]) -> Iterator[psutil.Process]:
    """Find the render processes of generators."""
    for generator in generators:
        with suppress(psutil.Error):
            yield from generator.children() if generator else ()
