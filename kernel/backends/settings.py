"""Settings that both services read, from the environment with the prefix PRESSWORK_. A bad value stops the start."""

import sys
from pathlib import Path
from typing import Literal, NoReturn, Self, TypeVar

from pydantic import Field, ValidationError, field_validator, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from backends.admission import MB, QueueLimits
from backends.faults import parse_faults
from contracts.secrets import MIN_SECRET_LENGTH


class SharedSettings(BaseSettings):
    """What every process needs. Durations carry their unit in the name."""

    model_config = SettingsConfigDict(
        env_prefix="PRESSWORK_", frozen=True, extra="ignore", env_ignore_empty=True, env_parse_none_str="null"
    )

    redis_url: str = Field(description="The broker, e.g. redis://:password@127.0.0.1:6379/0")
    allow_unsafe_redis: bool = Field(
        False, description="Use a Redis that may lose what it has confirmed, hides its settings or wants no password"
    )
    clickhouse_url: str = Field(description="The history, e.g. http://user:password@127.0.0.1:8123/presswork")
    secret_key: str = Field("", description="Shared secret, at least 32 characters: derives every key and signature")
    secret_key_file: Path | None = Field(None, description="A file that holds the secret key instead")
    blob_dir: Path = Field(Path("var/blobs"), description="Folder of inputs, results and template sources")
    public_url: str = Field("http://127.0.0.1:8000", description="How clients reach the User API: makes links")
    host: str = Field("127.0.0.1", description="Address to listen on")
    instance: str = Field("", description="Identity of this start; /livez shows it")
    log_level: Literal["debug", "info", "warning", "error"] = Field("info", description="Least level that is logged")
    log_format: Literal["auto", "json", "pretty"] = Field("auto", description="auto: pretty on a terminal, else JSON")
    metrics_token: str = Field("", description="If set, /metrics wants `Authorization: Bearer <token>`")
    url_ttl_s: int = Field(3600, ge=1, description="How long a signed download link lives, in seconds")
    lease_s: float = Field(
        15, ge=1, le=600, description="Lease of a claimed document; a dead worker's is rescued after it"
    )
    max_open: int = Field(1_000_000, ge=1, description="Unfinished documents in all; beyond it requests get 503")
    max_open_per_user: int = Field(100_000, ge=1, description="Unfinished documents of one user; beyond it 429")
    max_open_mb: int = Field(512, ge=0, description="Data of unfinished documents in all, in MiB; 0: no limit")
    max_open_mb_per_user: int = Field(256, ge=0, description="Data of one user's unfinished documents; 0: no limit")
    max_events_mb: int = Field(
        512, ge=0, description="Events that wait for ClickHouse, in MiB; beyond it requests get 503; 0: no limit"
    )
    max_memory_percent: int = Field(
        80, ge=0, le=100, description="Of Redis' maxmemory; beyond it requests get 503, what was accepted goes on"
    )
    webhook_allow_cidrs: str = Field(
        "", description="Private networks webhooks may reach, e.g. 127.0.0.1/32,10.1.0.0/16"
    )
    webhook_allow_hosts: str = Field(
        "", description="Hosts webhooks may reach anyway, e.g. backend:8080,hooks.internal"
    )
    history_months: int | None = Field(13, ge=1, description="How long documents stay in lists; null keeps them")

    fault: str = Field("", description="For tests: kill the process at named steps (docs/chaos.md)")

    def queue_limits(self) -> QueueLimits:
        """Return how much unfinished work is taken in."""
        return QueueLimits(
            max_open=self.max_open,
            max_open_per_user=self.max_open_per_user,
            max_open_bytes=self.max_open_mb * MB,
            max_open_bytes_per_user=self.max_open_mb_per_user * MB,
            max_events_bytes=self.max_events_mb * MB,
            memory_percent=self.max_memory_percent,
        )

    @field_validator("fault")
    @classmethod
    def _known_fault_points(cls, fault: str) -> str:
        parse_faults(fault)
        return fault

    @model_validator(mode="after")
    def _secret(self) -> Self:
        secret = self.secret_key
        if not secret and self.secret_key_file:
            secret = self.secret_key_file.read_text().strip()
        if len(secret) < MIN_SECRET_LENGTH:
            raise ValueError(
                f"PRESSWORK_SECRET_KEY (or the file named by PRESSWORK_SECRET_KEY_FILE) has {len(secret)} characters; "
                f"at least {MIN_SECRET_LENGTH} are needed, e.g. from `openssl rand -hex 32`"
            )
        object.__setattr__(self, "secret_key", secret)
        return self


#: Settings whose value is never printed.
SECRETIVE = ("SECRET", "KEY", "TOKEN", "URL")

S = TypeVar("S", bound=SharedSettings)


def load_settings(kind: type[S]) -> S:
    """Read settings from the environment; a bad value ends the process with the variable, the value and the remedy."""
    try:
        return kind.model_validate({})
    except ValidationError as error:
        _refuse(error)


def _refuse(error: ValidationError) -> NoReturn:
    for flaw in error.errors(include_url=False):
        name = "PRESSWORK_" + "_".join(str(part) for part in flaw["loc"]).upper() if flaw["loc"] else "settings"
        tellable = flaw["loc"] and flaw["type"] != "missing" and not any(word in name for word in SECRETIVE)
        given = f" (got {flaw['input']!r})" if tellable else ""
        print(f"{name}: {flaw['msg']}{given}", file=sys.stderr)
    raise SystemExit(2)
