"""Carries out the plan: kills, freezes, restarts and fills, and writes each act with its time into the history."""

import asyncio
import random
import signal
import time
from contextlib import suppress

import psutil

from tests.chaos.history import Act, History, now_ms
from tests.chaos.plan import Step
from tests.chaos.small_disks import Filler
from tests.chaos.stack import Ground, Second, Up, render_processes

REFILL_S = 0.2
LOOK_S = 1.0


class Nemesis:
    """Disturbs one stack. Every act ends by itself, and at the latest with `relent`."""

    def __init__(self, ground: Ground, up: Up, seconds: dict[str, Second], history: History, seed: int) -> None:
        self._ground = ground
        self._up = up
        self._seconds = seconds
        self._history = history
        self._chance = random.Random(f"nemesis {seed}")
        self._frozen: set[psutil.Process] = set()
        self._acts: set[asyncio.Task[None]] = set()
        self._over = asyncio.Event()

    async def carry_out(self, steps: list[Step]) -> None:
        """Do every step at its time; return when all have ended."""
        start = time.monotonic()
        for step in steps:
            await asyncio.sleep(max(0.0, start + step.at_s - time.monotonic()))
            act = asyncio.create_task(self._do(step), name=f"{step.kind.name} {step.kind.target}")
            self._acts.add(act)
        await asyncio.gather(*self._acts)

    def relent(self) -> None:
        """Thaw and free everything now."""
        self._over.set()
        for process in self._frozen:
            _signal(process, signal.SIGCONT)
        for folder in self._ground.disks.values():
            Filler(folder).free()

    async def _do(self, step: Step) -> None:
        began, disk = now_ms(), step.kind.name == "fill"
        target = None if disk else self._process(step.kind.target)
        pid = target.pid if target else None
        note = "" if disk else self._described(target, step.kind.target)
        match step.kind.name:
            case "kill":
                await self._kill(step.kind.target, target)
            case "restart":
                await self._restart(step.kind.target, target)
            case "freeze":
                await self._freeze(target, step.for_s)
            case "fill":
                await self._fill(step.kind.target, step.for_s)
        self._history.act(Act(step.kind.name, step.kind.target, began, now_ms(), pid, note))

    def _process(self, name: str) -> psutil.Process | None:
        if name == "up":
            return self._up.process()
        if name in self._seconds:
            return self._seconds[name].process()
        if name == "render":
            generators = [self._up.child("generator"), self._seconds["generator-2"].process()]
            return self._chance.choice([*render_processes(generators)] or [None])
        return self._up.child(name)

    def _described(self, process: psutil.Process | None, target: str) -> str:
        """Name the generator of a render process; say so if there is no process."""
        if process is None:
            return "there was none"
        if target != "render":
            return ""
        with suppress(psutil.Error):
            second = self._seconds["generator-2"].process()
            return "generator-2" if second and process.ppid() == second.pid else "generator"
        return "it ended"

    async def _kill(self, name: str, target: psutil.Process | None) -> None:
        if name == "up" and target:
            descendants = target.children(recursive=True)
            self._up.kill()
            await asyncio.to_thread(psutil.wait_procs, descendants, 20)
            self._up.start()
        else:
            _signal(target, signal.SIGKILL)

    async def _restart(self, name: str, target: psutil.Process | None) -> None:
        if name == "up":
            await self._up.stop()
            self._up.start()
        else:
            _signal(target, signal.SIGTERM)

    async def _freeze(self, target: psutil.Process | None, for_s: float) -> None:
        if target is None:
            return
        self._frozen.add(target)
        _signal(target, signal.SIGSTOP)
        await self._for(for_s)
        _signal(target, signal.SIGCONT)
        self._frozen.discard(target)

    async def _fill(self, disk: str, for_s: float) -> None:
        """Keep the disk full: what the servers remove meanwhile is taken, too."""
        filler = Filler(self._ground.disks[disk])
        deadline = time.monotonic() + for_s
        while time.monotonic() < deadline and not self._over.is_set():
            await asyncio.to_thread(filler.fill)
            await self._for(REFILL_S)
        filler.free()

    async def _for(self, seconds: float) -> None:
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._over.wait()


def _signal(process: psutil.Process | None, number: int) -> None:
    """Signal a process, if it is still the one that was looked up."""
    with suppress(psutil.Error):
        if process is not None:
            process.send_signal(number)


async def keep_up(up: Up, history: History) -> None:
    """Start `presswork up` again when it ended by itself, which nobody should need to do: it is written down."""
    while True:
        await asyncio.sleep(LOOK_S)
        if up.deserted:
            history.note("up_ended")
            up.start()
