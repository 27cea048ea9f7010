"""One run: start everything, let clients work while the driver disturbs, settle, gather the evidence, check it."""

import asyncio
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import httpx2

from backends.embedded.tether import tethered
from tests.chaos.armory import API_POINTS, GENERATOR_POINTS, Armory
from tests.chaos.checks import violations
from tests.chaos.collect import collect
from tests.chaos.history import History
from tests.chaos.nemesis import Nemesis, keep_up
from tests.chaos.plan import Step
from tests.chaos.report import Report
from tests.chaos.settle import DEADLINE_S, settled
from tests.chaos.setup import Cast, Setup
from tests.chaos.stack import SERVERS, SERVICES, START_S, Ground, Second, Up, answers
from tests.chaos.watch import Watch


@dataclass(frozen=True)
class Trial:
    """What to run. `launcher`: how Python starts a module; `armed`: whether they have fault points.

    `slow` is the share of documents that take seconds, `endpoints` how many each client has, `settle_s` how long
    everything may take to end afterwards.
    """

    seed: int
    seconds: float
    steps: list[Step]
    clients: int = 6
    pause_s: float = 0.35
    launcher: tuple[str, ...] = ("-m",)
    armed: bool = True
    settle_s: float = DEADLINE_S
    slow: float = 0.12
    endpoints: int = 1


class Chaos:
    """The processes and the people of one run."""

    def __init__(self, ground: Ground, trial: Trial) -> None:
        self._ground = ground
        self._trial = trial
        self._history = History(ground.home / "history.jsonl")
        self._up = Up(ground, trial.launcher)
        self._armories = {
            "api-2": Armory(API_POINTS, f"api {trial.seed}", trial.seconds),
            "generator-2": Armory(GENERATOR_POINTS, f"generator {trial.seed}", trial.seconds),
        }
        self._seconds = {name: self._second(name, armory) for name, armory in self._armories.items()}

    def _second(self, name: str, armory: Armory) -> Second:
        module = {"api-2": "app", "generator-2": "generator"}[name]
        command = [sys.executable, "-P", *self._trial.launcher, module]
        return Second(name, self._ground, self._history, armory.deal, command)

    async def run(self) -> Report:
        """Run it all; nothing is left running."""
        with self._receiver() as receiver:
            try:
                return await self._run()
            finally:
                for second in self._seconds.values():
                    await second.end()
                if self._up.lives:
                    await self._up.stop()
                self._history.close()
                receiver.kill()

    async def _run(self) -> Report:
        self._up.start()
        admin_key = (await self._up.ready())["admin_key"]
        async with asyncio.TaskGroup() as group:
            keeping = [group.create_task(second.keep()) for second in self._seconds.values()]
            await self._all_serve()
            cast = await self._setup(admin_key).cast(
                self._trial.clients, self._trial.pause_s, self._trial.slow, self._trial.endpoints
            )
            await self._disturbed(cast)
            unsettled = await self._settled(cast)
            evidence = await collect(self._ground, unsettled, admin_key, self._trial.seed, self._restart_clickhouse)
            for task in keeping:
                task.cancel()
        return Report(self._trial.seed, self._trial.seconds, evidence, violations(evidence))

    def _setup(self, admin_key: str) -> Setup:
        return Setup(self._ground, self._history, admin_key, self._secrets, self._trial.seed)

    async def _settled(self, cast: Cast) -> dict[str, object]:
        """Let clients ask for what they do not know yet, and everything end; return what does not."""
        for client in cast.documents:
            await client.resolve()
        left = await settled(self._ground, self._trial.settle_s)
        for register in cast.registers:
            await register.read_all()
        for caller in cast.callers:
            await caller.close()
        return left

    async def _disturbed(self, cast: Cast) -> None:
        """Let everybody work while the driver disturbs; return when all serve again."""
        stop, nemesis = asyncio.Event(), self._nemesis()
        async with self._watched():
            watching_up = asyncio.create_task(keep_up(self._up, self._history))
            async with asyncio.TaskGroup() as group:
                for one in cast.everybody:
                    group.create_task(one.live(stop))
                group.create_task(self._disturb(nemesis))
                await asyncio.sleep(self._trial.seconds)
                nemesis.relent()
                stop.set()
            await self._disarm()
            await self._all_serve()
            watching_up.cancel()

    async def _disturb(self, nemesis: Nemesis) -> None:
        for armory in self._armories.values():
            armory.open = self._trial.armed
        self._history.note("faults_begin")
        await nemesis.carry_out(self._trial.steps)
        self._history.note("faults_end")

    def _nemesis(self) -> Nemesis:
        return Nemesis(self._ground, self._up, self._seconds, self._history, self._trial.seed)

    async def _disarm(self) -> None:
        """Let the second processes start again without fault points."""
        for name, armory in self._armories.items():
            armory.open = False
            process = self._seconds[name].process()
            if self._trial.armed and process:
                process.terminate()

    async def _restart_clickhouse(self) -> None:
        """Let the supervisor start it anew."""
        if process := self._up.child("clickhouse"):
            process.terminate()
            await asyncio.to_thread(process.wait, 30)
        await self._all_serve()

    async def _all_serve(self) -> None:
        """Wait until every process serves. Raises RuntimeError."""
        async with httpx2.AsyncClient(timeout=1, trust_env=False) as http:
            for who in (*SERVERS, *SERVICES):
                for _ in range(round(START_S / 0.2)):
                    if await answers(self._ground, who, http):
                        break
                    await asyncio.sleep(0.2)
                else:
                    raise RuntimeError(f"{who} does not serve: see {self._ground.home}")

    @asynccontextmanager
    async def _watched(self) -> AsyncIterator[None]:
        watch = Watch(self._ground, self._history)
        watching = asyncio.create_task(watch.run())
        try:
            yield
        finally:
            watching.cancel()
            with suppress(asyncio.CancelledError):
                await watching
            watch.close()

    @property
    def _secrets(self) -> Path:
        return self._ground.home / "secrets.json"

    def _receiver(self) -> subprocess.Popen[bytes]:
        """Start the receiver; as a context it is waited for, and it dies with us."""
        file = self._ground.home / "received.jsonl"
        file.touch()
        words = [str(self._ground.ports["receiver"]), str(file), str(self._trial.seed), str(self._secrets)]
        with self._ground.log("receiver").open("ab") as log:
            return subprocess.Popen(
                tethered([sys.executable, "-m", "tests.chaos.receiver", *words]), stdout=log, stderr=log
            )
