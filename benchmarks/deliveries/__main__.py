"""`python -m benchmarks.deliveries [--deliveries N] [--pending N]`: writes results/deliveries.json and its section of
docs/benchmarks.md.
"""

import argparse
import asyncio
import json
import statistics
import tempfile
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import structlog
import uvloop

from backends.serving import calm_collector
from benchmarks.deliveries.stage import Stage, receivers, staged, until_noted
from benchmarks.page import conditions, write_section
from benchmarks.shipper import cpu_s
from tests.integration.history_servers import Server, redis_server

RESULTS = Path(__file__).parents[1] / "results" / "deliveries.json"
TITLE = "Webhooks"
ROUNDS, WATCHED_S, RATE_PER_S, RECEIVERS = 3, 10, 100, 10
#: How many of the receivers hang.
HANGING = (0, 1, 5)
EXPLAINED = """One process claims what is due, builds and signs each body, sends it to a receiver on the same machine
and records outcome and log line on disk; the receivers (asyncio) and Redis share the cores with it."""


async def throughput(url: str, count: int) -> dict[str, float]:
    """Send a backlog to ten fast receivers, with the default limits."""
    with receivers(RECEIVERS) as urls:
        async with staged(url) as stage:
            await stage.ended([urls[number % RECEIVERS] for number in range(count)])
            began, cpu = time.perf_counter(), time.process_time()
            async with stage.delivering() as deliveries:
                await until_noted(deliveries, count)
                seconds, used = time.perf_counter() - began, time.process_time() - cpu
            assert {status for _, _, status in deliveries.noted} == {"delivered"}
    return {"per_s": count / seconds, "cpu_us": used / count * 1e6}


async def beside(url: str, hanging: int) -> dict[str, float]:
    """Offer calls to ten receivers at a fixed rate; how long the healthy ones' take from due to recorded, in ms."""
    with receivers(RECEIVERS, hanging) as urls:
        async with staged(url) as stage, stage.delivering() as deliveries:
            began = time.monotonic()
            for turn in range(WATCHED_S * RATE_PER_S // RECEIVERS):
                await asyncio.sleep(max(0, began + turn * RECEIVERS / RATE_PER_S - time.monotonic()))
                await stage.ended(urls)
            healthy = {one.split("/")[2] for one in urls[hanging:]}
            expected = WATCHED_S * RATE_PER_S // RECEIVERS * len(healthy)
            while (
                len(found := sorted(ms for who, ms, _ in deliveries.noted if who.rpartition("/")[2] in healthy))
                < expected
            ):
                await asyncio.sleep(0.05)
    return {"p50_ms": statistics.median(found), "p99_ms": found[int(len(found) * 0.99)]}


async def idle(url: str, redis_pid: int, pending: int) -> dict[str, float]:
    """Wait beside so many retries that are not due; processor time in per cent of a core."""
    async with staged(url) as stage:
        await _pending(stage, pending)
        async with stage.delivering() as deliveries:
            await asyncio.sleep(2)
            began, cpu, redis_cpu = time.perf_counter(), time.process_time(), cpu_s(redis_pid)
            await asyncio.sleep(WATCHED_S)
            seconds = time.perf_counter() - began
            ours, redis_s = time.process_time() - cpu, cpu_s(redis_pid) - redis_cpu
            assert deliveries.noted == []
        waiting = (await deliveries.backlog()).pending
        assert waiting == pending, waiting
    return {"pending": pending, "process_percent": ours / seconds * 100, "redis_percent": redis_s / seconds * 100}


async def _pending(stage: Stage, count: int) -> None:
    """Write retries as the queue's scripts leave them: a hash each, and a time far ahead."""
    prefix, due_at = stage.scripts.prefix, int(time.time() * 1000) + 3_600_000
    fields = {
        "run": 1,
        "user": str(stage.user.user_id),
        "type": "document.completed",
        "status": "pending",
        "attempts": 3,
    }
    fields |= {"token": 3, "created_at": due_at - 7_200_000, "next_at": due_at, "seq": 3}
    callback = '{"url":"http://127.0.0.1:1/hook","headers":{}}'
    for begin in range(0, count, 5000):
        async with stage.scripts.redis.pipeline(transaction=False) as pipe:
            for number in range(begin, min(begin + 5000, count)):
                id_ = f"0199f0a0-0000-7000-8000-{number:012x}"
                mapping = {**fields, "document_id": id_, "callback": callback}
                pipe.hset(f"{prefix}delivery:{id_}:1", mapping=mapping)  # type: ignore[arg-type]
                pipe.zadd(f"{prefix}due", {f"{id_}:1": due_at + number})
            await pipe.execute()


def measured(broker: Server, count: int, pending: int) -> dict[str, Any]:
    assert broker.process is not None
    rounds = [uvloop.run(throughput(broker.url, count)) for _ in range(ROUNDS)]
    watched = [{str(number): uvloop.run(beside(broker.url, number)) for number in HANGING} for _ in range(ROUNDS)]
    return {
        "per_s": [one["per_s"] for one in rounds],
        "cpu_us": statistics.median(one["cpu_us"] for one in rounds),
        "healthy": watched,
        "idle": uvloop.run(idle(broker.url, broker.process.pid, pending)),
    }


def section(found: Mapping[str, Any]) -> Iterator[str]:
    """Write the page's section."""
    yield from (f"{found['conditions']}.", "", EXPLAINED, "")
    rates = ", ".join(f"{rate:,.0f}" for rate in found["per_s"])
    yield f"- A backlog to {RECEIVERS} fast receivers: **{rates} deliveries/s** in {ROUNDS} rounds (aim 1,500),"
    yield f"  {found['cpu_us']:.0f} us of the process for each."
    yield f"- {RATE_PER_S} calls/s to {RECEIVERS} receivers, from due to recorded, p50 / p99 ms, in {ROUNDS} rounds:"
    for watched in found["healthy"]:
        well = watched["0"]
        others = [
            f"with {number} that take calls and never answer, the others {_ratio(watched[str(number)], well)}"
            for number in HANGING[1:]
        ]
        yield f"  all well {_both(well)}; {'; '.join(others)} (aim 2)."
    waits = found["idle"]
    used, of_redis = waits["process_percent"], waits["redis_percent"]
    yield f"- {waits['pending']:,} retries that are not due: the process takes {used:.1f} % of a core,"
    yield f"  Redis {of_redis:.1f} %."


def _both(one: Mapping[str, float]) -> str:
    return f"{one['p50_ms']:.0f} / {one['p99_ms']:.0f}"


def _ratio(one: Mapping[str, float], well: Mapping[str, float]) -> str:
    return f"{_both(one)}: {one['p99_ms'] / max(1, well['p99_ms']):.1f} times"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--deliveries", type=int, default=6000)
    parser.add_argument("--pending", type=int, default=1_000_000)
    options = parser.parse_args()
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(40))
    calm_collector()  # as the services do
    with tempfile.TemporaryDirectory(prefix="presswork-deliveries-") as name:
        with redis_server(Path(name), max_memory="6gb") as broker:
            found = {"conditions": conditions(), **measured(broker, options.deliveries, options.pending)}
    RESULTS.write_text(json.dumps(found, indent=2) + "\n")
    write_section("deliveries", TITLE, section(found))
    print(json.dumps(found, indent=2))


if __name__ == "__main__":
    main()
