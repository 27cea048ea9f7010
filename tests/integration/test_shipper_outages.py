"""Whatever ClickHouse does and whenever the shipper dies: nothing lost, nothing doubled, every sum exact."""

import asyncio
import os
import random
import signal
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from backends.clickhouse import INSERT_SETTINGS, ClickHouse
from backends.faults import VARIABLE
from generator.shipper import Shipper
from tests.integration.history_servers import Server, wait_until
from tests.integration.ill_history import ILLNESSES, Illness, ill_history
from tests.integration.shipper_stage import EVENTS_OF_A_LIFE, Stage, fresh_stage

FAULTS = ("after_batch", "after_inputs", "after_insert", "after_shipped")


@pytest.fixture
async def stage(clickhouse_node: Server, redis_node: Server, tmp_path: Path) -> AsyncIterator[Stage]:
    async with fresh_stage(clickhouse_node.url, redis_node.url, tmp_path) as one:
        yield one


@asynccontextmanager
async def running(shipper: Shipper) -> AsyncIterator[None]:
    task = asyncio.create_task(shipper.run())
    try:
        yield
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def ship_through(stage: Stage, plan: list[Illness], *, documents: int, max_rows: int) -> int:
    """Let documents live while a shipper works for a server that is ill as planned, and check history in the end.

    Returns how many times shipping failed.
    """
    ids = await stage.live_through(documents // 2)
    timeout_s = 1 if {"hangs", "hangs_after"} & set(plan) else 60
    async with ill_history(stage.clickhouse, plan, insert_timeout_s=timeout_s) as (ill, client):
        shipper = stage.shipper(client, max_rows=max_rows)
        async with running(shipper):
            ids += await stage.live_through(documents - documents // 2)
            await wait_until(lambda: shipper.counters.events >= documents * EVENTS_OF_A_LIFE, "all is shipped", 120)
    assert ill.cured, "the server was healthy before its time: the test proved less than it says"
    await stage.assert_complete(ids)
    return shipper.counters.failures


@pytest.mark.parametrize("illness", ILLNESSES)
async def test_each_event_arrives_once_whatever_the_server_does(stage: Stage, illness: Illness) -> None:
    failures = await ship_through(stage, [illness] * 4, documents=20, max_rows=17)
    assert failures > 0 or illness == "slow"


@pytest.mark.parametrize("seed", [1, 2])
async def test_each_event_arrives_once_through_all_illnesses_in_turn(stage: Stage, seed: int) -> None:
    plan = list(ILLNESSES) * 2
    random.Random(seed).shuffle(plan)
    assert await ship_through(stage, plan, documents=40, max_rows=7) > 0


async def test_after_a_long_outage_everything_waiting_arrives_in_full_batches(stage: Stage) -> None:
    ids: list[object] = []
    async with ill_history(stage.clickhouse, ["gone"] * 40) as (ill, client):
        shipper = stage.shipper(client, max_rows=100)
        async with running(shipper):
            while not ill.cured:
                ids += await stage.live_through(10)
            await wait_until(lambda: shipper.counters.events >= len(ids) * EVENTS_OF_A_LIFE, "all is shipped", 120)
    tokens = {token.partition(":")[0] for token in ill.applied}
    assert shipper.counters.failures >= 20, "two inserts in a try, for the client itself asks once more"
    assert len(tokens) == shipper.counters.batches <= len(ids) * EVENTS_OF_A_LIFE / 100 + 20
    await stage.assert_complete(ids)  # type: ignore[arg-type]


async def test_while_history_is_away_inputs_are_copied_once(stage: Stage) -> None:
    ids = await stage.live_through(5)
    async with ill_history(stage.clickhouse, ["gone"] * 20) as (ill, client):
        shipper = stage.shipper(client)
        async with running(shipper):
            await wait_until(lambda: shipper.counters.batches == 1, "the outage ends")
    assert shipper.counters.failures >= 10
    assert shipper.counters.inputs == len(ids)


def test_a_client_waits_longer_than_the_server_works() -> None:
    assert int(INSERT_SETTINGS["max_execution_time"]) < ClickHouse("http://a:b@127.0.0.1/c")._insert_timeout_s - 20


def start_shipper(stage: Stage, redis_url: str, faults: str) -> "subprocess.Popen[bytes]":
    address = stage.clickhouse.address
    host = address.url.removeprefix("http://").rstrip("/")
    clickhouse_url = f"http://{address.user}:{address.password}@{host}/{address.database}"
    arguments = (redis_url, stage.scripts.prefix, clickhouse_url, str(stage.blobs.root), "37")
    command = [sys.executable, "-m", "tests.integration.shipper_process", *arguments]
    path = os.pathsep.join(filter(None, sys.path))
    return subprocess.Popen(
        command, env={**os.environ, VARIABLE: faults, "PYTHONPATH": path}, stdout=subprocess.DEVNULL
    )


async def ship_and_die(stage: Stage, redis_url: str, faults: str) -> None:
    process = start_shipper(stage, redis_url, faults)
    assert await asyncio.to_thread(process.wait, 60) == -signal.SIGKILL


@pytest.mark.parametrize("fault", FAULTS)
async def test_a_shipper_killed_at_any_step_leaves_nothing_lost_or_doubled(
    stage: Stage, redis_node: Server, fault: str
) -> None:
    ids = await stage.live_through(30)
    await ship_and_die(stage, redis_node.url, fault)
    shipper = stage.shipper(max_rows=37)
    while await stage.waiting():
        await shipper.ship_once()
    await stage.assert_complete(ids)


async def test_a_shipper_killed_again_and_again_gets_through(stage: Stage, redis_node: Server) -> None:
    ids = await stage.live_through(20)
    while await stage.waiting():
        process = start_shipper(stage, redis_node.url, "*:0.1")
        while process.poll() is None and await stage.waiting():
            await asyncio.sleep(0.02)
        process.kill()
        process.wait()
    await stage.assert_complete(ids)
