"""`presswork doctor`: finds the servers of a data directory, or takes those that were named, and has them examined."""

import re
import secrets
from json import loads
from pathlib import Path
from urllib.parse import quote

from pydantic import ValidationError

from generator.maintenance.doctor.command import DoctorOptions, run
from generator.settings import GeneratorSettings
from standalone.errors import UsageError
from standalone.settings import UpSettings, variable


def doctor(settings: UpSettings, options: DoctorOptions) -> int:
    """Examine the stores of these settings; returns the exit code. Raises UsageError when it cannot find them."""
    return run(_generator_settings(settings), options)


def _generator_settings(settings: UpSettings) -> GeneratorSettings:
    folder = settings.data_dir
    chosen = {
        "redis_url": settings.redis_url or embedded_redis(folder),
        "clickhouse_url": settings.clickhouse_url or embedded_clickhouse(folder),
        "blob_dir": settings.blob_dir or folder / "blobs",
        # Nothing that the doctor does needs it, but no settings are complete without one.
        "secret_key": settings.secret_key or secrets.token_hex(32),
    }
    try:
        return GeneratorSettings.model_validate(chosen)
    except ValidationError as error:
        flaws = (f"{variable(str(flaw['loc'][0] if flaw['loc'] else ''))}: {flaw['msg']}" for flaw in error.errors())
        raise UsageError("\n".join(flaws)) from None


def embedded_redis(folder: Path) -> str:
    """Return the URL of a data directory's own Redis, as its last `presswork up` configured it. Raises UsageError."""
    config = _read(folder / "redis" / "redis.conf", folder, "--redis-url")
    port = re.search(r"^port (\d+)$", config, re.MULTILINE)
    password = _read(folder / "redis.password", folder, "--redis-url").strip()
    return f"redis://:{quote(password, safe='')}@127.0.0.1:{port[1] if port else 6379}/0"


def embedded_clickhouse(folder: Path) -> str:
    """Return the URL of a data directory's own ClickHouse, as its last `presswork up` set it. Raises UsageError."""
    node = loads(_read(folder / "clickhouse" / "node.json", folder, "--clickhouse-url"))
    password = _read(folder / "clickhouse.password", folder, "--clickhouse-url").strip()
    host = f"[{node['host']}]" if ":" in node["host"] else node["host"]
    return f"http://presswork:{quote(password, safe='')}@{host}:{node['port']}/{node['database']}"


def _read(file: Path, folder: Path, option: str) -> str:
    try:
        return file.read_text(encoding="utf-8")
    except OSError as error:
        raise UsageError(
            f"{file} cannot be read ({error.strerror}): {folder} is no data directory of a `presswork up` with this"
            f" server of its own. Name the directory with --data-dir, or the server with {option}."
        ) from error
