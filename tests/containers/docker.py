"""Docker and Compose (v2, or the older docker-compose) as functions."""

import json
import os
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.containers.client import TrialFailed, require, until

ROOT = Path(__file__).parents[2]
SERVICES = ("fastapi_app", "generator_service", "redis", "clickhouse")


def run(command: Sequence[str], environment: Mapping[str, str] | None = None) -> str:
    """Run a program to its end; return what it printed. Raises TrialFailed with its last words."""
    done = subprocess.run(
        command, capture_output=True, text=True, check=False, cwd=ROOT, env={**os.environ, **(environment or {})}
    )
    require(done.returncode == 0, f"{' '.join(command[:6])} ... failed:\n{(done.stdout + done.stderr)[-3000:]}")
    return done.stdout


def docker(*arguments: str) -> str:
    return run(["docker", *arguments])


def inspect(container: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(docker("inspect", container))[0]
    return found


def await_healthy(container: str, within_s: float = 180) -> None:
    """Wait until a container's own healthcheck is content."""
    until(lambda: _health(container) == "healthy", f"{container} to be healthy", within_s)


def _health(container: str) -> str:
    state = inspect(container)["State"]
    if state["Status"] == "exited":
        raise TrialFailed(f"{container} ended with {state['ExitCode']}:\n{docker('logs', '--tail', '20', container)}")
    return str(state.get("Health", {}).get("Status", "none"))


@dataclass(frozen=True)
class Project:
    """One start of docker-compose.yml with the receiver beside it. `environment` decides the images."""

    env_file: Path
    environment: Mapping[str, str]
    name: str = "presswork-try"
    program: list[str] = field(default_factory=lambda: compose_program())

    def compose(self, *arguments: str) -> str:
        files = ["-f", "docker-compose.yml", "-f", "tests/containers/receiver.yml"]
        command = [*self.program, "-p", self.name, *files, "--env-file", str(self.env_file), *arguments]
        return run(command, self.environment)

    def container(self, service: str) -> str:
        return self.compose("ps", "-a", "-q", service).strip()

    def python(self, service: str, code: str) -> str:
        """Run Python code in a service's container; return what it printed."""
        return docker("exec", self.container(service), "python", "-P", "-c", code)

    def await_all_healthy(self) -> None:
        for service in SERVICES:
            await_healthy(self.container(service))


def compose_program() -> list[str]:
    """Return `docker compose` where there is one, else `docker-compose`."""
    plugin = subprocess.run(["docker", "compose", "version"], capture_output=True, check=False)
    if plugin.returncode == 0:
        return ["docker", "compose"]
    require(shutil.which("docker-compose") is not None, "neither `docker compose` nor docker-compose is installed")
    return ["docker-compose"]
