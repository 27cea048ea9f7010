"""A generator's loops as tasks. One that fails is logged and started again, because the others must not stop for it."""

import asyncio
from collections.abc import Callable, Collection, Coroutine, Mapping

import structlog

log = structlog.get_logger(__name__)

AGAIN_S = 1.0

Loop = Callable[[], Coroutine[None, None, None]]


class Loops:
    """Runs from `start` to `cancel`; loops can be picked by name."""

    def __init__(self) -> None:
        self._tasks: dict[str, asyncio.Task[None]] = {}

    def start(self, loops: Mapping[str, Loop]) -> None:
        """Start each as a task under its name."""
        self._tasks |= {name: asyncio.create_task(_kept_running(name, loop)) for name, loop in loops.items()}

    async def ended(self, *names: str) -> None:
        """Wait until these loops have ended by themselves; one that was not started has."""
        tasks = [self._tasks[name] for name in names if name in self._tasks]
        if tasks:
            await asyncio.wait(tasks)

    async def cancel(self, *, but: Collection[str] = ()) -> None:
        """End all loops, or all but some, and wait until they have cleaned up."""
        ending = [self._tasks.pop(name) for name in tuple(self._tasks) if name not in but]
        for task in ending:
            task.cancel()
        await asyncio.gather(*ending, return_exceptions=True)


async def _kept_running(name: str, loop: Loop) -> None:
    while True:
        try:
            await loop()
            return
        except Exception:
            log.exception("loop.failed", loop=name)
            await asyncio.sleep(AGAIN_S)
