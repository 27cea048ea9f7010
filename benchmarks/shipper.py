"""How fast events get from the stream into ClickHouse (embedded servers): `python -m benchmarks.shipper [events]`.

Three events for each document (accepted, started, completed), as the queue writes them. Prints one JSON object.
"""

import asyncio
import json
import sys
import tempfile
import time
from pathlib import Path

from backends.blobs import FileBlobStore
from backends.clickhouse import ClickHouse
from backends.migrations.runner import migrate
from backends.redis import connect_redis
from backends.role_lease import RoleLease
from backends.scripts import Scripts
from contracts.documents import DocumentRow, Result
from contracts.ids import new_id, now_ms
from generator.shipper import Shipper
from tests.integration.history_rows import later, row
from tests.integration.history_servers import clickhouse_server, redis_server

RESULT = Result(
    key="results/x/1", bytes=43_210, sha256="cd" * 32, pages=3, content_type="application/pdf", filename="a.pdf"
)


def rows_of_document() -> list[DocumentRow]:
    """Make the three rows of a document's life."""
    user = new_id()
    accepted = row(now_ms(), user_id=user, lane=str(user), metadata={"order": "INV-2026-000017"})
    started = later(accepted, event="started", status="rendering", attempt=1, started_at=accepted.at + 5, worker="w1")
    ended = {"event": "completed", "status": "completed", "completed_at": accepted.at + 20, "result": RESULT}
    return [accepted, started, later(started, **ended)]


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
                for one in rows:
                    line = one.model_dump_json()
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


async def measured(events: int, folder: Path, clickhouse_url: str, redis_url: str) -> dict[str, float]:
    clickhouse = ClickHouse(clickhouse_url)
    try:
        return await measure(events, folder, clickhouse, redis_url)
    finally:
        await clickhouse.close()


def main(events: int) -> None:
    with tempfile.TemporaryDirectory(prefix="presswork-shipper-") as name:
        folder = Path(name)
        with (
            clickhouse_server(folder / "clickhouse") as node,
            redis_server(folder / "redis", max_memory="4gb") as broker,
        ):
            report = asyncio.run(measured(events, folder, node.url, broker.url))
    print(json.dumps(report, indent=2))


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 99_000)
