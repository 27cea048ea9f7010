"""The pool's end of one render process: start it, send it jobs, kill it, read its death."""

import asyncio
import contextlib
import json
import math
import os
import resource
import shutil
import signal
import sys
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import structlog

from contracts.errors import DocumentFailed
from contracts.templates import TemplateBundle
from contracts.workbench import Verdict
from generator.renderers.port import Rendered, RenderRequest
from generator.sandbox.answers import LastAnswer, described, render_order, rendered
from generator.sandbox.limits import SandboxLimits
from generator.sandbox.proc import cpu_seconds, rss_bytes
from generator.sandbox.verdicts import spoke_nonsense, timed_out, verdict
from generator.sandbox_child.frames import LENGTHS, MAX_HEADER, BrokenFrame, Header, decode_header, encode

log = structlog.get_logger(__name__)

_STDERR_KEPT = 8192
_PIPE_BUFFER = 1024 * 1024
#: How long what the kernel says of a process is taken for true: asking takes as long as half a small document.
_ASKED_ANEW_S = 0.1
#: A process whose last documents took no longer gets its next order while it still renders, and need not wait for it.
_SHORT_S, _SHORT_ONES = 0.01, 3
#: How long an order waits for the one before, until it goes to another process.
_PATIENCE_S = 0.05
#: Nothing of our own environment: no keys, no proxies. One Rayon thread, or processes fight over the cores. glibc keeps
#: 16 MiB for the next document instead of giving each one's memory back, which took a quarter of an invoice's time.
_ENVIRONMENT = {
    "RAYON_NUM_THREADS": "1",
    "MALLOC_ARENA_MAX": "1",
    "MALLOC_TRIM_THRESHOLD_": str(16 * 1024 * 1024),
    "MALLOC_MMAP_THRESHOLD_": str(4 * 1024 * 1024),
    "LANG": "C.UTF-8",
}


Bundles = tuple[TemplateBundle, ...]


class StartFailed(RuntimeError):
    """The render process did not become ready: the message is what it printed."""


class _Died(Exception):
    """The pipe ended or carried nonsense: the process is of no more use."""


class Untouched(Exception):
    """The process had not begun with an order when it ended or was found slow: another may do it."""


def _nothing_ahead() -> asyncio.Event:
    over = asyncio.Event()
    over.set()
    return over


@dataclass(eq=False)
class Child:
    """One render process. It does one order after the other; `usable` turns False once and for all.

    `orders`: how many it was given and has not done. `leftover`: reads the answer of the order that was just left.
    """

    process: asyncio.subprocess.Process
    scratch: Path
    limits: SandboxLimits
    confined: bool = False
    usable: bool = True
    orders: int = 0
    renders: int = 0
    leftover: "asyncio.Task[None] | None" = None
    _stderr: str = ""
    _nonsense: str = ""
    _listening: "asyncio.Task[None] | None" = None
    _bundles: "OrderedDict[str, int]" = field(default_factory=OrderedDict)
    _cpu_limited: tuple[float, float] = (0.0, 0.0)
    _weigh_at: float = 0.0
    _hot: bool = False
    _last: asyncio.Event = field(default_factory=_nothing_ahead)
    _began: float = 0.0
    _short: int = 0

    @classmethod
    async def start(cls, limits: SandboxLimits, fonts: Path, scratch: Path) -> "Child":
        """Start a process; it is of use once `ready` returned. Raises OSError."""
        empty = scratch / "cwd"
        empty.mkdir(parents=True)
        settings = {
            "parent": os.getpid(),
            "scratch": str(scratch),
            "fonts": str(fonts),
            "packages": str(limits.packages) if limits.packages else None,
            "memory_bytes": limits.memory_bytes,
            "output_bytes": limits.output_bytes,
            "file_bytes": limits.file_bytes,
            "confine": limits.mode == "strict",
        }
        command = (sys.executable, "-I", "-B", "-m", "generator.sandbox_child", json.dumps(settings))
        pipe = asyncio.subprocess.PIPE
        process = await asyncio.create_subprocess_exec(
            *command,
            stdin=pipe,
            stdout=pipe,
            stderr=pipe,
            cwd=empty,
            env=_ENVIRONMENT,
            start_new_session=True,
            limit=_PIPE_BUFFER,
        )
        child = cls(process, scratch, limits)
        child._listening = asyncio.create_task(child._listen(), name=f"stderr of render process {process.pid}")
        return child

    async def ready(self) -> None:
        """Wait until the process is warm and confined. Raises StartFailed; the process must still be ended then."""
        try:
            async with asyncio.timeout(self.limits.start_s):
                header, _ = await self._read()
        except (TimeoutError, _Died):
            header = {}
        if header.get("kind") != "ready":
            self._kill()
            await self._wait()
            raise StartFailed(self._stderr.strip()[-500:] or "The render process did not start.")
        self.confined = header.get("confined") is True

    async def _listen(self) -> None:
        """Keep the end of stderr: it says why a process aborted, and a full pipe would stop it."""
        assert self.process.stderr is not None
        while chunk := await self.process.stderr.read(4096):
            self._stderr = (self._stderr + chunk.decode("utf-8", "replace"))[-_STDERR_KEPT:]

    @property
    def pid(self) -> int:
        return self.process.pid

    @property
    def rss_bytes(self) -> int:
        """Resident memory now; 0 where there is no /proc."""
        return rss_bytes(self.pid)

    async def render(self, request: RenderRequest, timeout_s: float) -> Rendered:
        """Render one document. Raises DocumentFailed; afterwards the process may be no longer `usable`."""
        bundles = (request.bundle, request.fonts) if request.fonts else (request.bundle,)
        order, body = render_order(request)
        return self._meant(rendered, await self._done(order, body, bundles, timeout_s))

    async def describe(self, bundle: TemplateBundle, timeout_s: float) -> Verdict:
        """Compile a template and say what data it asks for. Raises as `render` does."""
        return self._meant(described, await self._done({"kind": "describe"}, b"", (bundle,), timeout_s))

    def _meant[T](self, meaning: Callable[[Header, bytes, int], T], answer: tuple[Header, bytes]) -> T:
        """Return what an answer means. Raises DocumentFailed; the process may be no longer `usable` then."""
        try:
            return meaning(*answer, self.pid)
        except LastAnswer:
            self.usable = False
            raise

    async def _done(self, order: Header, body: bytes, bundles: Bundles, timeout_s: float) -> tuple[Header, bytes]:
        """Have something done with a bundle, and one of fonts, within a time. Raises DocumentFailed, Untouched.

        The time begins when the order before is done.
        """
        for bundle in bundles:
            self._send_bundle(bundle)
        self._send({**order, "bundles": [bundle.sha256 for bundle in bundles]}, body)
        ahead, over = self._last, asyncio.Event()
        self._last = over
        if not ahead.is_set():
            await self._turn(ahead, over, timeout_s)
        try:
            return await self._answer(timeout_s)
        finally:
            over.set()

    async def _turn(self, ahead: asyncio.Event, over: asyncio.Event, timeout_s: float) -> None:
        """Wait until the order before is done. Raises Untouched if that takes long or ends the process."""
        here = False
        try:
            async with asyncio.timeout(_PATIENCE_S):
                await ahead.wait()
            here = True
        except TimeoutError:
            raise Untouched from None
        finally:
            if not here:
                self.leftover = asyncio.create_task(self._leave(ahead, over, timeout_s))
        if not self.usable:
            over.set()
            raise Untouched

    async def _leave(self, ahead: asyncio.Event, over: asyncio.Event, timeout_s: float) -> None:
        """Read the answer to an order that nobody waits for any more."""
        try:
            await ahead.wait()
            if self.usable:
                with contextlib.suppress(DocumentFailed):
                    await self._answer(timeout_s)
        finally:
            over.set()

    async def _answer(self, timeout_s: float) -> tuple[Header, bytes]:
        """Read the answer to the order at hand. Raises DocumentFailed if the process ended instead, or had to."""
        done, self._began = False, time.monotonic()
        try:
            async with asyncio.timeout(timeout_s):
                self._limit_cpu(timeout_s)
                await self._drain()
                answer = await self._read()
            done = True
        except TimeoutError:
            raise timed_out(timeout_s) from None
        except _Died:
            raise await self._verdict() from None
        finally:
            self.usable = self.usable and done
            if not self.usable:
                self._kill()
        self.renders += 1
        self._short = self._short + 1 if time.monotonic() - self._began < _SHORT_S else 0
        return answer

    def _limit_cpu(self, timeout_s: float) -> None:
        """Let the kernel stop it even if this process cannot: the CPU time used so far, and the job's."""
        now, (limited_s, until) = time.monotonic(), self._cpu_limited
        if limited_s == timeout_s and now < until:
            return
        self._cpu_limited = (timeout_s, now + _ASKED_ANEW_S)
        used = cpu_seconds(self.pid)
        if used is not None:
            soft = math.ceil(used + timeout_s) + 1
            with contextlib.suppress(ProcessLookupError, PermissionError):
                resource.prlimit(self.pid, resource.RLIMIT_CPU, (soft, resource.RLIM_INFINITY))

    def _send_bundle(self, bundle: TemplateBundle) -> None:
        """Send a bundle that the process does not have, and name those it shall forget for it."""
        sha256 = bundle.sha256
        if sha256 in self._bundles:
            self._bundles.move_to_end(sha256)
            return
        packed = bundle.pack()
        forget = []
        while self._bundles and sum(self._bundles.values()) + len(packed) > self.limits.bundle_bytes:
            forget.append(self._bundles.popitem(last=False)[0])
        self._bundles[sha256] = len(packed)
        self._send({"kind": "bundle", "sha256": sha256, "forget": forget}, packed)

    def _send(self, header: Header, body: bytes = b"") -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(encode(header, body))

    async def _drain(self) -> None:
        assert self.process.stdin is not None
        try:
            await self.process.stdin.drain()
        except ConnectionError:
            raise _Died from None

    async def _read(self) -> tuple[Header, bytes]:
        assert self.process.stdout is not None
        read = self.process.stdout.readexactly
        try:
            header_length, body_length = LENGTHS.unpack(await read(LENGTHS.size))
            if header_length > MAX_HEADER or body_length > self.limits.output_bytes:
                raise BrokenFrame("a frame beyond the limits")
            return decode_header(await read(header_length)), await read(body_length)
        except (asyncio.IncompleteReadError, ConnectionError):
            raise _Died from None
        except BrokenFrame as broken:
            self._nonsense = str(broken)
            self._kill()
            raise _Died from None

    async def _verdict(self) -> DocumentFailed:
        await self._wait()
        failure = spoke_nonsense() if self._nonsense else verdict(self.process.returncode or 0, self._stderr)
        log.warning(
            "render_child.died", pid=self.pid, code=failure.code, nonsense=self._nonsense, stderr=self._stderr[-500:]
        )
        return failure

    async def cool(self) -> None:
        """Make the process drop its caches; it is not usable if that did not help."""
        try:
            async with asyncio.timeout(self.limits.start_s):
                self._send({"kind": "cool"})
                await self._drain()
                await self._read()
        except (TimeoutError, _Died):
            self.usable = False
        self._hot = False
        self.usable = self.usable and self.rss_bytes < self.limits.cool_rss_bytes

    @property
    def used_up(self) -> bool:
        return not self.usable or self.renders >= self.limits.renders

    @property
    def hot(self) -> bool:
        """Whether it holds more memory than it should between documents; now and then, not after each small one."""
        now = time.monotonic()
        if not self._hot and now >= self._weigh_at:
            self._weigh_at = now + _ASKED_ANEW_S
            self._hot = self.rss_bytes > self.limits.cool_rss_bytes
        return self._hot

    @property
    def takes_one_more(self) -> bool:
        """Whether an order may lie ready for it: it does one that, like those before, should be done at once."""
        return (
            self.usable
            and self.orders == 1
            and self._short >= _SHORT_ONES
            and not self._hot
            and self.renders + self.orders < self.limits.renders
            and time.monotonic() - self._began < _SHORT_S
        )

    def _kill(self) -> None:
        self.usable = False
        if self.process.returncode is None:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(self.pid, signal.SIGKILL)

    async def _wait(self) -> None:
        await self.process.wait()
        if self._listening is not None:
            await self._listening

    async def end(self) -> None:
        """Kill the process if it lives, wait for it, and remove its scratch folder."""
        self._kill()
        await self._wait()
        await asyncio.to_thread(shutil.rmtree, self.scratch, ignore_errors=True)
