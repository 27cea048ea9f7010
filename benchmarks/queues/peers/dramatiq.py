"""dramatiq: threads, its Redis broker and result backend; no middleware but retries, age limit, results as by default.

Against a flood: a queue per user, named when the worker starts.
"""

import os
import signal
import time

import dramatiq
from dramatiq.brokers.redis import RedisBroker
from dramatiq.results import ResultMissing, Results
from dramatiq.results.backends import RedisBackend

from benchmarks.queues.client import Threaded, main, payload
from benchmarks.queues.options import Options
from benchmarks.queues.runs import RunLog

PREFETCH = 1000


class Dramatiq:
    def __init__(self, options: Options) -> None:
        self._options = options
        self._backend = RedisBackend(url=options.url)
        self._broker = RedisBroker(url=options.url)
        self._broker.add_middleware(Results(backend=self._backend, store_results=True, result_ttl=3_600_000))
        dramatiq.set_broker(self._broker)
        runs, seconds = RunLog(options.log), options.job_s

        def run(data: dict[str, int]) -> str:
            runs.began(data["job"])
            if seconds:
                time.sleep(seconds)
            return "done"

        queues = {"a": "a", "b": "b" if options.per_user else "a"}
        self._actors = {
            user: dramatiq.actor(run, actor_name=f"run_{user}", queue_name=queue) for user, queue in queues.items()
        }

    def enqueue_blocking(self, job: int, user: str) -> None:
        self._broker.enqueue(self._message(job, user))

    def is_done_blocking(self, job: int) -> bool:
        return any(self._has_result(job, user) for user in self._actors)

    def _has_result(self, job: int, user: str) -> bool:
        try:
            return bool(self._backend.get_result(self._message(job, user)) == "done")
        except ResultMissing:
            return False

    def _message(self, job: int, user: str) -> "dramatiq.Message[str]":
        return self._actors[user].message(payload(job, user)).copy(message_id=str(job))

    def work(self) -> None:
        os.environ.setdefault("dramatiq_queue_prefetch", str(PREFETCH))
        worker = dramatiq.Worker(self._broker, worker_threads=self._options.concurrency)
        worker.start()
        signal.sigwait({signal.SIGTERM})
        worker.stop()


if __name__ == "__main__":
    main(lambda options: Threaded(Dramatiq(options)))
