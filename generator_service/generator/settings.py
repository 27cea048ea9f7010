"""Settings of the generator: PRESSWORK_* variables. The table in docs/configuration.md is made from this class."""

import os
from pathlib import Path
from typing import Literal

from pydantic import Field, field_validator

from backends.settings import SharedSettings
from generator.delivery.connections import trusting

ROLES = ("render", "deliver", "ship", "maintain", "admin")


class GeneratorSettings(SharedSettings):
    generator_port: int = Field(8001, ge=1, le=65_535, description="Port of the generator service")
    workers: int = Field(default_factory=lambda: os.cpu_count() or 1, ge=1, le=256, description="Render processes")
    roles: str = Field(",".join(ROLES), description="What this process does, by comma")
    drain_s: float = Field(25, ge=0, description="How long running renders may finish after SIGTERM")
    lane_concurrency: int = Field(0, ge=0, description="Documents of one lane rendered at once; 0: no limit")
    render_memory_mb: int = Field(1024, ge=128, description="Memory of one render, beyond an idle render process")
    max_output_bytes: int = Field(52_428_800, ge=1024, description="Largest document")
    sandbox: Literal["strict", "unsafe"] = Field("strict", description="unsafe: run untrusted templates unconfined")
    typst_packages: str = Field("", description="Folder of Typst packages that templates may import; empty: none")
    retry_delay_s: float = Field(1, ge=0, description="Wait before a failed attempt is repeated; doubles each time")
    webhook_schedule: str = Field("", description="Seconds between webhook attempts, by comma; empty: the standard ten")
    webhook_concurrency: int = Field(256, ge=1, description="Webhooks under way at once")
    webhook_per_user: int = Field(64, ge=1, description="Webhooks under way at once of one user")
    webhook_per_receiver: int = Field(8, ge=1, description="Webhooks under way at once to one receiver")
    webhook_rate: int = Field(0, ge=0, description="Webhooks to one receiver in a second; 0: any number")
    webhook_circuit_calls: int = Field(10, ge=1, description="Calls in five minutes before a receiver is judged")
    webhook_circuit_percent: int = Field(70, ge=1, le=100, description="Failures that open a receiver's circuit")
    webhook_circuit_s: float = Field(
        30, gt=0, description="How long a circuit is open at first, twice as long each time"
    )
    webhook_circuit_max_s: float = Field(900, gt=0, description="How long a circuit is open at most")
    webhook_ca_file: str = Field("", description="PEM file of certificate authorities to trust beside the system's")
    webhook_failing_days: float = Field(5, gt=0, description="An endpoint that only failed for so long is disabled")
    api_url: str = Field("http://127.0.0.1:8000", description="Where the panel reaches the User API")
    trusted_proxies: str = Field(
        "",
        description="Addresses of proxies whose X-Forwarded-For is believed, by comma; logins are counted by address",
    )
    session_ttl_s: int = Field(43_200, ge=60, description="How long a login to the panel lasts")
    logins_per_minute: int = Field(10, ge=1, description="Failed logins to the panel per client address; then 429")
    live_ttl_s: int = Field(3600, ge=60, description="How long Redis keeps an ended document before history answers")
    inputs_ttl_s: int | None = Field(
        604_800, ge=60, description="How long inputs are kept for retries after a document has ended; null keeps them"
    )
    assets_days: int | None = Field(
        30, ge=1, description="How long an asset is kept after its last use, if nothing needs it; null keeps them"
    )
    prune_every_s: float = Field(
        3600, ge=1, description="How often expired results, inputs and other leftovers are looked for"
    )

    @field_validator("typst_packages")
    @classmethod
    def _a_folder(cls, folder: str) -> str:
        if folder and not Path(folder).is_dir():
            raise ValueError(
                f"{folder} is no folder: name one that has packages, such as preview/cetz/0.4.2, or leave it empty"
            )
        return folder

    @field_validator("webhook_ca_file")
    @classmethod
    def _certificates(cls, file: str) -> str:
        try:
            trusting(file)
        except OSError as error:  # ssl.SSLError is one
            raise ValueError(f"{file} has no certificates that can be read ({error}): name a PEM file") from None
        return file

    @field_validator("roles")
    @classmethod
    def _known_roles(cls, roles: str) -> str:
        unknown = {role.strip() for role in roles.split(",")} - {*ROLES, ""}
        if unknown:
            raise ValueError(f"{', '.join(sorted(unknown))}: there is no such role; roles are {', '.join(ROLES)}")
        return roles
