"""The same documents through the whole service: `presswork up` with one render process, then with one per core.

At once: everything is requested as fast as the service accepts, until the last document is there. Backlog: all is
accepted beforehand, scheduled for one moment, and worked off: render, store, hand over, events into the history.
All processes and the client share the machine's cores, so what a document costs in processor time is told, too.
"""

import asyncio
import contextlib
import io
import json
import tempfile
import time
import zipfile
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import aiohttp
import psutil

from benchmarks.engines.bundles import bundle_of
from benchmarks.engines.inputs import Inputs
from benchmarks.engines.turn import Figures, cpu_s
from benchmarks.engines.validation import check
from benchmarks.service import Stack, start

#: How fast documents can be accepted at least, and what passes before the first one is due.
ACCEPTED_PER_S, AHEAD_S = 120, 2.0
TOGETHER = 16
READ_BACK = 5
#: The processes of the service: what each is for, and what its command line says.
ROLES = {
    "render": "generator.sandbox_child",
    "api": "-m app",
    "generator": "-m generator",
    "redis": "valkey-server",
    "clickhouse": "clickhouse_node",
}
OTHERS = "others"
Row = dict[str, Any]


@contextlib.contextmanager
def service(workers: int) -> Iterator[Stack]:
    """Run the service with so many render processes on a fresh folder."""
    with tempfile.TemporaryDirectory(prefix="presswork-engines-") as folder:
        stack = start(Path(folder), WORKERS=workers)
        try:
            yield stack
        finally:
            stack.stop()


def through_service(stack: Stack, kind: str, output_format: str, inputs: Inputs, documents: int) -> Figures:
    """Measure one kind both ways. Raises AssertionError for a document that is not its record's."""
    return asyncio.run(_measured(stack, kind, output_format, inputs, documents))


async def _measured(stack: Stack, kind: str, output_format: str, inputs: Inputs, documents: int) -> Figures:
    async with _client(stack) as session:
        case = _Case(
            session, kind, output_format, f"bench-{kind}-{output_format}", inputs.all(kind, output_format)[:documents]
        )
        await case.upload()
        await case.request(case.records[: TOGETHER * 2])  # warm
        before, began = _cpu_s(stack), time.perf_counter()
        rows = await case.request(case.records)
        at_once_s, after = time.perf_counter() - began, _cpu_s(stack)
        await case.read_back(rows)
        backlog = await case.request(case.records, timedelta(seconds=AHEAD_S + documents / ACCEPTED_PER_S))
    return {
        "at_once_per_s": documents / at_once_s,
        "backlog_per_s": worked_off(backlog),
        "documents": documents,
        **{f"{role}_cpu_ms": 1000 * (after[role] - before[role]) / documents for role in after},
    }


def _cpu_s(stack: Stack) -> dict[str, float]:
    """Return the seconds of work of the service's processes by role."""
    spent = dict.fromkeys((*ROLES, OTHERS), 0.0)
    for process in psutil.Process(stack.process.pid).children(recursive=True):
        with contextlib.suppress(psutil.NoSuchProcess):
            spent[role_of(process.cmdline())] += cpu_s(process)
    return spent


def role_of(command: Sequence[str]) -> str:
    """Tell what a process of the service is for, by its command line."""
    said = " ".join(command)
    return next((role for role, mark in ROLES.items() if mark in said), OTHERS)


def worked_off(rows: Sequence[Row]) -> float:
    """Return documents per second between the completion of the first and of the last."""
    ended = sorted(datetime.fromisoformat(row["completed_at"]) for row in rows)
    return (len(ended) - 1) / (ended[-1] - ended[0]).total_seconds()


@contextlib.asynccontextmanager
async def _client(stack: Stack) -> AsyncIterator[aiohttp.ClientSession]:
    headers = {"Authorization": f"Bearer {stack.key}"}
    async with aiohttp.ClientSession(
        stack.base, headers=headers, connector=aiohttp.TCPConnector(limit=TOGETHER)
    ) as session:
        yield session


@dataclass(frozen=True)
class _Case:
    """One kind of document with its uploaded template."""

    session: aiohttp.ClientSession
    kind: str
    format: str
    template: str
    records: Sequence[bytes]

    async def upload(self) -> None:
        name, content = _file_of(self.kind, self.format)
        form = aiohttp.FormData({"name": self.template})
        form.add_field("file", content, filename=name)
        async with self.session.post("/v1/templates", data=form) as response:
            assert response.status == 201, await response.text()

    async def request(self, records: Sequence[bytes], ahead: timedelta | None = None) -> list[Row]:
        """Request a document of each record, for `ahead` from now if given, and wait for all of them."""
        due = (datetime.now(UTC) + ahead).isoformat() if ahead else None
        ids: list[str] = await self._each(records, lambda record: self._accepted(record, due))
        return await self._each(list(reversed(ids)), self._completed)

    async def _each[Given, Got](self, given: Sequence[Given], work: Callable[[Given], Any]) -> list[Got]:
        """Do something with each, several at a time; results are in the order of `given`."""
        results: dict[int, Got] = {}
        waiting = iter(enumerate(given))

        async def client() -> None:
            for number, one in waiting:
                results[number] = await work(one)

        await asyncio.gather(*(client() for _ in range(TOGETHER)))
        return [results[number] for number in range(len(given))]

    async def _accepted(self, record: bytes, due: str | None) -> str:
        asked = {"template": self.template, "format": self.format, **({"run_at": due} if due else {})}
        body = json.dumps(asked).encode()[:-1] + b', "data": ' + record + b"}"
        headers = {"Content-Type": "application/json"}
        while True:
            async with self.session.post("/v1/documents", data=body, headers=headers) as response:
                if response.status == 202:
                    return str((await response.json())["id"])
                assert response.status == 429, await response.text()
            await asyncio.sleep(float(response.headers.get("Retry-After", "1")))

    async def _completed(self, document_id: str) -> Row:
        while True:
            async with self.session.get(f"/v1/documents/{document_id}", params={"wait": 60}) as response:
                row: Row = await response.json()
            assert row["status"] not in ("failed", "cancelled"), row
            if row["status"] == "completed":
                return row

    async def read_back(self, rows: Sequence[Row]) -> None:
        """Download some of the documents, which come newest first, and check that each is its record's."""
        step = max(1, len(rows) // READ_BACK)
        for at in range(0, len(rows), step):
            async with self.session.get(f"/v1/documents/{rows[at]['id']}/content") as response:
                check(self.kind, len(rows) - 1 - at, self.format, await response.read())


def _file_of(kind: str, output_format: str) -> tuple[str, bytes]:
    """Return what is uploaded: the Word file, or a zip of the Typst source with logo and fonts."""
    bundle = bundle_of(kind, output_format)
    if output_format == "docx":
        return "template.docx", next(iter(bundle.files.values()))
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        for name, content in bundle.files.items():
            archive.writestr(name, content)
    return "template.zip", out.getvalue()
