"""How fast events get from the stream into ClickHouse (embedded servers): `python -m benchmarks.shipper [events]`.

Three events for each document (accepted, started, completed), as the queue writes them, waiting as after an outage.
`fsync` as configured everywhere; rows are counted and summed at the end. Writes results/shipper.json and its section of
docs/benchmarks.md; `*_cpu_us` is processor time for each event, because two cores that others use, too, make rates what
they are not.
"""

import asyncio
import json
import os
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import uvloop

from backends.blobs import FileBlobStore
from backends.clickhouse import ClickHouse
from backends.migrations.runner import migrate
from backends.redis import connect_redis
from backends.role_lease import RoleLease
from backends.scripts import Scripts
from backends.serving import calm_collector
from benchmarks.page import conditions, write_section
from contracts.documents import DocumentRow, Result
from contracts.ids import new_id, now_ms
from generator.shipper import Shipper
from tests.integration.history_rows import later, row
from tests.integration.history_servers import Server, clickhouse_server, redis_server

RESULTS = Path(__file__).parent / "results" / "shipper.json"
TITLE = "Events on their way into the history"
EXPLAINED = """An outage's worth of events, {events:,} of {bytes} bytes, goes from Redis' stream into ClickHouse:
batches of 40,000, of which one is read, one inserted (rows and newest states, on disk) and one
confirmed at a time. Processor time is for each event; from it, more or faster cores can be
reckoned. With inputs, the job of each document goes into a file of its own, too."""
WAYS = {"stream_only": "events alone", "with_documents_and_inputs": "with live documents and their inputs"}

BYTES = 43_210
RESULT = Result(
    key="results/x/1", bytes=BYTES, sha256="cd" * 32, pages=3, content_type="application/pdf", filename="a.pdf"
)


def rows_of_document() -> list[DocumentRow]:
    """Make the three rows of a document's life."""
    user = new_id()
    accepted = row(now_ms(), user_id=user, lane=str(user), metadata={"order": "INV-2026-000017"})
    started = later(accepted, event="started", status="rendering", attempt=1, started_at=accepted.at + 5, worker="w1")
    ended = {"event": "completed", "status": "completed", "completed_at": accepted.at + 20, "result": RESULT}
    return [accepted, started, later(started, **ended)]


def lives() -> Iterator[tuple[str, list[str]]]:
    """Make documents without end: an id and the lines of its life. Only the ids differ, or making them took longest."""
    rows = rows_of_document()
    lines = [one.model_dump_json() for one in rows]
    while True:
        id_ = str(new_id())
        yield id_, [line.replace(str(rows[0].document_id), id_, 1) for line in lines]


async def fill(scripts: Scripts, events: int, *, hashes: bool) -> int:
    """Append events to the stream; with `hashes` also the live documents they belong to. Returns the bytes."""
    size, made = 0, lives()
    for _ in range(0, events, 3000):
        async with scripts.redis.pipeline(transaction=False) as pipe:
            for _ in range(1000):
                id_, lines = next(made)
                if hashes:
                    fields = ("status", "completed", "seq", "3", "shipped", "0", "delivery_status", "none")
                    pipe.hset(f"{scripts.prefix}doc:{id_}", items=list(fields))
                    pipe.set(f"{scripts.prefix}job:{id_}", "x" * 1500)
                for line in lines:
                    size += len(line)
                    pipe.xadd(f"{scripts.prefix}events", {"d": line})
            await pipe.execute()
    return size


def cpu_s(pid: int) -> float:
    """Processor seconds of a process and its children, from /proc."""
    used, tasks = 0.0, Path(f"/proc/{pid}/task")
    for task in tasks.iterdir():
        used += sum(cpu_s(int(child)) for child in (task / "children").read_text().split())
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return used + (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True)
class Processes:
    """Who works: processor time is measured for each."""

    redis: Server
    clickhouse: Server

    def cpu(self) -> dict[str, float]:
        pids = {"redis": self.redis.process, "clickhouse": self.clickhouse.process}
        servers = {name: cpu_s(process.pid) for name, process in pids.items() if process is not None}
        return {"shipper": time.process_time(), **servers}


async def ship(shipper: Shipper, lease: RoleLease, processes: Processes) -> tuple[int, dict[str, float]]:
    """Ship until the stream is empty; returns the events and what it took."""
    async with lease.kept():
        while not lease.held:
            await asyncio.sleep(0.01)
        before, started, shipped = processes.cpu(), time.perf_counter(), 0
        while count := await shipper.ship_waiting():
            shipped += count
        seconds, after = time.perf_counter() - started, processes.cpu()
    used = {f"{name}_cpu_us": round((after[name] - before[name]) / shipped * 1e6, 1) for name in before}
    return shipped, {"per_s": round(shipped / seconds), **used}


async def measure(
    events: int, folder: Path, clickhouse: ClickHouse, processes: Processes
) -> dict[str, dict[str, float]]:
    await migrate(clickhouse)
    redis = connect_redis(processes.redis.url)
    report: dict[str, dict[str, float]] = {}
    for name, hashes in (("stream_only", False), ("with_documents_and_inputs", True)):
        scripts = Scripts(redis, f"{{{name}}}:")
        size = await fill(scripts, events, hashes=hashes)
        lease = RoleLease(redis, scripts.prefix, role="ship", holder="benchmark")
        shipper = Shipper(scripts, clickhouse, FileBlobStore(folder / name), lease)
        shipped, cost = await ship(shipper, lease, processes)
        counters = shipper.counters
        report[name] = {
            **cost,
            "events": shipped,
            "bytes_per_event": round(size / shipped),
            "batches": counters.batches,
            "inputs": counters.inputs,
        }
        await check(clickhouse, sum(int(part["events"]) for part in report.values()))
    await redis.aclose()
    return report


async def check(clickhouse: ClickHouse, events: int) -> None:
    """Every event once, and every document as its last event left it."""
    found = await clickhouse.rows(
        "SELECT count() AS events, uniqExact(document_id, seq) AS different, sum(seq) AS seqs FROM document_events"
    )
    assert found == [{"events": events, "different": events, "seqs": 2 * events}], (found, events)
    found = await clickhouse.rows(
        "SELECT count() AS documents, sum(bytes) AS bytes FROM documents FINAL WHERE status = 'completed' AND seq = 3"
    )
    assert found == [{"documents": events // 3, "bytes": events // 3 * BYTES}], (found, events)


async def measured(events: int, folder: Path, processes: Processes) -> dict[str, dict[str, float]]:
    clickhouse = ClickHouse(processes.clickhouse.url)
    try:
        return await measure(events, folder, clickhouse, processes)
    finally:
        await clickhouse.close()


def main(events: int) -> None:
    calm_collector()  # as the services do
    with tempfile.TemporaryDirectory(prefix="presswork-shipper-") as name:
        folder = Path(name)
        with (
            clickhouse_server(folder / "clickhouse") as node,
            redis_server(folder / "redis", max_memory="4gb") as broker,
        ):
            report = uvloop.run(measured(events, folder, Processes(broker, node)))  # the loop that uvicorn takes, too
    found = {"conditions": conditions(), **report}
    RESULTS.write_text(json.dumps(found, indent=2) + "\n")
    write_section("shipper", TITLE, section(found))
    print(json.dumps(found, indent=2))


def section(report: Mapping[str, Any]) -> Iterator[str]:
    """Write the page's section from a report."""
    first = report["stream_only"]
    explained = EXPLAINED.format(events=first["events"], bytes=first["bytes_per_event"])
    yield from (f"{report['conditions']}.", "", explained, "")
    yield "| | events/s | shipper, us | Redis, us | ClickHouse, us |"
    yield "|---|---|---|---|---|"
    for way, words in WAYS.items():
        cost = report[way]
        spent = " | ".join(f"{cost[f'{name}_cpu_us']:.1f}" for name in ("shipper", "redis", "clickhouse"))
        yield f"| {words} | {cost['per_s']:,} | {spent} |"


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 300_000)
