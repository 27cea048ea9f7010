"""Templates over HTTP: who sees and changes them, tags, settings, deletion, and what data they take."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from backends.asks import AskLimits
from contracts.jobs import GenerationJob
from tests.integration.conftest import Api
from tests.integration.template_stage import Inspector, add, inspecting, made, problem, upload

NOTE = "/v1/templates/note"


@pytest.fixture
async def inspector(api: Api) -> AsyncIterator[Inspector]:
    async with inspecting(api) as running:
        yield running


pytestmark = pytest.mark.usefixtures("inspector")


def nested(levels: int) -> dict[str, object]:
    value: dict[str, object] = {}
    for _ in range(levels):
        value = {"a": value}
    return value


async def job_of(api: Api, document_id: str) -> GenerationJob:
    text = await api.scripts.redis.get(f"{api.scripts.prefix}job:{document_id}")
    return GenerationJob.model_validate_json(text)


async def test_a_private_template_is_its_owners_and_the_admins(api: Api) -> None:
    member, owner = await api.user()
    other, _ = await api.user()
    await made(member)
    paths = ("", "/versions", "/versions/1", "/versions/1/source", "/schema", f"?owner_id={owner}")
    for path in paths:
        assert (await member.get(NOTE + path)).status_code == 200, path
        assert (await other.get(NOTE + path)).status_code == 404, path
        query = path if "?" in path else f"{path}?owner_id={owner}"
        assert (await api.admin.get(NOTE + query)).status_code == 200, path
    names = [
        {item["name"] for item in (await client.get("/v1/templates")).json()["items"]}
        for client in (member, other, api.admin)
    ]
    assert names == [{"note", "letter"}, {"letter"}, {"note", "letter"}]
    refused = await other.post("/v1/documents", json={"template": "note", "data": {}})
    assert refused.json()["errors"][0]["code"] == "unknown_template"


async def test_a_shared_template_is_everybodys_to_use_and_its_owners_to_change(api: Api) -> None:
    member, owner = await api.user()
    other, _ = await api.user()
    viewer, _ = await api.user("viewer")
    await made(member, visibility="shared")
    for client in (other, viewer):
        assert (await client.get(NOTE)).json()["owner_id"] == owner
        assert (await client.get(f"{NOTE}/versions/1/source")).status_code == 200
    accepted = await other.post("/v1/documents", json={"template": "note", "data": {"name": "A"}})
    assert accepted.status_code == 202
    calls = [
        other.patch(NOTE, json={"title": "Mine"}),
        other.delete(NOTE),
        other.put(f"{NOTE}/tags/beta", json={"version": 1}),
        other.delete(f"{NOTE}/tags/production"),
        add(other, b"= Mine"),
        viewer.patch(NOTE, json={"title": "Mine"}),
        upload(viewer, "mine"),
    ]
    for call in calls:
        assert problem(await call)[:2] == (403, "forbidden")
    assert (await api.admin.patch(NOTE, json={"title": "Checked"})).json()["title"] == "Checked"
    assert (await member.get(NOTE)).json()["title"] == "Checked"


async def test_ones_own_template_goes_before_a_shared_one(api: Api) -> None:
    member, owner = await api.user()
    other, mine = await api.user()
    await made(member, visibility="shared")
    await made(other)
    assert (await other.get(NOTE)).json()["owner_id"] == mine
    assert (await other.get(f"{NOTE}?owner_id={owner}")).json()["owner_id"] == owner
    assert problem(await other.patch(NOTE, json={"visibility": "shared"}))[:2] == (409, "name_taken")
    await member.patch(NOTE, json={"visibility": "private"})
    assert (await other.patch(NOTE, json={"visibility": "shared"})).status_code == 200
    assert (await api.admin.get(NOTE)).json()["owner_id"] == mine


async def test_a_template_that_ships_with_presswork_cannot_be_changed(api: Api) -> None:
    path = "/v1/templates/letter"
    calls = [
        api.admin.patch(path, json={"title": "Mine"}),
        api.admin.delete(path),
        api.admin.put(f"{path}/tags/beta", json={"version": 1}),
        api.admin.delete(f"{path}/tags/production"),
        add(api.admin, b"= Mine", "letter"),
    ]
    for call in calls:
        assert problem(await call)[:2] == (403, "shipped_template")


async def test_settings_are_changed_field_by_field(api: Api) -> None:
    member, _ = await api.user()
    await made(member, sample='{"name": "Ada"}')
    changes = {"title": "Note", "validation": "warn", "missing": "mark", "schema": {"type": "object"}}
    changed = await member.patch(NOTE, json=changes)
    assert (changed.status_code, changed.headers["ETag"]) == (200, '"2"')
    shown = changed.json()
    assert (shown["title"], shown["validation"], shown["missing"]) == ("Note", "warn", "mark")
    assert shown["sample"] == {"name": "Ada"}, "what is left out stays"
    cleared = (await member.patch(NOTE, json={"sample": None, "schema": None, "validation": None})).json()
    assert (cleared["sample"], cleared["validation"], cleared["title"]) == (None, None, "Note")
    assert (await member.get(f"{NOTE}/schema")).headers["Presswork-Schema"] == "inferred"


async def test_if_match_refuses_a_change_of_another_revision(api: Api) -> None:
    member, _ = await api.user()
    await made(member)
    assert (await member.patch(NOTE, json={"title": "B"}, headers={"If-Match": '"1"'})).status_code == 200
    stale = {"If-Match": '"1"'}
    calls = [
        member.patch(NOTE, json={"title": "C"}, headers=stale),
        member.put(f"{NOTE}/tags/beta", json={"version": 1}, headers=stale),
        member.delete(NOTE, headers=stale),
    ]
    for call in calls:
        assert problem(await call)[:2] == (412, "version_mismatch")
    assert (await member.get(NOTE)).json()["title"] == "B"


async def test_changes_of_different_fields_at_once_are_all_kept(api: Api) -> None:
    member, _ = await api.user()
    await made(member)
    bodies = [{"title": "N"}, {"missing": "error"}, {"validation": "off"}, {"sample": {"a": 1}}] * 4
    answers = await asyncio.gather(*(member.patch(NOTE, json=body) for body in bodies))
    assert {answer.status_code for answer in answers} == {200}
    shown = (await member.get(NOTE)).json()
    assert (shown["title"], shown["missing"], shown["validation"], shown["sample"]) == ("N", "error", "off", {"a": 1})


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        ({"schema": {"type": "thing"}}, "/schema"),
        ({"schema": {"$ref": "https://example.com/schema.json"}}, "/schema"),
        ({"schema": {"pattern": "("}}, "/schema"),
        ({"schema": {"properties": {"child": {"$ref": "#"}}}}, "/schema"),
        ({"schema": []}, "/schema"),
        ({"schema": {"description": "x" * 300_000}}, "/schema"),
        ({"sample": {"a": "x" * 300_000}}, "/sample"),
        ({"sample": nested(80)}, "/sample"),
        ({"schema": nested(170)}, "/schema"),
        ({"visibility": None}, "/visibility"),
        ({"missing": "ignore"}, "/missing"),
        ({"title": "a\u0000"}, "/title"),
        ({"name": "other"}, "/name"),
    ],
)
async def test_what_is_wrong_with_a_change_is_pointed_at(api: Api, body: dict[str, object], pointer: str) -> None:
    member, _ = await api.user()
    await made(member)
    assert problem(await member.patch(NOTE, json=body)) == (422, "invalid_request", pointer)


async def test_tags_name_versions_and_production_rolls_back(api: Api) -> None:
    member, _ = await api.user()
    await made(member)
    await add(member, b"= Two", publish="true")
    assert (await member.put(f"{NOTE}/tags/beta", json={"version": 2})).json()["tags"] == {"production": 2, "beta": 2}
    assert (await member.put(f"{NOTE}/tags/production", json={"version": 1})).json()["tags"]["production"] == 1
    references = {"note": 1, "note@beta": 2, "note@2": 2}
    for reference, version in references.items():
        body = {"template": reference, "data": {"name": "A"}}
        await asyncio.sleep(0.6)  # heads are up to half a second old
        accepted = (await member.post("/v1/documents", json=body)).json()
        pinned = (await job_of(api, accepted["id"])).template
        assert pinned is not None and pinned.version == version, reference
    assert (await member.delete(f"{NOTE}/tags/beta")).status_code == 204
    assert (await member.delete(f"{NOTE}/tags/beta")).status_code == 404
    assert problem(await member.delete(f"{NOTE}/tags/production"))[:2] == (409, "production_needed")
    assert problem(await member.put(f"{NOTE}/tags/beta", json={"version": 9}))[2] == "/version"
    for number in ("1", True, 1.0):
        assert problem(await member.put(f"{NOTE}/tags/beta", json={"version": number}))[2] == "/version"
    for tag in ("7", "a b", "x" * 65):
        assert problem(await member.put(f"{NOTE}/tags/{tag}", json={"version": 1}))[2] == "/tag"


async def test_formats_are_those_of_production(api: Api) -> None:
    member, _ = await api.user()
    await made(member)
    second = await add(member, b"PK", filename="note.docx", publish="true")
    assert (second.json()["engine"], second.json()["formats"]) == ("docx", ["docx"])
    back = await member.put(f"{NOTE}/tags/production", json={"version": 1})
    assert (back.json()["engine"], back.json()["formats"]) == ("typst", ["pdf", "png", "svg"])


async def test_a_deleted_template_is_gone_and_its_documents_can_be_made_again(api: Api) -> None:
    member, owner = await api.user()
    await made(member)
    accepted = (await member.post("/v1/documents", json={"template": "note", "data": {"name": "A"}})).json()
    await member.post(f"/v1/documents/{accepted['id']}/cancel")
    assert (await member.delete(NOTE)).status_code == 204
    for path in ("", "/versions", "/versions/1/source", "/schema"):
        assert (await member.get(NOTE + path)).status_code == 404
        assert (await api.admin.get(f"{NOTE}{path}?owner_id={owner}")).status_code == 404
    assert (await member.delete(NOTE)).status_code == 404
    assert "note" not in {item["name"] for item in (await api.admin.get("/v1/templates")).json()["items"]}
    retried = await member.post(f"/v1/documents/{accepted['id']}/retry")
    assert (retried.status_code, retried.json()["template"]["version"]) == (200, 1)


async def test_an_idempotency_key_replays_when_the_template_has_gone_or_wants_other_data(api: Api) -> None:
    member, _ = await api.user()
    await made(member)
    document, key = {"template": "note", "data": {"name": "A"}}, {"Idempotency-Key": "once"}
    first = await member.post("/v1/documents", json=document, headers=key)
    await member.patch(NOTE, json={"schema": {"required": ["number"]}})
    await asyncio.sleep(0.6)  # heads are up to half a second old
    assert problem(await member.post("/v1/documents", json=document))[2] == "/data/number"
    for gone in (False, True):
        if gone:
            await member.delete(NOTE)
            await asyncio.sleep(0.6)
        again = await member.post("/v1/documents", json=document, headers=key)
        assert (again.status_code, again.json(), again.headers["Idempotency-Replayed"]) == (202, first.json(), "true")
        other = await member.post("/v1/documents", json={**document, "data": {}}, headers=key)
        assert problem(other)[:2] == (422, "idempotency_mismatch")
    assert problem(await member.post("/v1/documents", json=document, headers={"Idempotency-Key": "new"}))[0] == 422


async def test_a_name_that_is_used_again_counts_its_versions_on(api: Api) -> None:
    member, _ = await api.user()
    await made(member, visibility="shared")
    await add(member, b"= Two")
    await member.delete(NOTE)
    again = await made(member, content=b"= Anew")
    assert (again["version"], again["tags"], again["visibility"]) == (3, {"production": 3}, "private")
    assert [item["version"] for item in (await member.get(f"{NOTE}/versions")).json()["items"]] == [3]
    assert (await member.get(f"{NOTE}/versions/1")).status_code == 404
    unknown = await member.post("/v1/documents", json={"template": "note@1", "data": {}})
    assert unknown.json()["errors"][0]["code"] == "unknown_template"


@pytest.mark.parametrize(
    ("validation", "strict", "data", "status", "warned"),
    [
        (None, False, {"name": "A", "items": []}, 202, []),
        (None, False, {}, 202, ["data_missing"]),
        (None, False, {"name": "A", "items": 3}, 422, []),
        (None, True, {}, 422, []),
        ("strict", False, {}, 422, []),
        ("warn", False, {"items": 3}, 202, ["data_invalid", "data_missing"]),
        ("off", False, {"items": 3}, 202, []),
        ("off", True, {"items": 3}, 202, []),
    ],
)
async def test_an_inferred_schema_refuses_what_is_certain_to_fail_and_warns_of_the_rest(
    api: Api, validation: str | None, strict: bool, data: dict[str, object], status: int, warned: list[str]
) -> None:
    member, _ = await api.user()
    await made(member)
    await member.patch(NOTE, json={"validation": validation, "missing": "mark"})
    body = {"template": "note", "data": data, "options": {"strict": strict}}
    answer = await member.post("/v1/documents", json=body)
    assert answer.status_code == status, answer.text
    if status == 422:
        assert answer.json()["errors"][0]["pointer"] in ("/data/name", "/data/items")
        return
    job = await job_of(api, answer.json()["id"])
    assert sorted(warning.code for warning in job.warnings) == warned
    assert job.template is not None and (job.template.missing, job.template.trusted) == ("mark", False)


@pytest.mark.parametrize(("validation", "status"), [(None, 422), ("strict", 422), ("warn", 202), ("off", 202)])
async def test_a_given_schema_refuses_unless_the_template_says_otherwise(
    api: Api, validation: str | None, status: int
) -> None:
    member, _ = await api.user()
    await made(member)
    schema = {"type": "object", "properties": {"total": {"type": "number"}}}
    await member.patch(NOTE, json={"validation": validation, "schema": schema})
    answer = await member.post("/v1/documents", json={"template": "note", "data": {"total": "much"}})
    assert answer.status_code == status
    if validation == "warn":
        (warning,) = (await job_of(api, answer.json()["id"])).warnings
        assert warning.code == "data_invalid" and warning.message.startswith("/data/total")


async def test_a_source_that_went_while_it_was_checked_is_stored_again(api: Api, inspector: Inspector) -> None:
    member, _ = await api.user()
    inspector.after = api.blobs.delete
    shown = await made(member)
    assert shown["version"] == 1 and (await member.get(f"{NOTE}/versions/1/source")).content == b"= Note"


async def test_without_a_generator_an_upload_is_a_503_and_nothing_is_made(api: Api, inspector: Inspector) -> None:
    member, _ = await api.user()
    inspector.deaf = True
    api.app.state.workbench._asks.limits = AskLimits(wait_ms=100)
    answer = await upload(member)
    assert problem(answer)[:2] == (503, "no_generator") and answer.headers["Retry-After"]
    assert (await member.get(NOTE)).status_code == 404
