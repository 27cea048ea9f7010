"""One contestant on one fresh server: what is measured, and the proof that every job ran exactly once."""

import json
import signal
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from statistics import median

import psutil

from benchmarks.environments import python_of
from benchmarks.queues.contestants import Contestant
from benchmarks.queues.options import Options
from benchmarks.queues.runs import check_each_once, read_runs
from tests.integration.history_servers import redis_server

ROOT = Path(__file__).parents[2]
FLOOD, LATE, JOB_S, AT_ONCE = 2000, 20, 0.05, 10
PATIENCE_S = 180
Figures = dict[str, float]


@dataclass(frozen=True)
class Trial:
    """A contestant with its server; `folder` holds the log of runs and the worker's output."""

    contestant: Contestant
    options: Options
    folder: Path
    server_pid: int

    def server_cpu_s(self) -> float:
        """Return the CPU seconds that the Redis server has used."""
        times = psutil.Process(self.server_pid).cpu_times()
        return float(times.user + times.system)

    def client(self, command: str, *numbers: int) -> object:
        """Run a client to its end and return its answer. Raises RuntimeError with its last lines when it fails."""
        done = subprocess.run(
            self._command(command, *numbers), env=self._environment(), capture_output=True, timeout=PATIENCE_S
        )
        if done.returncode:
            raise RuntimeError(f"{self.contestant.name} {command}: {done.stderr.decode()[-2000:]}{self._worker_said()}")
        return json.loads(done.stdout.splitlines()[-1])

    @contextmanager
    def worker(self) -> Iterator[None]:
        """Let one worker process work."""
        with (self.folder / "worker.txt").open("wb") as output:
            process = subprocess.Popen(
                self._command("work"), env=self._environment(), stdout=output, stderr=subprocess.STDOUT
            )
        try:
            yield
        finally:
            _end(process)

    def _command(self, command: str, *numbers: int) -> list[str]:
        python, module = python_of(self.contestant.package), f"benchmarks.queues.peers.{self.contestant.module}"
        return [str(python), "-m", module, command, *map(str, numbers)]

    def _environment(self) -> dict[str, str]:
        path = f"{ROOT}:{ROOT / 'kernel'}:{ROOT / 'generator_service'}"
        return {"PATH": "/usr/bin:/bin", "PYTHONPATH": path, **self.options.environment()}

    def _worker_said(self) -> str:
        output = self.folder / "worker.txt"
        return f"\nworker: {output.read_text()[-2000:]}" if output.exists() else ""


def _end(process: subprocess.Popen[bytes]) -> None:
    process.send_signal(signal.SIGTERM)
    try:
        process.wait(10)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


@contextmanager
def fresh(contestant: Contestant, concurrency: int, *, job_s: float = 0, per_user: bool = False) -> Iterator[Trial]:
    """Start a server of its own for one trial."""
    with tempfile.TemporaryDirectory(prefix="presswork-queues-") as name:
        folder = Path(name)
        with redis_server(folder / "redis", max_memory="4gb") as server:
            options = Options(server.url, str(folder / "runs.txt"), concurrency, job_s, per_user)
            assert server.process is not None
            yield Trial(contestant, options, folder, server.process.pid)


def speed(contestant: Contestant, sequential: int, concurrent: int) -> Figures:
    """Enqueue no-op jobs without a worker, then let one work them off: latencies in ms, rates per second, and
    the CPU time of worker and Redis per job in µs, which other load on the machine hardly changes.

    The rate leaves out the first tenth, in which connections are made, and ends when a client sees the last job done.
    """
    jobs = sequential + concurrent
    with fresh(contestant, contestant.concurrency) as trial:
        sent = trial.client("latency", sequential, concurrent)
        assert isinstance(sent, dict)
        spent = trial.server_cpu_s()
        with trial.worker():
            ended = trial.client("last", jobs)
            spent = trial.server_cpu_s() - spent
            trial.client("confirm", jobs)
        assert isinstance(ended, float)
        runs = read_runs(trial.options.log)
    check_each_once(runs, jobs)
    warm = runs[jobs // 10 :]
    return {
        **quantiles("sequential", sent["sequential"]),
        **quantiles("concurrent", sent["concurrent"]),
        "enqueued_per_s": concurrent / sent["concurrent_s"],
        "jobs_per_s": len(warm) / (ended - warm[0].began),
        "redis_cpu_us_per_job": 1e6 * spent / jobs,
        "cpu_us_per_job": 1e6 * (warm[-1].cpu_s - warm[0].cpu_s) / (len(warm) - 1),
    }


def fairness(contestant: Contestant, *, per_user: bool) -> Figures:
    """Let user A flood and then B send a few, ten jobs of 50 ms at once: B's waits and the time of all, in seconds."""
    with fresh(contestant, AT_ONCE, job_s=JOB_S, per_user=per_user) as trial:
        trial.client("flood", FLOOD)
        with trial.worker():
            sent = trial.client("follow", FLOOD, LATE)
            trial.client("confirm", FLOOD + LATE)
        runs = read_runs(trial.options.log)
    check_each_once(runs, FLOOD + LATE)
    assert isinstance(sent, dict)
    waits = sorted(run.began - sent[str(run.job)] for run in runs if run.job >= FLOOD)
    return {"wait_p50_s": median(waits), "wait_max_s": waits[-1], "total_s": runs[-1].began + JOB_S - runs[0].began}


def quantiles(name: str, seconds: list[float]) -> Figures:
    """Return p50 and p99 in milliseconds."""
    ordered = sorted(seconds)
    return {
        f"{name}_p50_ms": 1000 * ordered[len(ordered) // 2],
        f"{name}_p99_ms": 1000 * ordered[int(len(ordered) * 0.99)],
    }
