"""Templates outlive Redis: their events reach ClickHouse, and come back from there; their sources are not pruned."""

from collections.abc import AsyncIterator
from pathlib import Path
from uuid import UUID, uuid4

import pytest

from backends.blobs import FileBlobStore
from backends.clickhouse import ClickHouse
from backends.history_templates import HistoryTemplates, bring_templates_back
from backends.scripts import Scripts
from backends.template_store import TemplateStore
from contracts.errors import Conflict, VersionMismatch
from contracts.ids import new_id, now_ms
from contracts.templates import TemplateHead, TemplateVersion, bundle_key
from generator.maintenance.retention import DAY_MS
from generator.shipper import Shipper
from tests.conftest import WaitUntil
from tests.integration.conftest import Api, a_template
from tests.integration.doctor_stage import Clinic, found_mended_and_gone
from tests.integration.history_servers import Server, fresh_database, fresh_prefix
from tests.integration.pruning_stage import Stage, prune_with
from tests.integration.template_stage import INFERRED, add, inspecting, made

NOTE = "/v1/templates/note"
DIGEST = "ef" * 32
SCHEMA = '{"type":"object"}'


def head(owner_id: UUID, name: str = "note", **changes: object) -> TemplateHead:
    version = TemplateVersion(version=1, sha256=DIGEST, engines={"pdf": "typst"}, created_at=now_ms())
    plain: dict[str, object] = {
        "name": name,
        "owner_id": owner_id,
        "engine": "typst",
        "formats": ("pdf",),
        "versions": (version,),
        "tags": {"production": 1},
        "sample": {"ключ": [1e300, 2**70, None, "\u0001\"'"]},
        "created_at": 1_790_000_000_000,
        "updated_at": 1_790_000_000_000,
        "first_at": 1_790_000_000_000,
        "revision": 1,
        "last_version": 1,
    }
    return TemplateHead.model_validate({**plain, **changes})


async def test_every_change_is_an_event_and_the_newest_state_a_row(
    api: Api, shipping: Shipper, wait_until: WaitUntil
) -> None:
    member, owner = await api.user()
    async with inspecting(api):
        await made(member)
        await add(member, b"= Two")
    await member.put(f"{NOTE}/tags/beta", json={"version": 2})
    await member.patch(NOTE, json={"title": "Note"})
    await member.delete(f"{NOTE}/tags/beta")
    await member.delete(NOTE)
    sql = "SELECT event, version, owner_id, toString(actor_id) AS actor, length(schemas) AS new FROM template_events"

    async def events() -> list[dict[str, object]]:
        return [dict(row) for row in await api.clickhouse.rows(f"{sql} ORDER BY version")]

    async def shipped() -> bool:
        return len(await events()) == 6

    await wait_until(shipped, "six events")
    words = ["created", "version_added", "tagged", "updated", "untagged", "deleted"]
    assert [(row["event"], row["version"]) for row in await events()] == [
        (f"template.{word}", number) for number, word in enumerate(words, start=1)
    ]
    assert {(row["owner_id"], row["actor"]) for row in await events()} == {(owner, owner)}
    assert [row["new"] for row in await events()] == [1, 1, 0, 0, 0, 0]
    ((newest),) = await api.clickhouse.rows("SELECT name, version, deleted FROM templates FINAL")
    assert newest == {"name": "note", "version": 6, "deleted": 1}


async def test_a_change_shows_in_history_at_once(api: Api) -> None:
    async with inspecting(api):
        await made(api.admin)
    (kept,) = await HistoryTemplates(api.clickhouse).heads()
    assert kept == await TemplateStore(api.scripts).of_owner("note", kept.owner_id or uuid4())


async def test_templates_come_back_when_redis_has_lost_everything(
    api: Api, shipping: Shipper, wait_until: WaitUntil
) -> None:
    member, owner = await api.user()
    async with inspecting(api):
        await made(member, visibility="shared", sample='{"name": "Ada"}')
        await made(member, "gone")
        await add(member, b"= Two", publish="true")
    await member.delete("/v1/templates/gone")
    before = (await member.get(NOTE)).json()

    async def shipped() -> bool:
        return not await api.scripts.redis.xlen(f"{api.scripts.prefix}events")

    await wait_until(shipped, "everything is shipped")
    await api.scripts.redis.flushdb()

    async def back() -> bool:
        return (await member.get(NOTE)).status_code == 200

    await wait_until(back, "the templates are back")
    await TemplateStore(api.scripts).ship(a_template())
    answer = await member.get(NOTE)
    assert answer.json() == before and answer.headers["ETag"] == '"2"'
    assert (await api.admin.get(NOTE)).json()["owner_id"] == owner, "it is shared again"
    schema = await member.get(f"{NOTE}/schema")
    assert (schema.json(), schema.headers["Presswork-Schema"]) == (INFERRED, "inferred")
    assert (await member.get("/v1/templates/gone")).status_code == 404
    async with inspecting(api):
        again = await made(member, "gone")
        third = await add(member, b"= Three")
    assert (again["version"], third.json()["version"]) == (2, 3), "numbers never recur"


async def test_heads_come_back_as_they_were_whatever_their_sample_holds(
    scripts: Scripts, clickhouse: ClickHouse
) -> None:
    store, history, owner = TemplateStore(scripts), HistoryTemplates(clickhouse), new_id()
    written = head(owner, visibility="shared")
    line = await _stored(scripts, clickhouse, store, written)
    assert line.count(b'"schemas"') == 1
    await scripts.redis.flushdb()
    assert await bring_templates_back(history, store) == 1
    assert await store.of_owner("note", owner) == written == await store.find_now("note", new_id())
    assert await store.schemas(written) == {"1": SCHEMA}
    await store.put(written.model_copy(update={"revision": 2, "title": "newer"}), "template.updated", None)
    await bring_templates_back(history, store)
    assert (await store.find_now("note", owner) or written).title == "newer", "what Redis has is newer, and stays"


async def _stored(scripts: Scripts, clickhouse: ClickHouse, store: TemplateStore, written: TemplateHead) -> bytes:
    """Put a head and store its event, as the shipper does."""
    await store.put(written, "template.created", None, {1: SCHEMA})
    ((_, fields),) = await scripts.redis.xrange(f"{scripts.prefix}events")
    line = str(fields["t"]).encode()
    await clickhouse.insert_lines("template_events", [line], token=uuid4().hex)
    return line


async def test_a_put_compares_the_revision_and_keeps_shared_names_unique(scripts: Scripts) -> None:
    store, one, two = TemplateStore(scripts), new_id(), new_id()
    await store.put(head(one, visibility="shared"), "template.created", one)
    with pytest.raises(VersionMismatch):
        await store.put(head(one), "template.created", one)
    with pytest.raises(Conflict) as refused:
        await store.put(head(two, visibility="shared"), "template.created", two)
    assert refused.value.code == "name_taken"
    await store.put(head(two), "template.created", two)
    await store.put(head(one, revision=2, deleted_at=1, visibility="shared"), "template.deleted", one)
    await store.put(head(two, revision=2, visibility="shared"), "template.updated", two)
    found = await store.find_now("note", one)
    assert found is not None and found.owner_id == two
    assert [known.owner_id for known in await store.visible_to(one)] == [two] and await store.count(one) == 0
    await store.ship(a_template())
    with pytest.raises(Conflict) as refused:
        await store.put(head(two, "letter"), "template.created", two)
    assert refused.value.code == "name_reserved"


async def test_the_doctor_brings_templates_back_in_both_directions(clinic: Clinic) -> None:
    store = TemplateStore(clinic.scripts)
    written = head(clinic.user_id)
    await clinic.blobs.put(bundle_key(DIGEST), b"PK")
    await store.put(written, "template.created", None, {1: SCHEMA})
    await clinic.ship()
    await clinic.clickhouse.command("TRUNCATE TABLE template_events")
    await clinic.clickhouse.command("TRUNCATE TABLE templates")
    await found_mended_and_gone(clinic, {"template-history:template": 1})
    await clinic.lose_redis()
    lost = {"serving-set:user": 1, "serving-set:key": 1, "serving-set:template": 5, "serving-set:mark": 1}
    await found_mended_and_gone(clinic, {**lost, "serving-set:upload": 1})
    assert await store.of_owner("note", clinic.user_id) == written
    assert await store.schemas(written) == {"1": SCHEMA}


@pytest.fixture
async def stage(clickhouse_node: Server, redis_node: Server, tmp_path: Path) -> AsyncIterator[Stage]:
    async with fresh_database(clickhouse_node.url) as clickhouse, fresh_prefix(redis_node.url) as scripts:
        stage = Stage(scripts, clickhouse, FileBlobStore(tmp_path / "blobs"))
        await stage.templates.ship(a_template())
        await stage.blobs.put(bundle_key(DIGEST), b"PK")
        yield stage


async def pruned(stage: Stage, ahead_ms: int = 2 * DAY_MS) -> set[str]:
    pruning = stage.pruning()
    stage.ahead_ms = 0
    await prune_with(pruning)
    stage.ahead_ms = ahead_ms
    return await prune_with(pruning)


async def test_the_source_of_a_users_template_stays_also_while_only_history_knows_it(stage: Stage) -> None:
    owner = new_id()
    await stage.templates.put(head(owner), "template.created", owner)
    await stage.ship()
    assert await pruned(stage) == set()
    keys = [key async for key in stage.scripts.redis.scan_iter(match=f"{stage.scripts.prefix}*template*")]
    await stage.scripts.redis.delete(*keys)
    await stage.templates.ship(a_template())
    assert await stage.templates.owned() == []
    assert await pruned(stage) == set(), "Redis was lost, and is not rebuilt yet"


async def test_the_source_of_a_deleted_template_stays_as_long_as_its_documents_may_be_retried(stage: Stage) -> None:
    owner = new_id()
    await stage.templates.put(head(owner), "template.created", owner)
    await stage.templates.put(head(owner, revision=2, deleted_at=now_ms()), "template.deleted", owner)
    await stage.ship()
    assert await pruned(stage) == set()
    assert await pruned(stage, ahead_ms=9 * DAY_MS) == set(), "it was missed only now"
    stage.ahead_ms = 9 * DAY_MS
    pruning = stage.pruning()
    await prune_with(pruning)
    stage.ahead_ms = 11 * DAY_MS
    assert await prune_with(pruning) == {bundle_key(DIGEST)}
