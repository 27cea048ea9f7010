"""The supervisor on small real processes: what comes up, what is replaced, and that nothing is left."""

import asyncio
import os
import signal
import time
from collections.abc import Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

import psutil
import pytest
import structlog

from standalone import keeper
from standalone.errors import GaveUp
from standalone.keeper import ChildSpec, Patience
from standalone.supervisor import Pids, Supervisor

DEADLINE_S = 20
SLEEPER = ["sleep", "600"]
QUICK = Patience(tick_s=0.02, start_tick_s=0.01, first_backoff_s=0.01, longest_backoff_s=0.02)


@dataclass
class FakeProbe:
    """A probe that says what the test wants; `asked` counts the questions whether it is ready."""

    alive: bool = True
    ready: bool = True
    asked: int = 0

    async def is_alive(self) -> bool:
        return self.alive

    async def is_ready(self, pid: int) -> bool:
        self.asked += 1
        return self.ready


@dataclass
class Stage:
    """A supervisor's surroundings: its log directory, and the pids of every time all children were ready."""

    logs: Path
    announced: asyncio.Queue[Pids] = field(default_factory=asyncio.Queue)

    def supervisor(
        self, *waves: list[ChildSpec], drain_s: float = 5, give_back_s: float = 5, patience: Patience = QUICK
    ) -> Supervisor:
        for spec in (spec for wave in waves for spec in wave):
            (self.logs / f"{spec.name}.log").touch()
        return Supervisor(
            waves,
            self.logs,
            structlog.get_logger(),
            on_ready=self.announced.put_nowait,
            drain_s=[drain_s] * len(waves),
            give_back_s=give_back_s,
            patience=patience,
        )

    @asynccontextmanager
    async def running(self, supervisor: Supervisor):
        async with asyncio.timeout(DEADLINE_S):
            task = asyncio.create_task(supervisor.run())
            yield await self.announced.get()
            supervisor.stop()
            await task


@pytest.fixture
def stage(tmp_path: Path) -> Stage:
    return Stage(tmp_path)


def child(name: str, probe: FakeProbe | None = None, command: list[str] | None = None) -> ChildSpec:
    return ChildSpec(name, command or SLEEPER, probe or FakeProbe(), {"PATH": os.environ["PATH"]}, silence_s=0.1)


def shell(script: str) -> list[str]:
    return ["sh", "-c", script]


def exists(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(DEADLINE_S):
        while not condition():
            await asyncio.sleep(0.01)


async def test_everything_comes_up_and_a_stop_leaves_no_process(stage: Stage) -> None:
    supervisor = stage.supervisor([child("redis"), child("clickhouse")], [child("api"), child("generator")])
    async with stage.running(supervisor) as pids:
        assert list(pids) == ["redis", "clickhouse", "api", "generator"]
        assert all(exists(pid) for pid in pids.values())
    assert not any(exists(pid) for pid in pids.values())


async def test_the_services_wait_until_the_servers_are_ready(stage: Stage) -> None:
    server, service = FakeProbe(ready=False), FakeProbe()
    supervisor = stage.supervisor([child("redis", server)], [child("api", service)])
    task = asyncio.create_task(supervisor.run())
    await until(lambda: server.asked >= 3)
    assert service.asked == 0
    server.ready = True
    await until(lambda: service.asked > 0)
    supervisor.stop()
    await task


async def test_children_run_in_sessions_of_their_own_so_that_ctrl_c_reaches_only_the_supervisor(stage: Stage) -> None:
    async with stage.running(stage.supervisor([child("redis")])) as pids:
        assert os.getsid(pids["redis"]) == pids["redis"] != os.getsid(0)


async def test_a_killed_child_is_replaced_and_the_others_stay(stage: Stage) -> None:
    async with stage.running(stage.supervisor([child("redis")], [child("api")])) as before:
        os.kill(before["api"], signal.SIGKILL)
        after = await stage.announced.get()
        assert after["redis"] == before["redis"]
        assert after["api"] != before["api"]


async def test_a_child_that_does_not_answer_is_killed_and_replaced(stage: Stage) -> None:
    probe = FakeProbe()
    async with stage.running(stage.supervisor([child("api", probe)])) as before:
        probe.alive = False
        await until(lambda: not exists(before["api"]))
        probe.alive = True
        assert (await stage.announced.get())["api"] != before["api"]


async def test_a_child_that_is_silent_because_it_is_busy_is_not_taken_for_frozen(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(keeper, "cpu_seconds", lambda pid: time.monotonic() if pid == busy_pid else 0.0)
    monkeypatch.setattr(keeper, "BUSY_WEIGHT", 0.0)
    busy_pid, idle, busy = 0, FakeProbe(), FakeProbe()
    async with stage.running(stage.supervisor([child("idle", idle), child("busy", busy)])) as before:
        busy_pid = before["busy"]
        idle.alive = busy.alive = False
        await until(lambda: not exists(before["idle"]))
        assert exists(busy_pid)
        idle.alive = busy.alive = True


def test_processor_time_of_a_process_is_read_and_of_a_missing_one_is_nothing() -> None:
    assert keeper.cpu_seconds(os.getpid()) > 0
    assert keeper.cpu_seconds(2**30) == 0


async def test_a_child_that_was_never_ready_is_killed_and_counts_as_failed(stage: Stage) -> None:
    spec = ChildSpec("api", SLEEPER, FakeProbe(ready=False), dict(os.environ), start_s=0.05)
    with pytest.raises(GaveUp, match=r"api was not ready after 0\.05 s, 5 times in a row"):
        await stage.supervisor([spec]).run()


async def test_five_failures_stop_everything_and_show_the_end_of_the_log(stage: Stage) -> None:
    broken = child("api", FakeProbe(ready=False), shell("echo the disk is full; exit 3"))
    server = child("redis", FakeProbe(), shell(f"echo $$ >> {stage.logs}/pids; exec sleep 600"))
    with pytest.raises(GaveUp, match=r"(?s)api exited with code 3, 5 times in a row.*api\.log:.*the disk is full"):
        await stage.supervisor([server], [broken]).run()
    pids = (stage.logs / "pids").read_text().split()
    assert len(pids) == 1
    assert not exists(int(pids[0]))
    assert (stage.logs / "api.log").read_text().count("the disk is full") == 5


async def test_settings_that_cannot_work_are_not_tried_again(stage: Stage) -> None:
    refusing = child("api", FakeProbe(ready=False), shell("echo PRESSWORK_LEASE_S: too small; exit 2"))
    with pytest.raises(GaveUp, match=r"(?s)exited with code 2\. The end.*PRESSWORK_LEASE_S"):
        await stage.supervisor([refusing]).run()
    assert (stage.logs / "api.log").read_text().count("PRESSWORK_LEASE_S") == 1


@pytest.mark.parametrize("settled_s", [-1.0, 60.0])
async def test_a_child_that_was_ready_once_is_never_given_up(stage: Stage, settled_s: float) -> None:
    patience = Patience(**{**vars(QUICK), "settled_s": settled_s})
    with structlog.testing.capture_logs() as lines:
        async with stage.running(stage.supervisor([child("api")], patience=patience)) as pids:
            for _ in range(patience.failures + 1):
                os.kill(pids["api"], signal.SIGKILL)
                pids = await stage.announced.get()
            assert exists(pids["api"])
    failed = [(line["log_level"], line["failures"]) for line in lines if line["event"] == "child.failed"]
    assert failed[-1] == (("warning", 1) if settled_s < 0 else ("error", patience.failures + 1))


async def test_a_child_that_worked_once_is_tried_again_also_when_it_cannot_start_any_more(stage: Stage) -> None:
    probe, works = FakeProbe(), stage.logs / "works"
    works.touch()
    spec = child("redis", probe, shell(f"[ -e {works} ] && exec sleep 600; echo no space left; exit 2"))
    async with stage.running(stage.supervisor([spec])) as before:
        works.unlink()
        probe.ready = False
        os.kill(before["redis"], signal.SIGKILL)
        await until(lambda: (stage.logs / "redis.log").read_text().count("no space left") > QUICK.failures)
        works.touch()
        probe.ready = True
        assert (await stage.announced.get())["redis"] != before["redis"]


async def test_a_child_that_worked_once_and_waits_for_another_is_left_to_wait(stage: Stage) -> None:
    probe = FakeProbe()
    spec = ChildSpec("api", SLEEPER, probe, dict(os.environ), start_s=0.01)
    with structlog.testing.capture_logs() as lines:
        async with stage.running(stage.supervisor([spec])) as before:
            probe.ready = False
            os.kill(before["api"], signal.SIGKILL)
            waiting_from = probe.asked
            await until(lambda: probe.asked > waiting_from + 20)
            probe.ready = True
            await stage.announced.get()
    assert len([line for line in lines if line["event"] == "child.started"]) == 2


async def test_a_child_that_somebody_stopped_while_it_started_is_replaced(stage: Stage) -> None:
    probe, pids = FakeProbe(ready=False), stage.logs / "pids"
    pids.touch()
    task = asyncio.create_task(
        stage.supervisor([child("redis", probe, shell(f"echo $$ >> {pids}; exec sleep 600"))]).run()
    )
    await until(lambda: bool(pids.read_text()))
    os.kill(int(pids.read_text()), signal.SIGSTOP)
    await until(lambda: len(pids.read_text().split()) > 1)
    stopped, replacement = map(int, pids.read_text().split()[:2])
    assert not psutil.pid_exists(stopped) and psutil.pid_exists(replacement)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


async def test_a_child_for_which_the_machine_has_no_memory_is_started_later(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    start, refusals = asyncio.create_subprocess_exec, iter([OSError(12, "Cannot allocate memory")] * 6)

    async def short_of_memory(*command: str, **how: object) -> asyncio.subprocess.Process:
        if refusal := next(refusals, None):
            raise refusal
        return await start(*command, **how)  # type: ignore[arg-type]

    async with stage.running(stage.supervisor([child("api")])) as before:
        monkeypatch.setattr(asyncio, "create_subprocess_exec", short_of_memory)
        os.kill(before["api"], signal.SIGKILL)
        assert exists((await stage.announced.get())["api"])
    assert next(refusals, None) is None


async def test_what_a_child_left_running_and_lying_around_is_gone_before_its_successor_starts(stage: Stage) -> None:
    left, swept = stage.logs / "left", []
    script = f"[ -e {left} ] || {{ sleep 600 & echo $! > {left}; }}; exec sleep 600"
    spec = replace(child("redis", FakeProbe(), shell(script)), sweep=lambda: swept.append(left.exists()))
    async with stage.running(stage.supervisor([spec])) as before:
        await until(lambda: left.exists() and bool(left.read_text()))
        os.kill(before["redis"], signal.SIGKILL)
        await stage.announced.get()
        await until(lambda: not exists(int(left.read_text())))
    assert swept == [False, True]


async def test_what_runs_is_asked_a_second_time_before_it_is_killed(stage: Stage) -> None:
    asked = stage.logs / "asked"
    script = f"trap 'echo again >> {asked}' TERM; touch {stage.logs}/up; while :; do sleep 0.05; done"
    spec = child("generator", FakeProbe(), shell(script))
    async with stage.running(stage.supervisor([spec], drain_s=0.5, give_back_s=0.5)):
        await until((stage.logs / "up").exists)
    assert asked.read_text().split() == ["again", "again"]


async def test_the_services_stop_before_the_servers(stage: Stage) -> None:
    order = stage.logs / "order"

    def recording(name: str) -> ChildSpec:
        script = f"trap 'echo {name} >> {order}; exit 0' TERM; touch {stage.logs}/{name}; while :; do sleep 0.05; done"
        return child(name, FakeProbe(), shell(script))

    names = ("redis", "clickhouse", "api", "generator")
    supervisor = stage.supervisor(
        [recording("redis"), recording("clickhouse")], [recording("api"), recording("generator")]
    )
    async with stage.running(supervisor):
        await until(lambda: all((stage.logs / name).exists() for name in names))
    stopped = order.read_text().split()
    assert set(stopped[:2]) == {"api", "generator"}
    assert set(stopped[2:]) == {"redis", "clickhouse"}


async def test_a_child_that_ignores_sigterm_is_killed_in_the_end(stage: Stage) -> None:
    deaf = child("api", FakeProbe(), shell(f"trap '' TERM; touch {stage.logs}/deaf; while :; do sleep 0.05; done"))
    async with stage.running(stage.supervisor([deaf], drain_s=0.1, give_back_s=0.1)) as pids:
        await until((stage.logs / "deaf").exists)
    assert not exists(pids["api"])


async def test_a_second_stop_does_not_wait_for_what_runs(stage: Stage) -> None:
    deaf = child("api", FakeProbe(), shell(f"trap '' TERM; touch {stage.logs}/deaf; while :; do sleep 0.05; done"))
    supervisor = stage.supervisor([deaf], drain_s=600, give_back_s=0.1)
    async with stage.running(supervisor) as pids:
        await until((stage.logs / "deaf").exists)
        supervisor.stop()
    assert not exists(pids["api"])


async def test_a_frozen_child_is_woken_to_stop_in_order(stage: Stage) -> None:
    script = f"trap 'echo stopped > {stage.logs}/end; exit 0' TERM; touch {stage.logs}/up; while :; do sleep 0.05; done"
    async with stage.running(stage.supervisor([child("api", FakeProbe(), shell(script))], drain_s=600)) as pids:
        await until((stage.logs / "up").exists)
        os.killpg(pids["api"], signal.SIGSTOP)
    assert (stage.logs / "end").read_text() == "stopped\n"


async def test_a_stop_while_starting_leaves_no_process(stage: Stage) -> None:
    probe = FakeProbe(ready=False)
    spec = child("redis", probe, shell(f"echo $$ > {stage.logs}/pid; exec sleep 600"))
    never = child("api", FakeProbe(), shell(f"touch {stage.logs}/never"))
    supervisor = stage.supervisor([spec], [never])
    task = asyncio.create_task(supervisor.run())
    await until(lambda: (stage.logs / "pid").exists() and bool((stage.logs / "pid").read_text()))
    supervisor.stop()
    await asyncio.wait_for(task, DEADLINE_S)
    assert not exists(int((stage.logs / "pid").read_text()))
    assert not (stage.logs / "never").exists()


async def test_a_stack_with_outside_servers_only_has_an_empty_first_wave(stage: Stage) -> None:
    async with stage.running(stage.supervisor([], [child("api")])) as pids:
        assert list(pids) == ["api"]


@pytest.fixture
def no_handlers():
    numbers = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    before = [signal.signal(number, signal.SIG_DFL) for number in numbers]  # whoever runs the tests may ignore one
    yield
    for number, handler in zip(numbers, before, strict=True):
        signal.signal(number, handler)


@pytest.mark.usefixtures("no_handlers")
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
async def test_ctrl_c_sigterm_and_a_closed_terminal_stop_it(stage: Stage, number: signal.Signals) -> None:
    supervisor = stage.supervisor([child("redis")])
    supervisor.stop_on_signals()
    task = asyncio.create_task(supervisor.run())
    pids = await stage.announced.get()
    os.kill(os.getpid(), number)
    await asyncio.wait_for(task, DEADLINE_S)
    assert not exists(pids["redis"])


@pytest.mark.usefixtures("no_handlers")
async def test_under_nohup_a_closed_terminal_does_not_stop_it(stage: Stage) -> None:
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    stage.supervisor([child("redis")]).stop_on_signals()
    assert signal.getsignal(signal.SIGHUP) is signal.SIG_IGN
