"""taskiq-redis: the stream broker, which acknowledges, with the Redis result backend; parameters are not parsed.

Against a flood: a stream per user, named when the worker starts, read ten messages at a time.
"""

import asyncio

import uvloop
from taskiq.api import run_receiver_task
from taskiq_redis import RedisAsyncResultBackend, RedisStreamBroker

from benchmarks.queues.client import main, payload
from benchmarks.queues.options import Options
from benchmarks.queues.runs import RunLog


class Taskiq:
    def __init__(self, options: Options) -> None:
        self._options = options
        self._results: RedisAsyncResultBackend[str] = RedisAsyncResultBackend(options.url, result_ex_time=3600)
        per_user = {"xread_count": 10, "additional_streams": {"b": ">"}} if options.per_user else {}
        broker = RedisStreamBroker(options.url, consumer_id="0", **per_user)
        self._broker = broker.with_result_backend(self._results)
        runs, seconds = RunLog(options.log), options.job_s

        @self._broker.task(task_name="run")
        async def run(data: dict[str, int]) -> str:
            runs.began(data["job"])
            if seconds:
                await asyncio.sleep(seconds)
            return "done"

        self._run = run

    async def open(self) -> None:
        await self._broker.startup()

    async def enqueue(self, job: int, user: str) -> None:
        task = self._run.kicker().with_task_id(str(job))
        if self._options.per_user and user == "b":
            task = task.with_labels(queue_name="b")
        await task.kiq(payload(job, user))

    async def is_done(self, job: int) -> bool:
        return await self._results.is_result_ready(str(job))

    async def close(self) -> None:
        await self._broker.shutdown()

    def work(self) -> None:
        concurrency = self._options.concurrency
        self._broker.is_worker_process = True
        uvloop.run(
            run_receiver_task(self._broker, validate_params=False, max_async_tasks=concurrency, run_startup=True)
        )


if __name__ == "__main__":
    main(Taskiq)
