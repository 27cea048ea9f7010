"""The client's side of every measurement; runs in the contestant's environment: `python -m <peer module> COMMAND ...`.

A blocking library is given threads where an asynchronous one is given tasks.
"""

import asyncio
import json
import sys
import time
from collections.abc import Awaitable, Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import Protocol

from benchmarks.queues.options import Options
from benchmarks.queues.runs import count_runs, read_runs

CLIENTS = 50
#: With its number and the JSON around it a payload is about 1 KB.
TEXT = "The quick brown fox jumps over the lazy dog. 0123456789 " * 18
LAST = 100


class Peer(Protocol):
    """A queue under test. `user` is "a" or "b"; a job is known by its number."""

    async def open(self) -> None: ...

    async def enqueue(self, job: int, user: str) -> None: ...

    async def is_done(self, job: int) -> bool: ...

    async def close(self) -> None: ...

    def work(self) -> None:
        """Be the worker until SIGTERM."""


class BlockingPeer(Protocol):
    """The same for a library without asyncio."""

    def enqueue_blocking(self, job: int, user: str) -> None: ...

    def is_done_blocking(self, job: int) -> bool: ...

    def work(self) -> None: ...


class Threaded:
    """Fits a blocking library to the asynchronous harness: directly where calls follow each other, by threads else."""

    def __init__(self, peer: BlockingPeer) -> None:
        self._peer = peer
        self.work = peer.work
        self.enqueue_blocking = peer.enqueue_blocking

    async def open(self) -> None: ...

    async def enqueue(self, job: int, user: str) -> None:
        self._peer.enqueue_blocking(job, user)

    async def is_done(self, job: int) -> bool:
        return self._peer.is_done_blocking(job)

    async def close(self) -> None: ...


def payload(job: int, user: str) -> dict[str, object]:
    return {"job": job, "user": user, "text": TEXT}


def main(make: Callable[[Options], Peer]) -> None:
    """Do what the command line says with a contestant; answers are printed as one JSON line."""
    command, *numbers = sys.argv[1:]
    options = Options.read()
    peer = make(options)
    if command == "work":
        peer.work()
        return
    answer = asyncio.run(_opened(peer, COMMANDS[command](peer, options, *map(int, numbers))))
    print(json.dumps(answer))


async def _opened(peer: Peer, measured: Awaitable[object]) -> object:
    await peer.open()
    try:
        return await measured
    finally:
        await peer.close()


async def latency(peer: Peer, options: Options, sequential: int, concurrent: int) -> dict[str, object]:
    """Enqueue one after the other, then 50 at a time. Answers seconds per call, and the seconds of the second part."""
    one_by_one = [await _timed(peer, job) for job in range(sequential)]
    began = time.perf_counter()
    at_once = await _at_once(peer, range(sequential, sequential + concurrent))
    return {"sequential": one_by_one, "concurrent": at_once, "concurrent_s": time.perf_counter() - began}


async def _timed(peer: Peer, job: int) -> float:
    began = time.perf_counter()
    await peer.enqueue(job, "a")
    return time.perf_counter() - began


async def _at_once(peer: Peer, jobs: Iterable[int]) -> list[float]:
    if isinstance(peer, Threaded):
        return await asyncio.to_thread(_in_threads, peer, jobs)
    waiting, times = iter(jobs), list[float]()

    async def client() -> None:
        for job in waiting:
            times.append(await _timed(peer, job))

    await asyncio.gather(*(client() for _ in range(CLIENTS)))
    return times


def _in_threads(peer: Threaded, jobs: Iterable[int]) -> list[float]:
    def timed(job: int) -> float:
        began = time.perf_counter()
        peer.enqueue_blocking(job, "a")
        return time.perf_counter() - began

    with ThreadPoolExecutor(CLIENTS) as threads:
        return list(threads.map(timed, jobs))


async def flood(peer: Peer, options: Options, jobs: int) -> None:
    """Enqueue user A's jobs."""
    await _at_once(peer, range(jobs))


async def follow(peer: Peer, options: Options, first: int, jobs: int) -> dict[str, float]:
    """Once the first job runs, enqueue user B's; answers when each was, in seconds since the epoch."""
    await _logged(options, 1)
    sent: dict[str, float] = {}
    for job in range(first, first + jobs):
        sent[str(job)] = time.time()
        await peer.enqueue(job, "b")
    return sent


async def last(peer: Peer, options: Options, jobs: int) -> float:
    """Wait until all jobs ran and a client sees the last ones done; answers that moment, in seconds since the epoch."""
    await _logged(options, jobs)
    for run in read_runs(options.log)[-LAST:]:
        await _done(peer, run.job)
    return time.time()


async def confirm(peer: Peer, options: Options, jobs: int) -> None:
    """Wait until a client sees every job done."""
    await _logged(options, jobs)
    for job in range(jobs):
        await _done(peer, job)


async def _logged(options: Options, jobs: int) -> None:
    while count_runs(options.log) < jobs:
        await asyncio.sleep(0.02)


async def _done(peer: Peer, job: int) -> None:
    while not await peer.is_done(job):
        await asyncio.sleep(0.002)


COMMANDS: dict[str, Callable[..., Awaitable[object]]] = {
    "latency": latency,
    "flood": flood,
    "follow": follow,
    "last": last,
    "confirm": confirm,
}
