"""How fast events get from the stream into ClickHouse (embedded servers): `python benchmarks/shipper.py [events]`.

Three events for each document (accepted, started, completed), as the queue writes them. Prints one JSON object.
"""

import asyncio
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from backends.blobs import FileBlobStore
from backends.clickhouse import ClickHouse
from backends.embedded.clickhouse import EmbeddedClickHouse
from backends.embedded.redis import EmbeddedRedis, find_executable
from backends.embedded.tether import tethered
from backends.migrations.runner import migrate
from backends.redis import connect_redis
from backends.role_lease import RoleLease
from backends.scripts import Scripts
from contracts.documents import DocumentRow, Result, Status
from contracts.ids import new_id, now_ms
from generator.shipper import Shipper

CLICKHOUSE_PORT, REDIS_PORT = 17290, 17291
RESULT = Result(
    key="results/x/1", bytes=43_210, sha256="cd" * 32, pages=3, content_type="application/pdf", filename="a.pdf"
)


def rows_of_document() -> list[DocumentRow]:
    """Make the three rows of a document's life."""
    at = now_ms()
    user = new_id(at)
    accepted = DocumentRow(
        document_id=new_id(at),
        user_id=user,
        created_at=at,
        output_format="pdf",
        template_name="invoice",
        template_version=3,
        template_sha256="ab" * 32,
        priority="normal",
        lane=str(user),
        metadata={"order": "INV-2026-000017"},
        seq=1,
        event="accepted",
        at=at,
        status=Status.QUEUED,
        run=1,
        attempt=0,
        queued_at=at,
    )
    started = {
        "seq": 2,
        "event": "started",
        "status": Status.RENDERING,
        "attempt": 1,
        "started_at": at + 5,
        "worker": "w1",
    }
    ended = {"seq": 3, "event": "completed", "status": Status.COMPLETED, "completed_at": at + 9, "result": RESULT}
    return [accepted, accepted.model_copy(update=started), accepted.model_copy(update={**started, **ended})]


async def fill(scripts: Scripts, events: int, *, hashes: bool) -> int:
    """Append events to the stream; with `hashes` also the live documents they belong to. Returns the bytes."""
    size = 0
    for _ in range(0, events, 3000):
        async with scripts.redis.pipeline(transaction=False) as pipe:
            for _ in range(1000):
                rows = rows_of_document()
                if hashes:
                    fields = ("status", "completed", "seq", "3", "shipped", "0", "delivery_status", "none")
                    pipe.hset(f"{scripts.prefix}doc:{rows[0].document_id}", items=list(fields))
                    pipe.set(f"{scripts.prefix}job:{rows[0].document_id}", "x" * 1500)
                for row in rows:
                    line = row.model_dump_json()
                    size += len(line)
                    pipe.xadd(f"{scripts.prefix}events", {"d": line})
            await pipe.execute()
    return size


async def ship(shipper: Shipper) -> tuple[int, float, float]:
    """Ship until the stream is empty; returns the events, the seconds, and our own CPU seconds."""
    started, used, shipped = time.perf_counter(), time.process_time(), 0
    while count := await shipper.ship_once():
        shipped += count
    return shipped, time.perf_counter() - started, time.process_time() - used


async def measure(events: int, folder: Path, clickhouse: ClickHouse, redis_url: str) -> dict[str, float]:
    await migrate(clickhouse)
    redis = connect_redis(redis_url)
    report: dict[str, float] = {"events": events}
    for name, hashes in (("stream_only", False), ("with_documents_and_inputs", True)):
        scripts = Scripts(redis, f"{{{name}}}:")
        size = await fill(scripts, events, hashes=hashes)
        lease = RoleLease(redis, scripts.prefix, role="ship", holder="benchmark")
        shipper = Shipper(scripts, clickhouse, FileBlobStore(folder / name), lease)
        shipped, seconds, used = await ship(shipper)
        report |= {f"{name}_per_s": round(shipped / seconds), "bytes_per_event": round(size / shipped)}
        report[f"{name}_cpu_us_per_event"] = round(used / shipped * 1e6, 1)
        report[f"{name}_inputs"] = shipper.counters.inputs
    found = await clickhouse.rows("SELECT count() AS n, uniqExact(document_id, seq) AS u FROM document_events")
    documents = await clickhouse.rows("SELECT count() AS n FROM documents FINAL WHERE status = 'completed'")
    assert found[0]["n"] == found[0]["u"] == 3 * int(str(documents[0]["n"])), (found, documents)
    await redis.aclose()
    return report


@contextmanager
def running(command: list[str]) -> Iterator[int]:
    process = subprocess.Popen(tethered(command), stdout=subprocess.DEVNULL)
    try:
        yield process.pid
    finally:
        process.kill()
        process.wait()


async def measured(events: int, folder: Path, node: EmbeddedClickHouse, broker: EmbeddedRedis, pids: list[int]) -> None:
    while not (await node.is_ready(pids[0]) and await broker.is_ready(pids[1])):
        await asyncio.sleep(0.02)
    clickhouse = ClickHouse(node.url)
    print(json.dumps(await measure(events, folder, clickhouse, broker.url), indent=2))
    await clickhouse.close()


def main(events: int) -> None:
    with tempfile.TemporaryDirectory(prefix="presswork-shipper-") as name:
        folder = Path(name)
        node = EmbeddedClickHouse(folder / "clickhouse", CLICKHOUSE_PORT, "benchmark", marker="benchmark")
        broker = EmbeddedRedis(folder / "redis", REDIS_PORT, "benchmark", find_executable(), max_memory="4gb")
        node.prepare()
        broker.prepare()
        with running(node.command) as node_pid, running(broker.command) as broker_pid:
            asyncio.run(measured(events, folder, node, broker, [node_pid, broker_pid]))


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 99_000)
