"""The queue with a million documents in it: `python -m benchmarks.queue_depth [--documents N]`, about ten minutes.

At 1,000, 100,000 and 1,000,000 queued documents of 1 KB, over 1, 1,000 and 100,000 lanes: how long a claim and an
accept take, what a document costs in memory, and how long the server needs to start again with all of them.
"""

import argparse
import asyncio
import json
import subprocess
import tempfile
import time
from collections.abc import Awaitable, Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, TypeVar
from uuid import UUID, uuid4

from redis.asyncio import Redis

from backends.admission import QueueLimits
from backends.embedded.tether import tethered
from backends.queue import DocumentQueue
from backends.redis import connect_redis
from backends.scripts import Answer, Scripts, source
from benchmarks.page import conditions, rounded, write_section
from benchmarks.queues.client import payload
from benchmarks.queues.trial import quantiles
from contracts.ids import now_ms
from contracts.jobs import GenerationJob, InlineSource
from tests.integration.history_servers import Server, redis_server

Found = TypeVar("Found")
RESULTS = Path(__file__).parent / "results" / "queue_depth.json"
LANES = (1, 1_000, 100_000)
BATCH, CALLS, TOGETHER = 500, 300, 16
MEASURED = ("claim_1", f"claim_{TOGETHER}", "accept")
SOURCE = InlineSource(engine="typst", content="= Hi", encoding="utf-8", sha256="ab" * 32)
NO_LIMIT = QueueLimits(max_open=0, max_open_per_user=0, max_open_bytes=0, max_open_bytes_per_user=0, max_events_bytes=0)
PATTERN = UUID("0190c0de-0000-7000-8000-00000000d0c5"), UUID("0190c0de-0000-7000-8000-0000000005e2")

TITLE = "A million documents in the queue"
EXPLAINED = """\
Claims are given back, so the depth stays; the accept is a sequential `enqueue` that returns when the document is on
disk. Memory is the server's own count for a queued document: its hash with the event, the job with a payload of 1 KB,
its place in the lane. The event's copy in the stream, counted apart, is there until the history has it.
Restart: after a kill, from the append-only file. Other work on the machine shows as noise, in p99 most of all.
"""


class Recorder(Scripts):
    """Takes down what the queue asks of Redis, in place of doing it."""

    def __init__(self, redis: Redis) -> None:
        super().__init__(redis)
        self.args: tuple[str | int | bytes, ...] = ()

    async def run(self, name: str, *args: str | int | bytes) -> Answer:
        self.args = args
        return ["ok", "queued"]


def document(document_id: UUID, user_id: UUID) -> GenerationJob:
    return GenerationJob(
        document_id=document_id,
        user_id=user_id,
        created_at=now_ms(),
        source=SOURCE,
        data=payload(1, "a"),
        format="pdf",
        filename="a.pdf",
        lane=str(user_id),
    )


class Depth:
    """A queue that is filled to a depth over a number of lanes. `numbers` counts the documents in it."""

    def __init__(self, redis: Redis, lanes: int) -> None:
        self.redis, self.lanes, self.numbers = redis, lanes, 0
        self.queue = DocumentQueue(Scripts(redis), NO_LIMIT, lease_ms=600_000)
        self.event_bytes = 0.0

    async def fill(self, depth: int) -> None:
        """Queue documents as accepting does, with as many scripts per round trip as makes it quick."""
        pattern = await self._pattern()
        sha = await self.redis.script_load(source("enqueue"))
        for first in range(self.numbers, depth, BATCH):
            async with self.redis.pipeline(transaction=False) as pipe:
                for number in range(first, min(first + BATCH, depth)):
                    pipe.evalsha(sha, 1, self.queue_prefix, *self._args(pattern, number))
                answers = await pipe.execute()
            assert all(answer == ["ok", "queued"] for answer in answers), answers[0]
            await self._ship()
        self.numbers = depth

    @property
    def queue_prefix(self) -> str:
        return Scripts(self.redis).prefix

    async def _pattern(self) -> tuple[str, ...]:
        """Let the real queue write the arguments for one document; the others differ in their ids."""
        recorder = Recorder(self.redis)
        await DocumentQueue(recorder, NO_LIMIT).enqueue(document(*PATTERN))
        return tuple(str(arg) for arg in recorder.args)

    def _args(self, pattern: tuple[str, ...], number: int) -> Iterator[str]:
        of_document, of_user = map(str, PATTERN)
        ours, users = str(UUID(int=number)), str(UUID(int=number % self.lanes + 2**100))
        return (arg.replace(of_document, ours).replace(of_user, users) for arg in pattern)

    async def _ship(self) -> None:
        """Empty the event stream as the shipper does; remember what an event took there."""
        stream = f"{self.queue_prefix}events"
        if not self.event_bytes:
            used = await self.redis.memory_usage(stream, samples=0)
            self.event_bytes = (used or 0) / await self.redis.xlen(stream)
        await self.redis.xtrim(stream, maxlen=0, approximate=False)

    async def claims(self, want: int) -> list[float]:
        """Time claims, each given back before the next; answers seconds."""
        times = []
        for _ in range(CALLS):
            began = time.perf_counter()
            claims = await self.queue.claim("benchmark", want, str(uuid4()))
            times.append(time.perf_counter() - began)
            assert len(claims) == want
            assert await self.queue.release([claim.ref for claim in claims]) == want
        return times

    async def accepts(self) -> list[float]:
        times = []
        for number in range(self.numbers, self.numbers + CALLS):
            job = document(UUID(int=number), UUID(int=number % self.lanes + 2**100))
            began = time.perf_counter()
            await self.queue.enqueue(job)
            times.append(time.perf_counter() - began)
        self.numbers += CALLS
        return times

    async def memory(self) -> int:
        return int((await self.redis.info("memory"))["used_memory"])


async def measure(redis: Redis, lanes: int, depths: list[int]) -> list[dict[str, float]]:
    """Measure one number of lanes at each depth, and check that what was queued is what there is."""
    depth, found = Depth(redis, lanes), []
    empty = await depth.memory()
    for documents in depths:
        began = time.perf_counter()
        await depth.fill(documents)
        print(f"{documents} in {lanes} lanes after {time.perf_counter() - began:.0f} s", flush=True)
        bytes_each = (await depth.memory() - empty) / documents
        timed = {
            **quantiles("claim_1", await depth.claims(1)),
            **quantiles(f"claim_{TOGETHER}", await depth.claims(TOGETHER)),
            **quantiles("accept", await depth.accepts()),
        }
        sizes = {"bytes_per_document": bytes_each, "bytes_per_event": depth.event_bytes}
        found.append({"queued": documents, **timed, **sizes})
        assert (await depth.queue.lengths())["waiting"] == depth.numbers
    return found


def on_client(server: Server, use: Callable[[Redis], Awaitable[Found]]) -> Found:
    async def with_client() -> Found:
        redis = connect_redis(server.url, timeout_s=60)
        try:
            return await use(redis)
        finally:
            await redis.aclose()

    return asyncio.run(with_client())


def restart(server: Server, deadline_s: float = 600) -> float:
    """Kill the server and start it again; answers the seconds until it has loaded everything."""
    server.kill()
    began = time.perf_counter()
    server.process = subprocess.Popen(tethered(server.embedded.command), stdout=subprocess.DEVNULL)
    while not asyncio.run(server.embedded.is_ready(server.process.pid)):
        assert time.perf_counter() - began < deadline_s and server.process.poll() is None, "the server did not start"
        time.sleep(0.05)
    return time.perf_counter() - began


async def lengths(redis: Redis) -> dict[str, int]:
    return await DocumentQueue(Scripts(redis)).lengths()


def measure_lanes(lanes: int, depths: list[int]) -> dict[str, object]:
    with (
        tempfile.TemporaryDirectory(prefix="presswork-depth-") as folder,
        redis_server(Path(folder), max_memory="16gb") as server,
    ):
        found = on_client(server, lambda redis: measure(redis, lanes, depths))
        before = on_client(server, lengths)
        restart_s = restart(server)
        assert on_client(server, lengths) == before
        return {"lanes": lanes, "depths": found, "restart_s": restart_s}


def section(report: Mapping[str, Any]) -> Iterator[str]:
    """Write the page's section from a report."""
    yield from (f"{report['conditions']}.", "", EXPLAINED, "")
    yield "| lanes | queued | claim of 1, p50 / p99 ms | claim of 16 | accept | bytes per document | restart s |"
    yield "|---|---|---|---|---|---|---|"
    for found in report["lanes"]:
        *_, deepest = found["depths"]
        for timed in found["depths"]:
            calls = (f"{timed[f'{call}_p50_ms']:.2f} / {timed[f'{call}_p99_ms']:.2f}" for call in MEASURED)
            restarted = f"{found['restart_s']:.1f}" if timed is deepest else ""
            counted = f"{timed['bytes_per_document']:,.0f} + {timed['bytes_per_event']:,.0f}"
            where = f"{found['lanes']:,} | {timed['queued']:,}"
            yield f"| {where} | {' | '.join(calls)} | {counted} | {restarted} |"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--documents", type=int, default=1_000_000)
    documents = parser.parse_args().documents
    depths = [documents // 1_000, documents // 10, documents]
    report = {"conditions": conditions(), "lanes": [measure_lanes(lanes, depths) for lanes in LANES]}
    report = json.loads(json.dumps(report), parse_float=rounded)
    RESULTS.write_text(json.dumps(report, indent=2) + "\n")
    write_section("queue_depth", TITLE, section(report))
    print(json.dumps(report, indent=2))


if __name__ == "__main__":
    main()
