"""Keeps one child up: starts it, waits until it is ready, watches it, and starts it again when it dies or freezes.

Only a child that was never ready can be given up: then something is wrong with this start. One that has worked will
work again, once the disk has space or the machine has memory: it is started again and again, at growing intervals.
"""

import asyncio
import contextlib
import os
import signal
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from structlog.typing import FilteringBoundLogger

from backends.embedded.tether import tethered
from standalone.errors import GaveUp
from standalone.probes import Probe

BAD_SETTINGS = 2  # the exit code of a process that cannot start with these settings: trying again is no use


#: A child that uses this share of a core while it is silent gets six times the time before it is replaced.
BUSY_SHARE, BUSY_WEIGHT = 0.2, 1 / 6


@dataclass(frozen=True)
class ChildSpec:
    """One program to keep up. `silence_s`: how long it may leave the probe unanswered, once ready and not busy.

    `sweep` removes what the one before may have left; it is called before each start.

    `niceness`: accepting goes before rendering and history, or their bursts would delay it (p99 at 500/s on two
    busy cores: about 100 -> 35 ms).
    """

    name: str
    command: list[str]
    probe: Probe
    environment: Mapping[str, str] = field(default_factory=dict)
    silence_s: float = 5.0
    niceness: int = 0
    start_s: float = 60.0
    sweep: Callable[[], None] = lambda: None


@dataclass(frozen=True)
class Patience:
    """How often to look and how long to wait, in seconds. A child up for `settled_s` starts from zero.

    `failures`: so many in a row end a first start; later they are an error in the log. `ready_backoff_s`: the longest
    wait for a child that was ready before it failed: something has killed it, and it is missed.
    """

    tick_s: float = 1.0
    start_tick_s: float = 0.05
    first_backoff_s: float = 0.25
    ready_backoff_s: float = 1.0
    longest_backoff_s: float = 4.0
    settled_s: float = 60.0
    failures: int = 5


class Keeper:
    """Runs `keep` as one task. `on_ready` is called each time the child is ready, `ready` tells that it is now."""

    def __init__(
        self,
        spec: ChildSpec,
        log_file: Path,
        log: FilteringBoundLogger,
        on_ready: Callable[[], None],
        patience: Patience,
    ) -> None:
        self.spec = spec
        self.ready = asyncio.Event()
        self._log_file = log_file
        self._log = log.bind(child=spec.name)
        self._on_ready = on_ready
        self._patience = patience
        self._process: asyncio.subprocess.Process | None = None
        self._ever_ready = False

    @property
    def pid(self) -> int | None:
        return self._process.pid if self._process else None

    async def keep(self) -> None:
        """Keep the child up until cancelled. Raises GaveUp after too many failures in a row, if it was never ready."""
        loop, failures = asyncio.get_running_loop(), 0
        while True:
            started_at = loop.time()
            reason, code, was_ready = await self._one_life()
            settled = was_ready and loop.time() - started_at > self._patience.settled_s
            failures = 1 if settled else failures + 1
            hopeless = code == BAD_SETTINGS or failures >= self._patience.failures
            if hopeless and not self._ever_ready:
                raise GaveUp(self._last_words(reason, failures))
            backoff_s = self._backoff_s(failures, was_ready)
            tell = self._log.error if failures >= self._patience.failures else self._log.warning
            tell("child.failed", reason=reason, failures=failures, restart_in_s=backoff_s)
            await asyncio.sleep(backoff_s)

    def terminate(self) -> None:
        """Ask the child to stop. A stopped (frozen) child is woken, so that it can."""
        self._signal(signal.SIGTERM)
        self._signal(signal.SIGCONT)

    def kill(self) -> bool:
        """Kill the child and its process group. Tells whether there was one to kill."""
        return self._signal(signal.SIGKILL)

    async def gone(self) -> None:
        """Wait until the child has ended."""
        if self._process:
            await self._process.wait()

    async def _one_life(self) -> tuple[str, int | None, bool]:
        """Start the child and watch it until it must be replaced; returns why, its exit code, and if it was ready."""
        try:
            process = await self._start()
        except OSError as error:  # no memory for another process, no room for its log
            return f"could not be started: {error.strerror}", None, False
        reason, was_ready = await self._watch(process), self.ready.is_set()
        self.ready.clear()
        # Also when it has ended by itself: a child of its own, such as Redis's that rewrites the file, may live on.
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        return reason, await process.wait(), was_ready

    async def _start(self) -> asyncio.subprocess.Process:
        """Start it in a session of its own (Ctrl-C reaches the supervisor only), with its output in its log file."""
        self.spec.sweep()
        with open(self._log_file, "ab") as output:
            self._process = await asyncio.create_subprocess_exec(
                *tethered(self.spec.command, niceness=self.spec.niceness),
                stdin=asyncio.subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                env=dict(self.spec.environment),
                start_new_session=True,
            )
        self._log.info("child.started", pid=self._process.pid)
        return self._process

    async def _watch(self, process: asyncio.subprocess.Process) -> str:
        """Return why the child must be replaced."""
        exited = asyncio.create_task(process.wait())
        try:
            return await self._until_ready(exited, process.pid) or await self._until_silent(exited, process.pid)
        finally:
            exited.cancel()

    async def _until_ready(self, exited: asyncio.Task[int], pid: int) -> str:
        """Return "" once the child is ready, else why it will not be."""
        loop = asyncio.get_running_loop()
        started_at = runs_at = loop.time()
        while not await _finished(exited, self._start_tick_s(loop.time() - started_at)):
            if await self.spec.probe.is_ready(pid):
                self._log.info("child.ready", pid=pid, after_s=round(loop.time() - started_at, 2))
                self._ever_ready = True
                self.ready.set()
                self._on_ready()
                return ""
            if loop.time() - started_at > self.spec.start_s and not await self._waits():
                return f"was not ready after {self.spec.start_s:g} s"
            runs_at = runs_at if is_stopped(pid) else loop.time()
            if loop.time() - runs_at > self.spec.silence_s:
                return f"was stopped for {self.spec.silence_s:g} s while it started"
        return _ending(exited.result())

    def _start_tick_s(self, elapsed_s: float) -> float:
        """Return how long to wait before the next look: a start that takes long is looked at less often."""
        return min(self._patience.tick_s, max(self._patience.start_tick_s, elapsed_s / 20))

    async def _waits(self) -> bool:
        """Tell whether a child that has worked before answers: it waits for another one, and so would its successor."""
        return self._ever_ready and await self.spec.probe.is_alive()

    async def _until_silent(self, exited: asyncio.Task[int], pid: int) -> str:
        loop = asyncio.get_running_loop()
        silent_s, looked_at, used_s = 0.0, loop.time(), cpu_seconds(pid)
        while not await _finished(exited, self._patience.tick_s):
            answered = await self.spec.probe.is_alive()
            elapsed_s, looked_at = loop.time() - looked_at, loop.time()
            spent_s, used_s = cpu_seconds(pid) - used_s, cpu_seconds(pid)
            # Who works is slow, not frozen: under a flood a replacement would fare no better.
            weight = BUSY_WEIGHT if spent_s > BUSY_SHARE * elapsed_s else 1.0
            # The cap: when the supervisor itself was stopped or starved, that time is not the child's silence.
            silent_s = 0.0 if answered else silent_s + weight * min(elapsed_s, 3 * self._patience.tick_s)
            if silent_s > self.spec.silence_s:
                return f"did not answer for {self.spec.silence_s:g} s"
        return _ending(exited.result())

    def _backoff_s(self, failures: int, was_ready: bool) -> float:
        longest_s = self._patience.ready_backoff_s if was_ready else self._patience.longest_backoff_s
        return min(self._patience.first_backoff_s * (1 << min(failures - 1, 10)), longest_s)

    def _signal(self, number: signal.Signals) -> bool:
        if self._process is None or self._process.returncode is not None:
            return False
        try:
            os.killpg(self._process.pid, number)
        except ProcessLookupError:
            return False
        return True

    def _last_words(self, reason: str, failures: int) -> str:
        times = "" if failures == 1 else f", {failures} times in a row"
        lines: list[str] = []
        with contextlib.suppress(OSError):
            lines = self._log_file.read_text(encoding="utf-8", errors="replace").splitlines()[-12:]
        tail = "\n".join(f"    {line}" for line in lines)
        return f"{self.spec.name} {reason}{times}. The end of {self._log_file}:\n{tail}"


def cpu_seconds(pid: int) -> float:
    """Return the processor time that a process has used; 0 where /proc does not tell."""
    fields = _stat(pid)
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK") if fields else 0.0


def is_stopped(pid: int) -> bool:
    """Tell whether somebody has stopped (SIGSTOP) a process; no where /proc does not tell."""
    return _stat(pid)[:1] == ["T"]


def _stat(pid: int) -> list[str]:
    """Read the fields of /proc/pid/stat (proc(5)) after the name."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return []


async def _finished(exited: asyncio.Task[int], limit_s: float) -> bool:
    done, _ = await asyncio.wait({exited}, timeout=limit_s)
    return bool(done)


def _ending(code: int) -> str:
    if code >= 0:
        return f"exited with code {code}"
    return f"was killed by {signal.Signals(-code).name}"
