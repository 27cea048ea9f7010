"""`presswork up`: checks the ground, starts the stack, says where it is, and stays until it is told to stop."""

import asyncio
import logging
import os
import sys
import time
from contextlib import closing
from pathlib import Path
from typing import TextIO, cast

import structlog
from structlog.typing import FilteringBoundLogger, Processor

from backends.embedded.private_files import write_private
from standalone.console import Console, LogFile, fresh_log
from standalone.data_dir import DataDir, locked, used
from standalone.errors import StartRefused
from standalone.ports import require_free
from standalone.settings import UpSettings
from standalone.stack import Stack, build_stack
from standalone.summary import Summary
from standalone.supervisor import Pids, Supervisor

LOG_FILE_ONLY = frozenset({"redis", "clickhouse"})


def up(settings: UpSettings) -> None:
    """Run until a signal asks for the end. Raises StartRefused and GaveUp; by then no child is left."""
    started_at = time.monotonic()
    with locked(settings.data_dir) as data:
        for setting, port in settings.ports.items():
            require_free(_host_of(setting, settings), port, setting)
        asyncio.run(_up(settings, data, started_at))


async def _up(settings: UpSettings, data: DataDir, started_at: float) -> None:
    if settings.redis_url:
        # Imported here: the client library is slow to import, and only an outside server needs it.
        from backends.redis_safety import RedisRefused, require_safe_redis

        try:
            await require_safe_redis(settings.redis_url, allow_unsafe=settings.allow_unsafe_redis)
        except RedisRefused as refused:
            raise StartRefused(refused.message) from refused
    with used(data.path):
        stack = build_stack(settings, data, os.environ)
        names = [spec.name for spec in (*stack.servers, *stack.services)]
        logs = {name: fresh_log(data.logs / f"{name}.log") for name in (*names, "supervisor")}
    console = Console(logs, sys.stdout, pretty=_pretty(settings), hidden=LOG_FILE_ONLY)
    console.start()
    with closing(console), closing(LogFile(logs["supervisor"])) as own_log:
        herald = Herald(settings, data, stack, console, started_at)
        supervisor = Supervisor(
            [stack.servers, stack.services],
            data.logs,
            _logger(own_log),
            on_ready=herald.ready,
            drain_s=(0.0, settings.drain_s),
        )
        supervisor.stop_on_signals()
        try:
            await supervisor.run()
        finally:
            herald.gone()


class Herald:
    """Says once that all is ready, and keeps PRESSWORK_READY_FILE true: its pids change when a child is replaced."""

    def __init__(self, settings: UpSettings, data: DataDir, stack: Stack, console: Console, started_at: float) -> None:
        self._settings = settings
        self._data = data
        self._stack = stack
        self._console = console
        self._started_at = started_at
        self._said = False

    def ready(self, pids: Pids) -> None:
        summary = Summary(
            api_url=self._settings.url(self._settings.api_port),
            generator_url=self._settings.url(self._settings.generator_port),
            admin_key=self._stack.admin_key,
            key_file=None if self._settings.admin_key else self._data.admin_key_file,
            data_dir=self._data.path,
            took_s=time.monotonic() - self._started_at,
        )
        if self._settings.ready_file:
            self._write(self._settings.ready_file, summary.as_json(pids))
        if not self._said:
            self._said = True
            self._console.say(summary.text(to_terminal=sys.stdout.isatty()))

    def _write(self, ready_file: Path, facts: str) -> None:
        """Write the file; the first time it must work, later a full disk shall not stop what runs."""
        try:
            write_private(ready_file, facts)
        except OSError as error:
            flaw = f"PRESSWORK_READY_FILE={ready_file} cannot be written ({error.strerror})"
            if not self._said:
                raise StartRefused(f"{flaw}: name a file in a folder that exists and is yours.") from error
            self._console.say(f"{flaw}: the pids in it are old.")

    def gone(self) -> None:
        if self._settings.ready_file:
            self._settings.ready_file.unlink(missing_ok=True)


def _host_of(setting: str, settings: UpSettings) -> str:
    return {"redis_port": "127.0.0.1", "clickhouse_port": settings.clickhouse_host}.get(setting, settings.host)


def _pretty(settings: UpSettings) -> bool:
    return settings.log_format == "pretty" or (settings.log_format == "auto" and sys.stdout.isatty())


def _logger(file: LogFile) -> FilteringBoundLogger:
    """Make the supervisor's own log: the same JSON lines as the services write."""
    stamp = structlog.processors.TimeStamper(fmt="iso", utc=True)
    processors: list[Processor] = [structlog.processors.add_log_level, stamp, structlog.processors.JSONRenderer()]
    logger: FilteringBoundLogger = structlog.wrap_logger(
        structlog.WriteLogger(cast(TextIO, file)), processors, structlog.make_filtering_bound_logger(logging.INFO)
    )
    return logger
