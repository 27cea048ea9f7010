"""pydocket: streams with acknowledgement. Its check interval goes from 250 ms to 5 ms, on uvloop; connections suffice.

Against a flood: a concurrency limit of half the worker per user.
"""

import asyncio
import signal
from collections.abc import Awaitable, Callable
from datetime import timedelta

import uvloop
from docket import ConcurrencyLimit, Docket, ExecutionState, Worker

from benchmarks.queues.client import main, payload
from benchmarks.queues.options import Options
from benchmarks.queues.runs import RunLog

CHECK = timedelta(milliseconds=5)
#: redis-py's pool gives out 100 by default and then raises, which costs pydocket the message until its redelivery.
CONNECTIONS = "?max_connections=1000"


class Pydocket:
    def __init__(self, options: Options) -> None:
        self._options = options
        self._docket = Docket(name="benchmark", url=options.url + CONNECTIONS, execution_ttl=timedelta(hours=1))
        self._run = limited(options) if options.per_user else unlimited(options)
        self._docket.register(self._run)

    async def open(self) -> None:
        await self._docket.__aenter__()

    async def enqueue(self, job: int, user: str) -> None:
        await self._docket.add(self._run, key=str(job))(payload(job, user), user)

    async def is_done(self, job: int) -> bool:
        execution = await self._docket.get_execution(str(job))
        return execution is not None and execution.state == ExecutionState.COMPLETED

    async def close(self) -> None:
        await self._docket.__aexit__(None, None, None)

    def work(self) -> None:
        uvloop.run(self._work())

    async def _work(self) -> None:
        concurrency = self._options.concurrency
        timings = {"minimum_check_interval": CHECK, "scheduling_resolution": CHECK}
        async with self._docket, Worker(self._docket, concurrency=concurrency, **timings) as worker:
            task = asyncio.create_task(worker.run_forever())
            asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, task.cancel)
            await asyncio.wait([task])


def unlimited(options: Options) -> Callable[..., Awaitable[str]]:
    runs = RunLog(options.log)

    async def run(data: dict[str, int], user: str) -> str:
        runs.began(data["job"])
        if options.job_s:
            await asyncio.sleep(options.job_s)
        return "done"

    return run


def limited(options: Options) -> Callable[..., Awaitable[str]]:
    inner, limit = unlimited(options), ConcurrencyLimit("user", options.concurrency // 2)

    async def run(data: dict[str, int], user: str, limit: ConcurrencyLimit = limit) -> str:
        return await inner(data, user)

    return run


if __name__ == "__main__":
    main(Pydocket)
