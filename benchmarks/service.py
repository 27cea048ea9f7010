"""The whole service on this machine, warm: `python -m benchmarks.service [--documents N]`.

Starts `presswork up` in a temporary folder and measures over HTTP: ready time, idle memory, documents/s and time from
POST to stored (at saturation and at half of it), accept rate and latency of POST at a fixed rate. Outputs are opened.
"""

import argparse
import asyncio
import io
import json
import os
import signal
import statistics
import subprocess
import sys
import tempfile
import time
import zipfile
from collections.abc import Awaitable, Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import aiohttp
import psutil
import pypdf

from benchmarks.page import conditions, write_section

RESULTS = Path(__file__).parent / "results" / "service.json"
PORTS = {"API_PORT": 17401, "GENERATOR_PORT": 17402, "REDIS_PORT": 17403, "CLICKHOUSE_PORT": 17404}
Post = Callable[[int], Awaitable[str]]

TITLE = "The whole service on one machine"
EXPLAINED = """\
`presswork up` (API, generator, Redis, ClickHouse) and the client share the machine; the shipped invoice, 12 lines.
Ready {ready_s} s after the start with {idle_memory_mb:.0f} MiB (shared pages counted once), {memory_after_mb:.0f} MiB
at the end. Times are from acceptance to stored, by the service's own records.
"""
LOADS = {"saturated": "8 clients, each waiting for its document", "two_clients": "2 clients, each waiting"}


@dataclass
class Stack:
    process: subprocess.Popen[bytes]
    key: str
    ready_s: float
    base: str = f"http://127.0.0.1:{PORTS['API_PORT']}"

    def stop(self) -> None:
        self.process.send_signal(signal.SIGTERM)
        self.process.wait(15)

    @property
    def memory_mb(self) -> float:
        """Proportional memory of all processes, in MiB: shared pages count once."""
        parent = psutil.Process(self.process.pid)
        return sum(child.memory_full_info().pss for child in [parent, *parent.children(recursive=True)]) / 2**20


def start(folder: Path, **settings: object) -> Stack:
    """Start `presswork up`; `settings` are variables without their prefix."""
    ready = folder / "ready.json"
    environment = {**os.environ, "PRESSWORK_READY_FILE": str(ready), "PRESSWORK_LOG_LEVEL": "warning"}
    environment |= {f"PRESSWORK_{name}": str(value) for name, value in {**PORTS, **settings}.items()}
    began = time.perf_counter()
    command = [sys.executable, "-m", "standalone", "up", "--data-dir", str(folder / "data")]
    process = subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL)
    while not ready.exists():
        assert process.poll() is None and time.perf_counter() - began < 120, "the stack did not start"
        time.sleep(0.02)
    return Stack(process, (folder / "data" / "admin.key").read_text().strip(), time.perf_counter() - began)


def invoice(number: int, output_format: str) -> dict[str, object]:
    names = ("Consulting, hour", "Steel bolt M8", "Болт М8 оцинкованный", "Paper A4, box", "SSD 2 TB <NVMe>", "Router")
    items = [
        {
            "name": f"{names[line % 6]} #{number}",
            "sku": f"SKU-{number}",
            "qty": line + 1,
            "unit": "pcs",
            "price": 9.5 + line,
        }
        for line in range(12)
    ]
    data = {
        "number": f"INV-2026-{number:05}",
        "date": "2026-03-01",
        "due": "2026-04-01",
        "currency": "EUR",
        "seller": {"name": "Blue Harbour Trading Ltd", "address": "12 Quay Street, Dublin", "vat": "IE1234567T"},
        "buyer": {"name": f"Acme GmbH {number}", "address": "8 Main Street, Vienna", "vat": "ATU74859666"},
        "items": items,
        "vat_rate": 23,
        "note": "Thank you for your business.",
    }
    return {"template": "invoice", "format": output_format, "data": data}


async def closed_loop(
    session: aiohttp.ClientSession, output_format: str, documents: int, clients: int
) -> dict[str, float]:
    """Keep `clients` requests under way, each waiting for its document; times are the service's own records."""
    numbers, rows = iter(range(documents)), []

    async def client() -> None:
        for number in numbers:
            body = invoice(number, output_format)
            async with session.post("/v1/documents", json=body, headers={"Prefer": "wait=60"}) as response:
                assert response.status == 200, await response.text()
                rows.append(await response.json())

    began = time.perf_counter()
    await asyncio.gather(*(client() for _ in range(clients)))
    seconds = time.perf_counter() - began
    for row in rows[:: max(1, documents // 20)]:
        await validate(session, row)
    times = [elapsed_ms(row) for row in rows]
    return {
        "documents_per_s": documents / seconds,
        **quantiles(times),
        "render_p50_ms": statistics.median(row["timings"]["render_ms"] for row in rows),
    }


async def burst(session: aiohttp.ClientSession, output_format: str, documents: int) -> dict[str, float]:
    """Request everything at once and wait for the last: the rate at which a backlog is worked off."""
    began = time.perf_counter()
    gate = asyncio.Semaphore(16)

    async def post(number: int) -> str:
        async with gate, session.post("/v1/documents", json=invoice(number, output_format)) as response:
            assert response.status == 202, await response.text()
            return str((await response.json())["id"])

    ids = await asyncio.gather(*(post(number) for number in range(documents)))
    accepted = time.perf_counter() - began
    for document_id in reversed(ids):
        while True:
            async with session.get(f"/v1/documents/{document_id}", params={"wait": 60}) as response:
                if (await response.json())["status"] == "completed":
                    break
    return {"documents_per_s": documents / (time.perf_counter() - began), "accepted_in_s": accepted}


async def accept_at(session: aiohttp.ClientSession, rate: int, seconds: int) -> dict[str, float]:
    """POST at a fixed rate, whether answers come or not; documents are scheduled for later, so nothing is rendered."""
    body = {**invoice(1, "pdf"), "run_at": "2027-06-01T00:00:00Z"}
    times: list[float] = []
    refused: list[int] = []

    async def one(due: float) -> None:
        async with session.post("/v1/documents", json=body) as response:
            await response.read()
            (
                refused.append(response.status)
                if response.status != 202
                else times.append(1000 * (time.perf_counter() - due))
            )

    began, tasks = time.perf_counter(), []
    for number in range(rate * seconds):
        due = began + number / rate
        await asyncio.sleep(max(0, due - time.perf_counter()))
        tasks.append(asyncio.create_task(one(due)))
    await asyncio.gather(*tasks)
    accepted = {"offered_per_s": rate, "accepted_per_s": len(times) / (time.perf_counter() - began)}
    return {**accepted, "refused": len(refused), **quantiles(times)}


async def validate(session: aiohttp.ClientSession, row: dict[str, object]) -> None:
    async with session.get(f"/v1/documents/{row['id']}/content") as response:
        content = await response.read()
    if row["format"] == "pdf":
        assert "INV-2026-" in pypdf.PdfReader(io.BytesIO(content)).pages[0].extract_text()
    else:
        assert "INV-2026-" in zipfile.ZipFile(io.BytesIO(content)).read("word/document.xml").decode()


def elapsed_ms(row: dict[str, object]) -> float:
    begun, ended = (datetime.fromisoformat(str(row[name])) for name in ("created_at", "completed_at"))
    return (ended - begun).total_seconds() * 1000


def quantiles(times: list[float]) -> dict[str, float]:
    ordered = sorted(times)
    return {"p50_ms": ordered[len(ordered) // 2], "p99_ms": ordered[int(len(ordered) * 0.99)]}


async def measure(stack: Stack, documents: int) -> dict[str, object]:
    headers = {"Authorization": f"Bearer {stack.key}"}
    connector = aiohttp.TCPConnector(limit=0)
    async with aiohttp.ClientSession(stack.base, headers=headers, connector=connector) as session:
        await asyncio.sleep(2)
        found: dict[str, object] = {"ready_s": stack.ready_s, "idle_memory_mb": stack.memory_mb}
        for output_format in ("pdf", "docx"):
            await closed_loop(session, output_format, 60, 8)
            found[f"invoice_{output_format}_saturated"] = await closed_loop(session, output_format, documents, 8)
            found[f"invoice_{output_format}_two_clients"] = await closed_loop(session, output_format, documents // 2, 2)
            found[f"invoice_{output_format}_burst"] = await burst(session, output_format, documents)
        found["accept_at_500"] = await accept_at(session, 500, 6)
        found["memory_after_mb"] = stack.memory_mb
        return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--documents", type=int, default=600)
    documents = parser.parse_args().documents
    with tempfile.TemporaryDirectory() as folder:
        stack = start(Path(folder))
        try:
            found = asyncio.run(measure(stack, documents))
        finally:
            stack.stop()
    rounded = json.loads(json.dumps(found), parse_float=lambda text: round(float(text), 1))
    report = {"conditions": conditions(), **rounded}
    RESULTS.write_text(json.dumps(report, indent=2) + "\n")
    write_section("service", TITLE, section(report))
    print(json.dumps(report, indent=2))


def section(report: Mapping[str, Any]) -> Iterator[str]:
    """Write the page's section from a report."""
    yield from (f"{report['conditions']}.", "", *EXPLAINED.format(**report).splitlines(), "")
    yield "| | documents/s | p50 / p99 ms | render p50 ms |"
    yield "|---|---|---|---|"
    for made in ("pdf", "docx"):
        for load, words in LOADS.items():
            found = report[f"invoice_{made}_{load}"]
            times = f"{found['p50_ms']:.0f} / {found['p99_ms']:.0f} | {found['render_p50_ms']:.0f}"
            yield f"| {made.upper()}, {words} | {found['documents_per_s']:.0f} | {times} |"
        burst = report[f"invoice_{made}_burst"]
        yield f"| {made.upper()}, all requested at once | {burst['documents_per_s']:.0f} | | |"
    accepted = report["accept_at_500"]
    yield ""
    yield f"POST alone, offered {accepted['offered_per_s']} times a second whatever the answers:"
    yield f"{accepted['accepted_per_s']:.0f}/s accepted, p50 {accepted['p50_ms']} ms, p99 {accepted['p99_ms']} ms,"
    yield f"{accepted['refused']} refused."


if __name__ == "__main__":
    main()
