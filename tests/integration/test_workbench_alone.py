"""While a document must be alone, asks wait, and are told after a while that no generator is free."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import cast

import pytest
from prometheus_client import CollectorRegistry

from contracts.errors import NoGenerator
from generator.guests import GuestPool
from generator.sandbox import RenderPool
from generator.turnstile import Turnstile
from generator.workbench import AskMetrics, WorkbenchServer
from tests.integration.test_workbench import SlowPool, Stage, inline, stage

__all__ = ["stage"]


@asynccontextmanager
async def serving(stage: Stage, pool: SlowPool, turnstile: Turnstile) -> AsyncIterator[None]:
    stop, metrics = asyncio.Event(), AskMetrics(CollectorRegistry())
    server = WorkbenchServer(stage.asks, GuestPool(cast(RenderPool, pool), turnstile), stage.blobs, metrics, drain_s=0)
    running = asyncio.create_task(server.run(stop, asyncio.Event()))
    yield
    stop.set()
    await running


async def test_an_ask_waits_while_a_document_is_alone_and_is_served_then(stage: Stage) -> None:
    pool, turnstile = SlowPool(), Turnstile()
    pool.go.set()
    async with serving(stage, pool, turnstile):
        async with turnstile.passing(alone=True, patience_s=1):
            asked = asyncio.create_task(stage.bench.render(inline("= Hi")))
            await asyncio.sleep(1.2)
            assert not asked.done() and pool.begun == []
        async with asyncio.timeout(3):
            assert (await asked)[1] == b"%PDF-"


async def test_an_ask_that_waits_in_vain_is_told_so(stage: Stage) -> None:
    pool, turnstile = SlowPool(), Turnstile()
    async with serving(stage, pool, turnstile), turnstile.passing(alone=True, patience_s=1):
        with pytest.raises(NoGenerator, match="No generator was free"):
            await stage.bench.render(inline("= Hi"))
    assert pool.begun == []
