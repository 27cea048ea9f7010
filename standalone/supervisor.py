"""Runs the children of `presswork up`: each wave starts when the one before is ready, and stops before it."""

import asyncio
import os
import signal
from collections.abc import Callable, Sequence
from pathlib import Path

from structlog.typing import FilteringBoundLogger

from standalone.keeper import ChildSpec, Keeper, Patience
from standalone.orphans import bury_orphans

Pids = dict[str, int]


class Supervisor:
    """Owns the children of one start. `drain_s`: how long each wave may finish what it has in hand after SIGTERM; then
    a second SIGTERM says: give it back. `give_back_s` later comes SIGKILL.
    """

    def __init__(
        self,
        waves: Sequence[Sequence[ChildSpec]],
        logs: Path,
        log: FilteringBoundLogger,
        *,
        on_ready: Callable[[Pids], None],
        drain_s: Sequence[float] = (0.0, 3.0),
        give_back_s: float = 3.0,
        patience: Patience | None = None,
    ) -> None:
        self._log = log
        self._on_ready = on_ready
        self._drain_s, self._give_back_s = drain_s, give_back_s
        self._stop = asyncio.Event()
        self._hurry = asyncio.Event()
        self._tasks: dict[Keeper, asyncio.Task[None]] = {}
        self._waves = [
            [Keeper(spec, logs / f"{spec.name}.log", log, self._child_ready, patience or Patience()) for spec in wave]
            for wave in waves
        ]

    async def run(self) -> None:
        """Bring everything up, keep it up until `stop`, and leave no process. Raises GaveUp."""
        burying = asyncio.create_task(bury_orphans()) if os.getpid() == 1 else None
        try:
            for wave in self._waves:
                await self._bring_up(wave)
            await self._until(self._stop)
        finally:
            self._log.info("supervisor.stopping")
            await self._bring_down()
            if burying:
                burying.cancel()

    def stop(self) -> None:
        """Ask for the end. The second time, what runs is given back at once."""
        if self._stop.is_set():
            self._hurry.set()
        self._stop.set()

    def stop_on_signals(self) -> None:
        """Let Ctrl-C, SIGTERM and a closed terminal stop this supervisor; under nohup a closed terminal does not."""
        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, self.stop)
        if signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN:
            loop.add_signal_handler(signal.SIGHUP, self.stop)

    async def _bring_up(self, wave: Sequence[Keeper]) -> None:
        if self._stop.is_set():
            return
        for keeper in wave:
            self._tasks[keeper] = asyncio.create_task(keeper.keep(), name=keeper.spec.name)
        for keeper in wave:
            await self._until(keeper.ready)

    async def _until(self, event: asyncio.Event) -> None:
        """Wait for the event, or for the stop. A keeper that gave up raises here."""
        events = [asyncio.create_task(awaited.wait()) for awaited in (event, self._stop)]
        try:
            await asyncio.wait([*events, *self._tasks.values()], return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in events:
                task.cancel()
        for keeping in self._tasks.values():
            if keeping.done():
                keeping.result()

    def _child_ready(self) -> None:
        keepers = [keeper for wave in self._waves for keeper in wave]
        if all(keeper.ready.is_set() for keeper in keepers):
            self._on_ready({keeper.spec.name: keeper.pid for keeper in keepers if keeper.pid})

    async def _bring_down(self) -> None:
        for task in self._tasks.values():
            task.cancel()
        await asyncio.gather(*self._tasks.values(), return_exceptions=True)
        for wave, drain_s in zip(reversed(self._waves), reversed(self._drain_s), strict=True):
            await self._stop_wave(wave, drain_s)

    async def _stop_wave(self, wave: Sequence[Keeper], drain_s: float) -> None:
        gone, hurry = asyncio.create_task(self._all_gone(wave)), asyncio.create_task(self._hurry.wait())
        self._terminate(wave)
        await asyncio.wait([gone, hurry], timeout=drain_s, return_when=asyncio.FIRST_COMPLETED)
        if drain_s and not gone.done():
            self._terminate(wave)
        await asyncio.wait([gone], timeout=self._give_back_s)
        hurry.cancel()
        for keeper in wave:
            if keeper.kill():
                self._log.warning("child.killed", child=keeper.spec.name, after_s=drain_s + self._give_back_s)
        await gone

    def _terminate(self, wave: Sequence[Keeper]) -> None:
        for keeper in wave:
            keeper.terminate()

    async def _all_gone(self, wave: Sequence[Keeper]) -> None:
        for keeper in wave:
            await keeper.gone()
