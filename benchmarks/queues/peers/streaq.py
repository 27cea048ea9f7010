"""streaq: streams with acknowledgement, on uvloop; a second batch is fetched while the first one runs."""

import asyncio
from contextlib import AsyncExitStack

from streaq import TaskStatus, Worker

from benchmarks.queues.client import main, payload
from benchmarks.queues.options import Options
from benchmarks.queues.runs import RunLog


class Streaq:
    def __init__(self, options: Options) -> None:
        self._worker: Worker[None] = Worker(
            options.url, concurrency=options.concurrency, anyio_kwargs={"use_uvloop": True}
        )
        self._opened = AsyncExitStack()
        runs, seconds = RunLog(options.log), options.job_s

        @self._worker.task(name="run", ttl=3600)
        async def run(data: dict[str, int]) -> str:
            runs.began(data["job"])
            if seconds:
                await asyncio.sleep(seconds)
            return "done"

        self._run = run

    async def open(self) -> None:
        await self._opened.enter_async_context(self._worker)

    async def enqueue(self, job: int, user: str) -> None:
        task = self._run.enqueue(payload(job, user))
        task.id = str(job)
        await task

    async def is_done(self, job: int) -> bool:
        return await self._worker.status_by_id(str(job)) == TaskStatus.DONE

    async def close(self) -> None:
        await self._opened.aclose()

    def work(self) -> None:
        self._worker.run_sync()


if __name__ == "__main__":
    main(Streaq)
