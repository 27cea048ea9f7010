"""The pool: keeps render processes warm, gives each document one, and replaces those that died or are used up."""

import asyncio
import itertools
from collections.abc import Awaitable, Callable, Coroutine
from dataclasses import dataclass
from pathlib import Path

import structlog

from contracts.errors import DocumentFailed
from contracts.templates import TemplateBundle
from contracts.workbench import Verdict
from generator.renderers.port import Rendered, RenderRequest, failed
from generator.renderers.registry import FONTS
from generator.sandbox.child import Child, StartFailed, Untouched
from generator.sandbox.limits import SandboxLimits
from generator.sandbox.scratch import Scratch

log = structlog.get_logger(__name__)

_RESPAWN_FIRST_S, _RESPAWN_MOST_S = 0.1, 10.0


class SandboxUnavailable(RuntimeError):
    """Render processes cannot be started, or not confined, on this machine."""


@dataclass(frozen=True)
class ChildStatus:
    """A render process as the status page shows it."""

    pid: int
    busy: bool
    renders: int
    rss_bytes: int


class RenderPool:
    """Renders documents in killable processes; at most `limits.workers` at once. Use from one event loop.

    A process whose documents take milliseconds has its next order ready while it renders.
    """

    def __init__(self, limits: SandboxLimits | None = None, *, fonts: Path = FONTS) -> None:
        self.limits = limits or SandboxLimits()
        self._fonts = fonts
        self._children: set[Child] = set()  # those that may be given documents
        self._living: set[Child] = set()  # those whose process and folder are still there
        self._changed = asyncio.Event()
        self._slots = asyncio.Semaphore(2 * self.limits.workers)
        self._chores: set[asyncio.Task[None]] = set()
        self._numbers = itertools.count(1)
        self._scratch: Scratch | None = None
        self._closing = False

    @property
    def size(self) -> int:
        """How many documents render at once."""
        return self.limits.workers

    @property
    def confined(self) -> bool:
        """Whether the render processes are behind seccomp."""
        return self.limits.mode == "strict"

    @property
    def children(self) -> tuple[ChildStatus, ...]:
        """The render processes, oldest first."""
        living = sorted(self._children, key=lambda child: child.scratch.name)
        return tuple(ChildStatus(child.pid, child.orders > 0, child.renders, child.rss_bytes) for child in living)

    async def start(self) -> None:
        """Start the processes and wait until they are warm. Raises SandboxUnavailable."""
        self._scratch = await asyncio.to_thread(Scratch.make)
        starts = [self._spawn() for _ in range(self.limits.workers + self.limits.spare)]
        outcomes = await asyncio.gather(*starts, return_exceptions=True)
        broken = next((outcome for outcome in outcomes if isinstance(outcome, BaseException)), None)
        if broken is not None:
            await self.close()
            raise SandboxUnavailable(
                f"{broken} Set PRESSWORK_SANDBOX=unsafe to render without confinement: shipped templates only."
            ) from broken

    async def close(self) -> None:
        """End every process; renders that still run or wait fail, and may be retried elsewhere."""
        self._closing = True
        self._changed.set()
        for chore in self._chores:
            chore.cancel()
        await asyncio.gather(*self._chores, return_exceptions=True)
        await asyncio.gather(*(self._end(child) for child in list(self._living)))
        scratch, self._scratch = self._scratch, None
        if scratch is not None:  # once, also when the end comes from two sides: its descriptor is soon another file's
            await asyncio.to_thread(scratch.remove)

    async def render(self, request: RenderRequest, timeout_s: float | None = None) -> Rendered:
        """Render one document within `timeout_s` (the pool's if None). Raises DocumentFailed.

        Waits for a free process first; the clock starts when that begins with the job.
        """
        self._refuse_untrusted(request.trusted)
        seconds = self.limits.timeout_s if timeout_s is None else timeout_s
        return await self._in_a_process(lambda child: child.render(request, seconds))

    async def describe(self, bundle: TemplateBundle, timeout_s: float) -> Verdict:
        """Compile an untrusted template and say what data it asks for, as `render` renders. Raises DocumentFailed."""
        self._refuse_untrusted(False)
        return await self._in_a_process(lambda child: child.describe(bundle, timeout_s))

    async def _in_a_process[T](self, work: Callable[[Child], Awaitable[T]]) -> T:
        async with self._slots:
            fresh = False
            while True:
                try:
                    child = await self._take()
                    fresh = child.renders == 0
                    return await self._work(child, work)
                except Untouched:
                    continue
                except DocumentFailed as failure:
                    if fresh or failure.code != "memory_limit":
                        raise
                    break
            # Caches of earlier documents filled the process: this one gets another try in an unused one.
            return await self._work(await self._take(fresh=True), work)

    async def _work[T](self, child: Child, work: Callable[[Child], Awaitable[T]]) -> T:
        try:
            return await work(child)
        finally:
            leftover, child.leftover = child.leftover, None
            if leftover is None:
                self._give_back(child)
            else:
                self._do(self._give_back_after(leftover, child))

    async def _give_back_after(self, leftover: asyncio.Task[None], child: Child) -> None:
        await leftover
        self._give_back(child)

    def _refuse_untrusted(self, trusted: bool) -> None:
        if self.confined or trusted or self.limits.untrusted_unconfined:
            return
        raise failed(
            "template_error",
            "This server renders shipped templates only: it runs without confinement.",
            hint="Run the generator on Linux with PRESSWORK_SANDBOX=strict.",
        )

    async def _take(self, *, fresh: bool = False) -> Child:
        """Wait for a free process, or one that is so soon; `fresh`: an unused one, made by replacing one if need be."""
        while not self._closing:
            free = [child for child in self._children if not child.orders and child.usable] if self._has_room() else []
            if not free and not fresh:
                free = [child for child in self._children if child.takes_one_more]
            # The most used one has the caches; the unused spare is kept for those who need it.
            chosen = (min if fresh else max)(free, key=lambda child: child.renders, default=None)
            if chosen is not None and not (fresh and chosen.renders):
                chosen.orders += 1
                return chosen
            if chosen is not None:
                self._replace(chosen)
            self._changed.clear()
            await self._changed.wait()
        raise failed("render_crashed", "The render processes are shutting down.", retryable=True)

    def _has_room(self) -> bool:
        """Whether one more process may work: the spare is for those who need an unused one, not for more at once."""
        return sum(child.orders > 0 for child in self._children) < self.limits.workers

    def _give_back(self, child: Child) -> None:
        alone = child.orders == 1
        if not child.usable or (alone and child.used_up):
            self._replace(child)
        elif child.hot and alone:
            self._do(self._cool(child))
        else:
            self._release(child)

    def _replace(self, child: Child) -> None:
        child.usable = False
        if child in self._children:  # else another of its orders came first
            self._children.discard(child)
            self._do(self._replaced(child))

    def _do(self, work: Coroutine[object, object, None]) -> None:
        if self._closing:
            work.close()
            return
        chore = asyncio.create_task(work)
        self._chores.add(chore)
        chore.add_done_callback(self._chores.discard)

    def _release(self, child: Child) -> None:
        child.orders -= 1
        self._changed.set()

    async def _cool(self, child: Child) -> None:
        await child.cool()
        if child.usable:
            self._release(child)
        else:
            self._replace(child)

    async def _replaced(self, child: Child) -> None:
        """Start the replacement at once and end the old process beside it; try until one starts."""
        self._do(self._end(child))
        wait_s = _RESPAWN_FIRST_S
        while True:
            try:
                return await self._spawn()
            except (StartFailed, OSError) as error:
                log.error("render_child.start_failed", error=str(error), retry_in_s=wait_s)
                await asyncio.sleep(wait_s)
                wait_s = min(wait_s * 2, _RESPAWN_MOST_S)

    async def _end(self, child: Child) -> None:
        self._children.discard(child)
        await child.end()
        self._living.discard(child)

    async def _watched(self, child: Child) -> None:
        """Replace a process that dies while it is idle; one that dies at work is replaced when it is given back."""
        await child.process.wait()
        if child in self._children and not child.orders:
            log.warning("render_child.died_idle", pid=child.pid, returncode=child.process.returncode)
            self._replace(child)

    async def _spawn(self) -> None:
        assert self._scratch is not None
        child = await Child.start(self.limits, self._fonts, self._scratch.path / f"{next(self._numbers):06}")
        self._living.add(child)
        try:
            await child.ready()
        except StartFailed:
            self._do(self._end(child))
            raise
        self._children.add(child)
        self._do(self._watched(child))
        log.debug("render_child.started", pid=child.pid, confined=child.confined)
        self._changed.set()
