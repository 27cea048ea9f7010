"""Turns settings into the children of one start: which servers are embedded, and what each child gets told.

Secrets travel in the environment, never on a command line (which every user of the machine can read).
"""

import secrets
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from backends.embedded.clickhouse import EmbeddedClickHouse
from backends.embedded.redis import EmbeddedRedis, RedisMissing, find_executable
from standalone.data_dir import DataDir
from standalone.errors import StartRefused
from standalone.keeper import ChildSpec
from standalone.probes import ServiceProbe
from standalone.settings import UpSettings

# All that a server needs: it gets none of the services' secrets.
PLAIN_VARIABLES = ("PATH", "HOME", "LANG", "LC_ALL", "TZ", "TMPDIR", "LD_LIBRARY_PATH", "PYTHONPATH")

# A database that is busy is not frozen: killing one costs more than waiting for it.
SERVER_SILENCE_S = 15.0

# Accepting (the API and Redis) goes first.
NICENESS = {"generator": 5, "clickhouse": 10}


@dataclass(frozen=True)
class Stack:
    """The children in the order of their start, and the key that opens the API."""

    servers: list[ChildSpec]
    services: list[ChildSpec]
    admin_key: str


def build_stack(settings: UpSettings, data: DataDir, environment: Mapping[str, str]) -> Stack:
    """Write the servers' configuration and describe every child. Raises StartRefused."""
    plain = {name: environment[name] for name in PLAIN_VARIABLES if name in environment}
    servers, urls = [], {"redis": settings.redis_url, "clickhouse": settings.clickhouse_url}
    for name, embedded in _embedded(settings, data).items():
        embedded.prepare()
        urls[name] = embedded.url
        spec = ChildSpec(
            name,
            embedded.command,
            embedded,
            plain,
            silence_s=SERVER_SILENCE_S,
            niceness=NICENESS.get(name, 0),
            start_s=120.0,
            sweep=embedded.sweep,
        )
        servers.append(spec)
    instance = secrets.token_hex(8)
    admin_key = settings.admin_key or data.admin_key()
    shared = {
        **environment,
        **_secret(settings, data),
        "PRESSWORK_ADMIN_KEY": admin_key,
        "PRESSWORK_REDIS_URL": urls["redis"],
        "PRESSWORK_CLICKHOUSE_URL": urls["clickhouse"],
        "PRESSWORK_BLOB_DIR": str((settings.blob_dir or data.blobs).resolve()),
        "PRESSWORK_PUBLIC_URL": settings.public_url or settings.url(settings.api_port),
        "PRESSWORK_API_URL": settings.url(settings.api_port),
        "PRESSWORK_HOST": settings.host,
        "PRESSWORK_API_PORT": str(settings.api_port),
        "PRESSWORK_GENERATOR_PORT": str(settings.generator_port),
        "PRESSWORK_WORKERS": str(settings.workers),
        "PRESSWORK_INSTANCE": instance,
        "PYTHONUNBUFFERED": "1",
    }
    services = [
        _service("api", "app", settings.api_port, settings, shared),
        _service("generator", "generator", settings.generator_port, settings, shared),
    ]
    return Stack(servers, services, admin_key)


def _embedded(settings: UpSettings, data: DataDir) -> dict[str, EmbeddedRedis | EmbeddedClickHouse]:
    embedded: dict[str, EmbeddedRedis | EmbeddedClickHouse] = {}
    if not settings.redis_url:
        embedded["redis"] = EmbeddedRedis(
            directory=data.redis,
            port=settings.redis_port,
            password=data.password("redis"),
            executable=_redis_program(settings),
            max_memory=settings.redis_max_memory,
        )
    if not settings.clickhouse_url:
        embedded["clickhouse"] = EmbeddedClickHouse(
            directory=data.clickhouse,
            port=settings.clickhouse_port,
            password=data.password("clickhouse"),
            marker=secrets.token_hex(8),
            host=settings.clickhouse_host,
            networks=settings.networks,
        )
    return embedded


def _redis_program(settings: UpSettings) -> Path:
    try:
        return find_executable(settings.redis_server)
    except RedisMissing as error:
        raise StartRefused(str(error)) from error


def _secret(settings: UpSettings, data: DataDir) -> dict[str, str]:
    """Return the variables that carry the secret key. One given from outside is handed on as it is."""
    if settings.secret_key:
        return {"PRESSWORK_SECRET_KEY": settings.secret_key}
    if settings.secret_key_file:
        return {"PRESSWORK_SECRET_KEY_FILE": str(settings.secret_key_file.resolve())}
    return {"PRESSWORK_SECRET_KEY": data.secret_key()}


def _service(name: str, module: str, port: int, settings: UpSettings, environment: Mapping[str, str]) -> ChildSpec:
    # -P: a folder called `app` where the command was typed must not be taken for ours.
    command = [sys.executable, "-P", "-m", module]
    return ChildSpec(
        name,
        command,
        ServiceProbe(settings.dial_host, port, environment["PRESSWORK_INSTANCE"]),
        environment,
        niceness=NICENESS.get(name, 0),
    )
