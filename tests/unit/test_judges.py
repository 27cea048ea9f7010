"""Judging by a schema that takes long happens elsewhere, for so long, and keeps nobody waiting."""

import asyncio
import re
import time
from collections.abc import AsyncIterator
from pathlib import Path

import psutil
import pytest

from app.services.judge_child import MEMORY_BYTES, Judgement
from app.services.judges import WAITING, Judges
from contracts.errors import Invalid, RateLimited
from contracts.ids import new_id
from contracts.templates import Validation
from generator.shipped import ShippedTemplate, load_shipped

ANN, BOB = new_id(), new_id()
#: Each value is compared with each branch, and each that fits none is told of with all of them: a minute of work.
SLOW: dict[str, object] = {"properties": {"x": {"items": {"anyOf": [{"const": number} for number in range(2_000)]}}}}
SLOW_DATA: dict[str, object] = {"x": [-1] * 2_000}
PLAIN: dict[str, object] = {"properties": {"x": {"items": {"type": "integer"}}}, "required": ["name"]}


def order(
    schema: dict[str, object], data: dict[str, object], validation: Validation | None = None, *, given: bool = True
) -> Judgement:
    return Judgement(schema_=schema, data=data, validation=validation, given=given)


@pytest.fixture
async def judges() -> AsyncIterator[Judges]:
    made = Judges(judged_s=1.0)
    yield made
    await made.close()


def processes() -> list[int]:
    """Return the processes that judge for this one."""
    children = psutil.Process().children(recursive=True)
    return [child.pid for child in children if any("judge_child" in word for word in child.cmdline())]


async def longest_gap(stop: asyncio.Event) -> float:
    """Return for how long at most this event loop did nothing else, in seconds."""
    longest, last = 0.0, time.perf_counter()
    while not stop.is_set():
        await asyncio.sleep(0.002)
        now = time.perf_counter()
        longest, last = max(longest, now - last), now
    return longest


async def flaws_of(judges: Judges, wanted: Judgement) -> list[tuple[str, str]]:
    with pytest.raises(Invalid) as refusal:
        await judges.judge(ANN, wanted)
    return [(flaw.pointer, flaw.code) for flaw in refusal.value.flaws]


@pytest.mark.parametrize("template", load_shipped(), ids=lambda template: template.name)
async def test_what_ships_is_judged_at_once(judges: Judges, template: ShippedTemplate) -> None:
    assert template.data_schema is not None
    assert await judges.judge(ANN, order(template.data_schema, template.sample)) == ()
    assert await flaws_of(judges, order(template.data_schema, {}))
    assert judges._idle == []


async def test_much_data_is_judged_elsewhere_with_the_same_outcome(judges: Judges) -> None:
    many: dict[str, object] = {"x": [*range(150_000), "a"], "name": "Ada"}
    assert await flaws_of(judges, order(PLAIN, many)) == [("/data/x/150000", "data_invalid")]
    assert len(judges._idle) == 1
    assert await judges.judge(ANN, order(PLAIN, {**many, "x": [*range(150_000)]})) == ()
    warned = await judges.judge(ANN, order(PLAIN, {"x": [*range(150_000)]}, "warn"))
    assert [(one.code, one.message) for one in warned] == [("data_missing", "/data/name: The template needs `name`.")]
    with pytest.raises(ValueError, match="type"):
        await judges.judge(ANN, order({"type": 7, "title": "x" * 20_000}, {}))


async def test_a_neighbour_waits_for_nothing_while_a_hostile_schema_is_judged(judges: Judges) -> None:
    stop = asyncio.Event()
    watching = asyncio.create_task(longest_gap(stop))
    hostile = asyncio.create_task(flaws_of(judges, order(SLOW, SLOW_DATA)))
    await asyncio.sleep(0.05)
    began = time.perf_counter()
    assert await flaws_of(judges, order(PLAIN, {})) == [("/data/name", "data_missing")]
    assert time.perf_counter() - began < 0.3
    assert await hostile == [("/data", "too_large")]
    stop.set()
    assert await watching < 0.3
    assert judges._idle == [] and processes() == []


async def test_an_inferred_schema_that_takes_too_long_warns(judges: Judges) -> None:
    (warned,) = await judges.judge(ANN, order(SLOW, SLOW_DATA, given=False))
    assert warned.code == "too_large" and "1 s" in warned.message


async def test_a_user_waits_for_itself_and_only_so_much_waits(judges: Judges) -> None:
    asked = [asyncio.create_task(judges.judge(ANN, order(SLOW, SLOW_DATA))) for _ in range(WAITING + 1)]
    await asyncio.sleep(0.1)
    with pytest.raises(RateLimited):
        await asked[-1]
    began = time.perf_counter()
    assert await judges.judge(BOB, order(PLAIN, {"x": [*range(150_000)], "name": ""})) == ()
    assert time.perf_counter() - began < 10
    for task in asked:
        task.cancel()
    await asyncio.gather(*asked, return_exceptions=True)
    assert judges._waiting == {}


async def test_a_schema_is_read_elsewhere_before_it_is_used(judges: Judges) -> None:
    await judges.require(ANN, PLAIN)
    for schema, why in (({"type": 7}, "type"), ({"properties": {"a": {"$ref": "#"}}}, "itself")):
        with pytest.raises(ValueError, match=why):
            await judges.require(ANN, schema)


async def test_a_process_is_the_first_to_go_when_memory_is_short(judges: Judges) -> None:
    await judges.require(ANN, PLAIN)
    (process,) = judges._idle
    limits = Path(f"/proc/{process.pid}/limits").read_text()
    (address_space,) = re.findall(r"Max address space +(\d+)", limits)
    assert MEMORY_BYTES < int(address_space) < MEMORY_BYTES + 2**30
    assert Path(f"/proc/{process.pid}/oom_score_adj").read_text() == "1000\n"


async def test_a_process_that_died_is_replaced(judges: Judges) -> None:
    await judges.require(ANN, PLAIN)
    (first,) = judges._idle
    first.kill()
    await first.wait()
    await judges.require(ANN, PLAIN)
    assert [process.pid for process in judges._idle] == processes() != [first.pid]
