"""Rows that ClickHouse cannot store: they go to quarantine alone, and their documents stay where they can be read."""

import json
from collections.abc import AsyncIterator
from pathlib import Path
from uuid import UUID

import pytest

from backends.clickhouse import ClickHouse
from contracts.ids import new_id
from contracts.jobs import GenerationJob
from tests.integration.history_rows import row
from tests.integration.history_servers import Server, job, wait_until
from tests.integration.ill_history import ill_history
from tests.integration.shipper_stage import TTL_S, Stage, fresh_stage

Line = tuple[str, str]


@pytest.fixture
async def stage(clickhouse_node: Server, redis_node: Server, tmp_path: Path) -> AsyncIterator[Stage]:
    async with fresh_stage(clickhouse_node.url, redis_node.url, tmp_path) as one:
        yield one


def good() -> Line:
    return "d", row(document_id=new_id()).model_dump_json()


def spoilt(**fields: object) -> Line:
    return "d", json.dumps({**json.loads(good()[1]), **fields}, separators=(",", ":"))


POISON: dict[str, Line] = {
    "no uuid": spoilt(document_id="not-a-uuid"),
    "no number": spoilt(created_at="soon"),
    "no map": spoilt(metadata=7),
    "text for a number": spoilt(template_version="three"),
    "a list for a number": spoilt(run=[1]),
    "cut off": ("d", good()[1][:-40]),
    "cut off, but closed": ("d", good()[1][:-40] + "}"),
    "no JSON": ("d", "poison"),
    "no JSON of a user": ("u", "{poison}"),
    "a webhook of nobody": ("w", '{"delivery_id":"nobody","attempt":1}'),
    "unknown kind": ("?", "{}"),
    "empty": ("k", ""),
}


async def add_all(stage: Stage, lines: list[Line]) -> None:
    async with stage.scripts.redis.pipeline(transaction=False) as pipe:
        for kind, line in lines:
            pipe.xadd(f"{stage.scripts.prefix}events", {kind: line})
        await pipe.execute()


@pytest.mark.parametrize("kind", POISON)
async def test_a_poisoned_row_is_set_apart_with_its_reason_and_its_neighbours_arrive(stage: Stage, kind: str) -> None:
    await add_all(stage, [good(), good(), POISON[kind], good()])
    shipper = stage.shipper()
    await shipper.ship_once()
    assert await stage.count("document_events") == await stage.count("documents FINAL") == 3
    found = await stage.clickhouse.rows("SELECT kind, line, reason != '' AS has_reason FROM events_quarantine FINAL")
    assert found == [{"kind": POISON[kind][0], "line": POISON[kind][1], "has_reason": 1}]
    assert shipper.counters.quarantined == 1 and await stage.waiting() == 0


async def test_one_poisoned_row_in_a_thousand_costs_few_inserts(stage: Stage) -> None:
    lines = [good() for _ in range(5000)]
    for place, poison in zip(range(500, 5000, 1000), POISON.values(), strict=False):
        lines[place] = poison
    await add_all(stage, lines)
    async with ill_history(stage.clickhouse, []) as (proxy, client):
        assert await stage.shipper(client).ship_once() == 5000
    assert await stage.count("document_events") == await stage.count("documents FINAL") == 4995
    assert await stage.count("events_quarantine") == 5
    assert proxy.inserts <= 5 * 10, "halving until each is found takes twice as many"


async def test_a_batch_of_nothing_but_poison_ends_in_quarantine(stage: Stage) -> None:
    await add_all(stage, [spoilt(metadata=number) for number in range(60)])
    assert await stage.shipper().ship_once() == 60
    assert await stage.count("events_quarantine") == 60
    assert await stage.count("document_events") == await stage.waiting() == 0


async def spoil_newest(stage: Stage) -> None:
    """Damage the newest event in the stream, as a row that this version of the tables cannot take."""
    stream = f"{stage.scripts.prefix}events"
    ((entry_id, fields),) = await stage.scripts.redis.xrevrange(stream, count=1)
    await stage.scripts.redis.xdel(stream, entry_id)
    await stage.add("d", json.dumps({**json.loads(fields["d"]), "metadata": 7}, separators=(",", ":")))


async def ended_in_quarantine(stage: Stage) -> GenerationJob:
    one = job()
    await stage.accept(one)
    await stage.finish(1)
    await spoil_newest(stage)
    return one


async def in_history(clickhouse: ClickHouse, document_id: UUID) -> object:
    rows = await clickhouse.rows(
        "SELECT status FROM documents FINAL WHERE document_id = {id:UUID}", {"id": str(document_id)}
    )
    return rows[0]["status"]


async def test_a_document_whose_last_row_is_in_quarantine_stays_in_redis(stage: Stage) -> None:
    one = await ended_in_quarantine(stage)
    await stage.shipper().ship_once()
    assert await in_history(stage.clickhouse, one.document_id) == "rendering", "history knows an older state only"
    assert await stage.ttl("doc", one.document_id) == await stage.ttl("job", one.document_id) == -1
    live = await stage.queue.live(one.document_id)
    assert live is not None and live.status == "completed"


async def test_it_stays_even_if_its_shipper_died_before_it_could_confirm(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    one, shipper = await ended_in_quarantine(stage), stage.shipper()

    async def dies(*_: object) -> int:
        raise ConnectionAbortedError

    monkeypatch.setattr(shipper._events, "confirm", dies)
    with pytest.raises(ConnectionAbortedError):
        await shipper.ship_once()
    await stage.shipper().ship_once()
    assert await stage.waiting() == 0
    assert await stage.ttl("doc", one.document_id) == -1


async def test_it_may_go_once_a_later_row_is_stored(stage: Stage) -> None:
    one = await ended_in_quarantine(stage)
    await stage.shipper().ship_once()
    await stage.queue.delete(one.document_id)
    await stage.shipper().ship_once()
    assert 0 < await stage.ttl("doc", one.document_id) <= TTL_S
    assert await stage.count("documents FINAL", "sum(deleted)") == 1


async def test_an_event_of_several_fields_is_no_kind_of_ours(stage: Stage) -> None:
    stream = f"{stage.scripts.prefix}events"
    await stage.scripts.redis.xadd(stream, {"d": good()[1], "also": "this"})
    await add_all(stage, [good()])
    await stage.shipper().ship_once()
    assert await stage.count("document_events") == 1 and await stage.waiting() == 0
    (found,) = await stage.clickhouse.rows("SELECT line FROM events_quarantine FINAL")
    assert str(found["line"]).startswith('d {"document_id"') and str(found["line"]).endswith("also this")


async def test_the_newest_event_may_be_no_text_at_all(stage: Stage) -> None:
    stream = f"{stage.scripts.prefix}events"
    await stage.scripts.redis.xadd(stream, {b"d": b"\xff\xfe"})
    shipper = stage.shipper()
    async with shipper._lease.kept():
        await wait_until(lambda: shipper._lease.held, "the role is acquired")
        assert await shipper.flush(60)
    assert await stage.count("events_quarantine") == 1
