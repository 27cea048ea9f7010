"""Asks between the User API and a generator: turns of users, bounds, and every way in which one side may be lost."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from uuid import uuid4

import pytest
from redis.asyncio import Redis

from backends.asks import HELD_MS, AskLimits, Asks, answer_key
from backends.blobs import FileBlobStore
from backends.changes import Changes
from backends.scripts import Scripts
from backends.workbench import Workbench
from contracts.errors import DocumentError, DocumentFailed, NoGenerator, SystemFull, TooManyRenders
from contracts.ids import new_id
from contracts.workbench import Answer, CheckAsk, RenderAsk, Rendering, Verdict
from tests.integration.queue_steps import a_job


def a_check(name: str = "letter") -> CheckAsk:
    return CheckAsk(ask_id=new_id(), name=name, sha256="ab" * 32)


@pytest.fixture
def asks(scripts: Scripts) -> Asks:
    return Asks(scripts)


@pytest.fixture
async def bench(scripts: Scripts, tmp_path: Path) -> AsyncIterator[Workbench]:
    changes = Changes(scripts.redis, scripts.prefix)
    listening = asyncio.create_task(changes.run())
    yield Workbench(Asks(scripts, AskLimits(wait_ms=500)), FileBlobStore(tmp_path), changes)
    listening.cancel()
    await asyncio.gather(listening, return_exceptions=True)
    await changes.close()


async def taken(asks: Asks) -> RenderAsk | CheckAsk:
    """Take the next ask as soon as there is one."""
    async with asyncio.timeout(5):
        while (found := await asks.take()) is None:
            await asks.wait()
    return found.ask


async def nothing_left(redis: Redis) -> bool:
    left = [key async for key in redis.scan_iter() if not key.endswith("wake:ask")]
    return left == []


async def test_a_check_is_answered_and_leaves_nothing_behind(bench: Workbench, asks: Asks, redis: Redis) -> None:
    checking = asyncio.create_task(bench.check("letter", "ab" * 32, {"to": "Ada"}))
    ask = await taken(asks)
    assert isinstance(ask, CheckAsk) and ask.sample == {"to": "Ada"}
    verdict = Verdict(inferred_schema={"type": "object"})
    assert await asks.answer(ask.ask_id, Answer(verdict=verdict))
    assert await checking == verdict
    assert await nothing_left(redis)


async def test_the_bytes_of_a_render_travel_through_the_blob_store(
    bench: Workbench, asks: Asks, redis: Redis, tmp_path: Path
) -> None:
    rendering = asyncio.create_task(bench.render(a_job()))
    ask = await taken(asks)
    content = bytes(20_000_000)
    await FileBlobStore(tmp_path).put(answer_key(ask.ask_id), content)
    made = Rendering(content_type="application/pdf", pages=3)
    await asks.answer(ask.ask_id, Answer(rendering=made))
    assert await rendering == (made, content)
    assert await FileBlobStore(tmp_path).size(answer_key(ask.ask_id)) is None
    assert await nothing_left(redis)


async def test_an_error_is_raised_as_the_documents_own(bench: Workbench, asks: Asks) -> None:
    checking = asyncio.create_task(bench.check("letter", "ab" * 32, None))
    ask = await taken(asks)
    error = DocumentError(code="template_error", message="No such variable.", line=3)
    await asks.answer(ask.ask_id, Answer(error=error))
    with pytest.raises(DocumentFailed) as caught:
        await checking
    assert caught.value.error == error


async def test_without_a_generator_the_asker_hears_so_soon(bench: Workbench, redis: Redis) -> None:
    async with asyncio.timeout(4):
        with pytest.raises(NoGenerator, match="No generator was free for 0.5 s"):
            await bench.check("letter", "ab" * 32, None)
    left = [key async for key in redis.scan_iter(match="{pw}:ask:*")]
    assert left == []


async def test_a_generator_that_dies_is_noticed_when_its_hold_ends(bench: Workbench, asks: Asks) -> None:
    checking = asyncio.create_task(bench.check("letter", "ab" * 32, None))
    await taken(asks)
    async with asyncio.timeout(HELD_MS / 1000 + 4):
        with pytest.raises(NoGenerator, match="lost while it worked"):
            await checking


async def test_an_ask_that_cannot_be_read_is_lost_and_the_next_is_served(
    bench: Workbench, asks: Asks, redis: Redis
) -> None:
    checking = asyncio.create_task(bench.check("letter", "ab" * 32, None))
    await asks.wait(5)
    (key,) = [key async for key in redis.scan_iter(match="{pw}:ask:*")]
    await redis.hset(key, "ask", '{"kind": "of a newer release"}')
    await asks.put(a_check("next"), "somebody")
    assert (await taken(asks)).model_dump()["name"] == "next"
    with pytest.raises(NoGenerator):
        await checking


async def test_an_asker_that_hangs_up_is_not_served(bench: Workbench, asks: Asks) -> None:
    for begun in (False, True):
        checking = asyncio.create_task(bench.check("letter", "ab" * 32, None))
        await asks.wait(5)
        ask = await taken(asks) if begun else None
        checking.cancel()
        await asyncio.gather(checking, return_exceptions=True)
        assert await asks.take() is None
        if ask is not None:
            assert not await asks.hold(ask.ask_id)
            assert not await asks.answer(ask.ask_id, Answer(verdict=Verdict()))


async def test_users_take_turns_and_busy_ones_wait(asks: Asks) -> None:
    flood = [a_check(f"flood-{number}") for number in range(3)]
    for ask in flood:
        await asks.put(ask, "greedy")
    other = a_check("other")
    await asks.put(other, "modest")
    first, second = await asks.take(), await asks.take()
    assert first and second and (first.ask, second.ask) == (flood[0], other)
    assert await asks.take(busy={"greedy"}) is None
    third = await asks.take()
    assert third and (third.ask, third.user) == (flood[1], "greedy")


async def test_who_has_too_many_waiting_is_refused_and_so_is_everybody_when_it_is_full(scripts: Scripts) -> None:
    asks = Asks(scripts, AskLimits(waiting=3, waiting_per_user=2))
    for _ in range(2):
        await asks.put(a_check(), "one")
    with pytest.raises(TooManyRenders):
        await asks.put(a_check(), "one")
    await asks.put(a_check(), "two")
    with pytest.raises(SystemFull):
        await asks.put(a_check(), "three")


async def test_what_nobody_waits_for_takes_no_place(scripts: Scripts) -> None:
    asks = Asks(scripts, AskLimits(waiting=1, waiting_per_user=1))
    given_up = a_check()
    await asks.put(given_up, "one")
    assert await asks.drop(given_up.ask_id)
    fresh = a_check()
    await asks.put(fresh, "one")
    await asks.put(fresh, "one")  # the client library repeats what it has no answer to
    first = await asks.take()
    assert first and first.ask == fresh
    assert await asks.take() is None


async def test_an_ask_whose_time_has_passed_is_not_taken(scripts: Scripts) -> None:
    asks = Asks(scripts, AskLimits(wait_ms=-1))
    await asks.put(a_check(), "one")
    assert await asks.take() is None


async def test_every_key_of_an_ask_expires(asks: Asks, redis: Redis) -> None:
    for _ in range(2):
        await asks.put(a_check(), "one")
    ask = await taken(asks)
    other = await taken(asks)
    await asks.put(a_check(), "one")
    await asks.answer(ask.ask_id, Answer(verdict=Verdict()))
    keys = [key async for key in redis.scan_iter() if not key.endswith("wake:ask")]
    assert {key.split(":")[1] for key in keys} == {"ask", "asks", "ask_ring", "ask_held", "answer"}
    for key in keys:
        assert await redis.pttl(key) > 0, key
    assert not await asks.hold(uuid4()) and await asks.hold(other.ask_id)
