"""The doctor as a command: connects to the servers that the settings name, runs, prints the report.

The events that it sends again are shipped by whoever holds that role; where no generator runs, by the doctor itself.
"""

import asyncio
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TextIO
from uuid import uuid4

import orjson
from redis.asyncio import Redis

from backends.blobs import FileBlobStore
from backends.clickhouse import ClickHouse
from backends.event_log import EventLog
from backends.redis import connect_redis
from backends.role_lease import RoleLease
from backends.scripts import Scripts
from backends.telemetry import configure_logging
from contracts.errors import PressworkError
from generator.maintenance.doctor.checks import all_checks
from generator.maintenance.doctor.doctor import MOMENT_S, Doctor, Progress
from generator.maintenance.doctor.report import Report
from generator.maintenance.doctor.stores import Stores
from generator.maintenance.pruning import pruning_over
from generator.maintenance.retention import Retention
from generator.settings import GeneratorSettings
from generator.shipper import Shipper, ShipperSettings

#: A server that a script of ours keeps busy answers late; nobody waits for the doctor.
REDIS_TIMEOUT_S = 30
SHIP_S, LOOK_S = 120.0, 0.1


@dataclass(frozen=True)
class DoctorOptions:
    """`rerender`: make documents whose bytes are lost once more. `as_json`: print the report for machines."""

    dry_run: bool = False
    rerender: bool = False
    as_json: bool = False
    moment_s: float = MOMENT_S


def run(settings: GeneratorSettings, options: DoctorOptions, out: TextIO = sys.stdout) -> int:
    """Run the doctor on the servers of these settings and print what it says; returns the exit code of the command."""
    configure_logging("doctor", "error", settings.log_format)
    report = asyncio.run(examine(settings, options, progress_on(sys.stderr)))
    text = orjson.dumps(report.as_json(), option=orjson.OPT_INDENT_2).decode() if options.as_json else report.as_text()
    print(text, file=out)
    return report.exit_code


async def examine(settings: GeneratorSettings, options: DoctorOptions, progress: Progress = lambda _: None) -> Report:
    """Connect, make every check, and see to it that what was sent through the event stream arrives."""
    redis = connect_redis(settings.redis_url, timeout_s=REDIS_TIMEOUT_S)
    clickhouse = ClickHouse(settings.clickhouse_url)
    try:
        return await _examine(redis, clickhouse, settings, options, progress)
    finally:
        await redis.aclose()
        await clickhouse.close()


async def _examine(
    redis: Redis, clickhouse: ClickHouse, settings: GeneratorSettings, options: DoctorOptions, progress: Progress
) -> Report:
    scripts, blobs = Scripts(redis), FileBlobStore(settings.blob_dir)
    lease_ms, live_ttl_s = int(settings.lease_s * 1000), settings.live_ttl_s
    stores = Stores(scripts, clickhouse, blobs, live_ttl_s, lease_ms, rerender=options.rerender)
    retention = Retention.of(settings.inputs_ttl_s, settings.history_months, settings.assets_days)
    checks = all_checks(stores, pruning_over(scripts, clickhouse, blobs, retention))
    doctor = Doctor(checks, dry_run=options.dry_run, moment_s=options.moment_s, progress=progress)
    if options.dry_run:
        return await doctor.run()
    async with _shipping(stores):
        report = await doctor.run()
        if report.found:
            progress("waiting for the event stream")
            await _shipped(stores)
        return report


@asynccontextmanager
async def _shipping(stores: Stores) -> AsyncIterator[None]:
    """Ship events meanwhile if nobody else does."""
    lease = RoleLease(stores.scripts.redis, stores.scripts.prefix, role="shipper", holder=f"doctor-{uuid4().hex}")
    settings = ShipperSettings(live_ttl_s=stores.live_ttl_s)
    shipper = Shipper(stores.scripts, stores.clickhouse, stores.blobs, lease, settings)
    task = asyncio.create_task(shipper.run())
    try:
        yield
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def _shipped(stores: Stores) -> None:
    """Wait until what has been sent by now is shipped; without ClickHouse it waits for the next shipper."""
    events = EventLog(stores.scripts)
    try:
        async with asyncio.timeout(SHIP_S):
            newest = await events.newest_id()
            while newest is not None and await events.holds(newest) and await stores.history.answers():
                await asyncio.sleep(LOOK_S)
    except (PressworkError, TimeoutError):
        return


def progress_on(terminal: TextIO) -> Progress:
    """Tell on a terminal what is being done, on one line; anywhere else nothing."""
    if not terminal.isatty():
        return lambda _: None
    return lambda words: print(f"\r\033[K{words} ...", end="\r", file=terminal, flush=True)
