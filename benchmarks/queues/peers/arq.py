"""arq: polls a sorted set. The poll delay goes from 0.5 s to 5 ms, jobs at once from 10 to 100, on uvloop."""

import asyncio

import uvloop
from arq import create_pool
from arq.connections import ArqRedis, RedisSettings
from arq.jobs import Job, JobStatus
from arq.worker import Worker, func

from benchmarks.queues.client import main, payload
from benchmarks.queues.options import Options
from benchmarks.queues.runs import RunLog

POLL_S = 0.005


class Arq:
    def __init__(self, options: Options) -> None:
        self._options = options
        self._settings = RedisSettings.from_dsn(options.url)
        self._redis: ArqRedis

    async def open(self) -> None:
        self._redis = await create_pool(self._settings)

    async def enqueue(self, job: int, user: str) -> None:
        await self._redis.enqueue_job("run", payload(job, user), _job_id=str(job))

    async def is_done(self, job: int) -> bool:
        return await Job(str(job), self._redis).status() == JobStatus.complete

    async def close(self) -> None:
        await self._redis.aclose()

    def work(self) -> None:
        runs, seconds = RunLog(self._options.log), self._options.job_s

        async def run(context: object, data: dict[str, int]) -> str:
            runs.began(data["job"])
            if seconds:
                await asyncio.sleep(seconds)
            return "done"

        asyncio.set_event_loop(uvloop.new_event_loop())
        Worker(
            functions=[func(run, name="run")],
            redis_settings=self._settings,
            max_jobs=self._options.concurrency,
            poll_delay=POLL_S,
            log_results=False,
        ).run()


if __name__ == "__main__":
    main(Arq)
