"""One contestant's turn: a fresh process on one core, a few seconds of rendering, samples read back."""

import contextlib
import json
import os
import shutil
import signal
import subprocess
import tempfile
import threading
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import median

import psutil

from benchmarks.engines.contestants import Contestant
from benchmarks.engines.inputs import Inputs
from benchmarks.engines.peers.harness import Task
from benchmarks.engines.validation import check_samples
from benchmarks.environments import node_modules, python_of

ROOT = Path(__file__).parents[2]
PEERS = Path(__file__).parent / "peers"
BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
#: Documents before the clock starts: enough for caches and for what compiles at run time.
WARM, WARM_S = {"invoice": 20, "report": 5}, 2.0
#: What our render processes have, too.
_ENVIRONMENT = {"RAYON_NUM_THREADS": "1", "MALLOC_ARENA_MAX": "1"}
#: A turn that takes longer hangs, and is killed.
PATIENCE_S = 180
MIB = 2**20
Figures = dict[str, float]


@contextlib.contextmanager
def on_core(core: int) -> Iterator[None]:
    """Let what is started within run on this core alone."""
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {core})
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


def measured_core() -> int:
    """Return the core that contestants run on: the last one; the first serves most interrupts."""
    return max(os.sched_getaffinity(0))


def command_of(contestant: Contestant) -> tuple[list[str], dict[str, str]]:
    """Return how it is started, installing it if need be. Raises OSError, CalledProcessError if it cannot be."""
    if contestant.runtime == "python":
        paths = [ROOT] if contestant.package else [ROOT, ROOT / "kernel", ROOT / "generator_service"]
        command = [str(python_of(contestant.package)), "-m", f"benchmarks.engines.peers.{contestant.module}"]
        return command, {"PYTHONPATH": ":".join(map(str, paths)), **({} if contestant.package else _ENVIRONMENT)}
    environment = {"NODE_PATH": str(node_modules())}
    if contestant.browser:
        environment["CHROMIUM"] = browser()
    return [_found("node"), str(PEERS / f"{contestant.module}.cjs")], environment


def browser() -> str:
    """Return the path of Chromium. Raises FileNotFoundError."""
    found = next((path for name in BROWSERS if (path := shutil.which(name))), None)
    if found is None:
        raise FileNotFoundError(f"none of {', '.join(BROWSERS)} is installed")
    return found


def _found(program: str) -> str:
    path = shutil.which(program)
    if path is None:
        raise FileNotFoundError(f"{program} is not installed")
    return path


@dataclass(frozen=True)
class _Moment:
    """What a contestant and its processes held and had used, and what it said."""

    rss: int
    cpu_s: float
    said: dict[str, list[float]]


def turn(contestant: Contestant, kind: str, inputs: Inputs, seconds: float) -> Figures:
    """Measure one contestant once. Raises AssertionError if what it made is not what was asked for."""
    with tempfile.TemporaryDirectory(prefix="presswork-engines-") as name:
        folder = Path(name)
        out = folder / "out"
        out.mkdir()
        template, records = str(contestant.template_of(kind)), str(inputs.of(contestant, kind))
        task = Task(kind, contestant.format, template, records, seconds, WARM[kind], WARM_S, str(out))
        (folder / "task.json").write_text(json.dumps(asdict(task)))
        began = time.perf_counter()
        with _running(contestant, folder) as process:
            first = _moment(process, "first", contestant)
            cold_s = time.perf_counter() - began
            begin = _moment(process, "begin", contestant)
            end = _moment(process, "end", contestant)
        samples = check_samples(kind, out)
        bytes_each = median(path.stat().st_size for path in out.iterdir())
    times = sorted(end.said["times"])
    return {
        "per_s": len(times) / sum(times),
        "p50_ms": 1000 * times[len(times) // 2],
        "p99_ms": 1000 * times[int(len(times) * 0.99)],
        "cpu_ms": 1000 * (end.cpu_s - begin.cpu_s) / len(times),
        "cold_ms": 1000 * cold_s,
        "rss_first_mb": first.rss / MIB,
        "rss_end_mb": end.rss / MIB,
        "bytes": bytes_each,
        "documents": len(times),
        "samples": samples,
    }


@contextlib.contextmanager
def _running(contestant: Contestant, folder: Path) -> Iterator["subprocess.Popen[bytes]"]:
    command, variables = command_of(contestant)
    environment = {"PATH": os.environ["PATH"], "HOME": str(folder), "TMPDIR": str(folder), **variables}
    with on_core(measured_core()), (folder / "stderr.txt").open("wb") as errors:
        process = subprocess.Popen(
            [*command, str(folder / "task.json")],
            env=environment,
            cwd=folder,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=errors,
            start_new_session=True,
        )
    patience = threading.Timer(PATIENCE_S, lambda: os.killpg(process.pid, signal.SIGKILL))
    patience.start()
    try:
        yield process
    except BaseException:
        print((folder / "stderr.txt").read_text(errors="replace")[-2000:], flush=True)
        raise
    finally:
        patience.cancel()
        _end(process)


def _moment(process: "subprocess.Popen[bytes]", name: str, contestant: Contestant) -> _Moment:
    assert process.stdin is not None and process.stdout is not None
    said = next((line for line in iter(process.stdout.readline, b"") if line.startswith(b"{")), None)
    if said is None:
        raise RuntimeError(f"{contestant.name} ended before it said {name!r}")
    heard = json.loads(said)
    assert heard.pop("mark") == name
    moment = _Moment(*_used_by(psutil.Process(process.pid)), heard)
    process.stdin.write(b"\n")
    process.stdin.flush()
    return moment


def _used_by(parent: psutil.Process) -> tuple[int, float]:
    """Return the memory of a process and its descendants, shared pages counted once, and their seconds of work."""
    memory, seconds = 0, 0.0
    for process in [parent, *parent.children(recursive=True)]:
        with contextlib.suppress(psutil.NoSuchProcess):
            memory += int(process.memory_full_info().pss)
            seconds += cpu_s(process)
    return memory, seconds


def cpu_s(process: psutil.Process) -> float:
    """Return the seconds of work of a process, and of its children that have ended."""
    times = process.cpu_times()
    return float(times.user + times.system + times.children_user + times.children_system)


def _end(process: "subprocess.Popen[bytes]") -> None:
    """Let it end by itself, and its helpers with it."""
    assert process.stdin is not None and process.stdout is not None
    process.stdin.close()
    try:
        process.wait(10)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
    process.stdout.close()
