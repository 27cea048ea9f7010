"""celery: its Redis transport and result backend, without gossip, mingle, heartbeat, events and remote control.

Against a flood: a queue per user, named when the worker starts, taken in turn.
"""

import time

from celery import Celery

from benchmarks.queues.client import Threaded, main, payload
from benchmarks.queues.options import Options
from benchmarks.queues.runs import RunLog

QUIET = ("--without-gossip", "--without-mingle", "--without-heartbeat", "--loglevel=ERROR")


class CeleryPeer:
    def __init__(self, options: Options) -> None:
        self._options = options
        self._app = Celery("benchmark", broker=options.url, backend=options.url)
        self._app.conf.update(
            broker_connection_retry_on_startup=True,
            broker_transport_options={"queue_order_strategy": "round_robin"},
            result_expires=3600,
            task_default_queue="a",
            worker_disable_rate_limits=True,
            worker_enable_remote_control=False,
            worker_hijack_root_logger=False,
            worker_prefetch_multiplier=1 if options.job_s else 64,
            worker_send_task_events=False,
        )
        runs, seconds = RunLog(options.log), options.job_s

        @self._app.task(name="run")
        def run(data: dict[str, int]) -> str:
            runs.began(data["job"])
            if seconds:
                time.sleep(seconds)
            return "done"

        self._run = run

    def enqueue_blocking(self, job: int, user: str) -> None:
        queue = user if self._options.per_user else "a"
        self._run.apply_async((payload(job, user),), task_id=str(job), queue=queue)

    def is_done_blocking(self, job: int) -> bool:
        return bool(self._app.AsyncResult(str(job)).ready())

    def work(self) -> None:
        pool = ("--pool=threads", f"--concurrency={self._options.concurrency}")
        self._app.worker_main(["worker", "--queues=a,b", *pool, *QUIET])


if __name__ == "__main__":
    main(lambda options: Threaded(CeleryPeer(options)))
