"""Asks and pictures are guests of the render processes: a document that must be alone waits, and has them wait."""

import asyncio
from dataclasses import replace
from typing import cast

import pytest

from contracts.errors import NoGenerator
from contracts.templates import TemplateBundle
from generator.guests import GuestPool
from generator.renderers.port import RenderRequest
from generator.sandbox import RenderPool
from generator.turnstile import Turnstile
from tests.unit.test_worker import Bench, Counting, a_claim, until

ASKED = RenderRequest(TemplateBundle.of_file("typst", b"= Hi"), b"{}", "pdf")


async def test_a_document_that_must_be_alone_waits_for_guests_and_has_others_wait() -> None:
    pool = Counting(size=4)
    bench = Bench(pool=pool)
    guests = GuestPool(cast(RenderPool, pool), bench.worker._turnstile)
    first = asyncio.create_task(guests.render(ASKED, 5))
    await until(lambda: pool.rendering == 1)
    running = asyncio.create_task(bench.worker.run(bench.stop))
    bench.queue.claims.append(replace(a_claim(), crashes=2))
    await until(lambda: guests.shut)
    second = asyncio.create_task(guests.render(ASKED, 5))
    await asyncio.sleep(0.05)
    assert pool.beside == [1], "neither the document nor the other guest has begun"
    pool.go_on.set()
    await asyncio.gather(first, second)
    await until(lambda: len(bench.queue.completed) == 1)
    bench.stop.set()
    await running
    assert pool.beside == [1, 1, 1] and not guests.shut


async def test_a_guest_does_not_wait_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("generator.guests.PATIENCE_S", 0.02)
    turnstile = Turnstile()
    guests = GuestPool(cast(RenderPool, Counting(1)), turnstile)
    async with turnstile.passing(alone=True, patience_s=1):
        for asked in (guests.render(ASKED, 5), guests.describe(ASKED.bundle, 5)):
            with pytest.raises(NoGenerator):
                await asked
