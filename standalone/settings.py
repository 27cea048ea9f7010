"""What `presswork up` can be told: by option, by PRESSWORK_ variable, or left alone. Built once, in `cli.py`."""

import ipaddress
import os
from collections import Counter
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import Field, ValidationError, field_validator, model_validator
from pydantic_core import ErrorDetails
from pydantic_settings import BaseSettings, SettingsConfigDict

from standalone.errors import UsageError

Port = Annotated[int, Field(ge=1, le=65535)]


class UpSettings(BaseSettings):
    """The settings of one `presswork up`. An empty text means: choose or generate it."""

    model_config = SettingsConfigDict(env_prefix="PRESSWORK_", frozen=True, extra="ignore", env_ignore_empty=True)

    data_dir: Path = Path("var")
    host: str = "127.0.0.1"
    api_port: Port = 8000
    generator_port: Port = 8001
    redis_port: Port = 6379
    clickhouse_port: Port = 8123
    redis_url: str = ""
    clickhouse_url: str = ""
    workers: int = Field(default_factory=lambda: usable_cores(), ge=1)
    secret_key: str = ""
    secret_key_file: Path | None = None
    admin_key: str = ""
    blob_dir: Path | None = None
    public_url: str = ""
    log_format: Literal["auto", "json", "pretty"] = "auto"
    redis_server: str = ""
    redis_max_memory: str = Field("1gb", pattern=r"^\d+(?i:[kmg]b?)?$")
    clickhouse_host: str = "127.0.0.1"
    clickhouse_networks: str = ""
    allow_unsafe_redis: bool = False
    ready_file: Path | None = None
    drain_s: float = Field(3, ge=0)

    @property
    def dial_host(self) -> str:
        """Where this machine reaches the services: they may listen on all addresses."""
        return {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(self.host, self.host)

    @property
    def networks(self) -> tuple[str, ...]:
        return tuple(network.strip() for network in self.clickhouse_networks.split(",") if network.strip())

    @property
    def ports(self) -> dict[str, int]:
        """The ports this start takes, by the name of their setting."""
        taken = {"api_port": self.api_port, "generator_port": self.generator_port}
        if not self.redis_url:
            taken["redis_port"] = self.redis_port
        if not self.clickhouse_url:
            taken["clickhouse_port"] = self.clickhouse_port
        return taken

    def url(self, port: int) -> str:
        host = f"[{self.dial_host}]" if ":" in self.dial_host else self.dial_host
        return f"http://{host}:{port}"

    @field_validator("clickhouse_networks")
    @classmethod
    def _networks_exist(cls, value: str) -> str:
        for network in value.split(","):
            if network.strip():
                ipaddress.ip_network(network.strip(), strict=False)
        return value

    @model_validator(mode="after")
    def _ports_differ(self) -> Self:
        for port, count in Counter(self.ports.values()).items():
            if count > 1:
                options = ", ".join(option(name) for name, value in self.ports.items() if value == port)
                raise ValueError(f"{options} are all {port}: each needs its own port")
        return self


def usable_cores() -> int:
    """Count the cores this process may use: fewer than the machine has under taskset or in a container."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def load_up_settings(**given: object) -> UpSettings:
    """Join what was given as options (None: not given) with the environment. Raises UsageError naming every flaw."""
    chosen = {name: value for name, value in given.items() if value is not None}
    try:
        return UpSettings(**chosen)  # type: ignore[arg-type]  # pydantic checks them
    except ValidationError as error:
        raise UsageError("\n".join(_sentence(flaw) for flaw in error.errors(include_url=False))) from None


def option(name: str) -> str:
    """Write a setting's name as the command line has it."""
    return f"--{name.replace('_', '-')}"


def variable(name: str) -> str:
    return f"PRESSWORK_{name.upper()}"


def _sentence(flaw: ErrorDetails) -> str:
    message = flaw["msg"].removeprefix("Value error, ")
    if not flaw["loc"]:
        return f"{message}."
    name = str(flaw["loc"][0])
    shown = "" if name in ("secret_key", "admin_key", "redis_url", "clickhouse_url") else f" (it is {flaw['input']!r})"
    return f"{variable(name)}: {message}{shown}."
