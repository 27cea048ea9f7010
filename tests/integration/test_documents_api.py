"""Documents over HTTP on real servers: requested, read, listed, followed, retried, deleted."""

import asyncio
import json
from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

import pytest

from backends.clickhouse import ClickHouse
from contracts.errors import DocumentError
from contracts.ids import new_id
from generator.shipper import Shipper
from tests.conftest import WaitUntil
from tests.integration.conftest import Api, running_api
from tests.integration.history_servers import Server, redis_server
from tests.integration.instant_pool import LETTER, InstantPool, completed, pool, request

__all__ = ["pool"]


async def test_a_request_is_accepted_with_its_links(api: Api) -> None:
    response = await request(api.admin)
    body = response.json()
    assert response.status_code == 202 and body["status"] == "queued"
    assert response.headers["Location"] == f"/v1/documents/{body['id']}"
    assert body["links"]["content"].endswith(f"/v1/documents/{body['id']}/content")


async def test_a_document_has_every_field_of_the_contract(api: Api, pool: InstantPool) -> None:
    document = await completed(api, metadata={"order": "7"}, subject="c-17", lane="tenant", filename="A ü.pdf")
    assert set(document) == {
        *("id", "status", "format", "template", "user_id", "run", "attempts", "priority", "lane", "subject"),
        *(
            "metadata",
            "created_at",
            "started_at",
            "completed_at",
            "expires_at",
            "timings",
            "result",
            "error",
            "delivery",
        ),
    }
    assert document["template"] == {"name": "letter", "version": 1, "sha256": "ab" * 32}
    assert document["status"] == "completed" and document["lane"] == "tenant" and document["subject"] == "c-17"
    assert document["delivery"] == {"status": "none", "attempts": 0, "next_attempt_at": None}
    assert set(document["timings"]) == {"queued_ms", "render_ms", "total_ms"}  # type: ignore[call-overload]


async def test_waiting_for_a_document_that_fails_answers_its_error(api: Api, pool: InstantPool) -> None:
    response = await request(api.admin, {"Prefer": "wait=10"}, data={"to": {"name": "A"}, "fail": "template_error"})
    body = response.json()
    assert response.status_code == 422 and response.headers["Preference-Applied"] == "wait=10"
    assert (body["code"], body["error"]["line"], body["error"]["hint"]) == ("template_error", 3, "Mend it.")
    document = (await api.admin.get(f"/v1/documents/{body['document_id']}")).json()
    assert document["status"] == "failed" and document["error"]["template"] is None


async def test_waiting_in_vain_answers_202(api: Api, pool: InstantPool) -> None:
    pool.gate.clear()
    response = await request(api.admin, {"Prefer": "wait=0"})
    assert response.status_code == 202
    pool.gate.set()
    read = await api.admin.get(response.headers["Location"], params={"wait": 10})
    assert read.json()["status"] == "completed"


async def test_an_idempotency_key_replays_whatever_the_order_of_the_fields(api: Api) -> None:
    key = {"Idempotency-Key": "order-7"}
    first = await request(api.admin, key)
    body = json.dumps(dict(reversed(LETTER.items())))
    replay = await api.admin.post("/v1/documents", content=body, headers={**key, "Content-Type": "application/json"})
    assert replay.status_code == 202 and replay.json() == first.json()
    assert replay.headers["Idempotency-Replayed"] == "true" and "Idempotency-Replayed" not in first.headers
    other = await request(api.admin, key, subject="other")
    assert (other.status_code, other.json()["code"]) == (422, "idempotency_mismatch")
    client, _ = await api.user()
    assert (await request(client, key)).json()["id"] != first.json()["id"]


async def test_a_member_sees_its_own_documents_and_no_others(
    api: Api, shipping: Shipper, wait_until: WaitUntil
) -> None:
    ann, ann_id = await api.user(email="ann@example.com")
    bob, _ = await api.user(email="bob@example.com")
    path = (await request(ann)).headers["Location"]
    assert (await ann.get(path)).status_code == 200
    for answer in (
        await bob.get(path),
        await bob.get(f"{path}/events"),
        await bob.get(f"{path}/content"),
        await bob.post(f"{path}/cancel"),
        await bob.post(f"{path}/retry"),
        await bob.delete(path),
    ):
        assert (answer.status_code, answer.json()["detail"]) == (404, "There is no such document.")
    assert (await api.admin.get(path)).status_code == 200

    async def listed() -> bool:
        return len((await ann.get("/v1/documents")).json()["items"]) == 1

    await wait_until(listed, "the list shows the document")
    assert (await bob.get("/v1/documents")).json()["items"] == []
    assert (await bob.get("/v1/documents", params={"user_id": ann_id})).json()["items"] == []


async def test_a_viewer_reads_what_its_key_allows_and_changes_nothing(api: Api) -> None:
    own, _ = await api.user("viewer")
    everyone, _ = await api.user("viewer", scopes=["all"])
    path = (await request(api.admin)).headers["Location"]
    assert (await own.get(path)).status_code == 404
    assert (await everyone.get(path)).status_code == 200
    assert (await request(everyone)).status_code == 403
    for answer in (await everyone.post(f"{path}/cancel"), await everyone.delete(path)):
        assert answer.status_code == 403


async def test_lists_filter_by_every_field(api: Api, shipping: Shipper, wait_until: WaitUntil) -> None:
    wanted = (await request(api.admin, subject="s-1", lane="l-1", metadata={"a": "1", "b": "2"}, format="docx")).json()[
        "id"
    ]
    await request(api.admin)
    document = (await api.admin.get(f"/v1/documents/{wanted}")).json()

    async def both() -> bool:
        return len((await api.admin.get("/v1/documents")).json()["items"]) == 2

    await wait_until(both, "both documents are listed")
    filters: list[dict[str, str]] = [
        {"subject": "s-1"},
        {"lane": "l-1"},
        {"format": "docx"},
        {"metadata[a]": "1"},
        {"metadata[a]": "1", "metadata[b]": "2"},
        {
            "created_before": document["created_at"].replace("Z", "+00:00"),
            "subject": "s-1",
            "created_after": "2020-01-01T00:00:00Z",
        },
    ]
    for filter_ in filters[:5]:
        items = (await api.admin.get("/v1/documents", params=filter_)).json()["items"]
        assert [item["id"] for item in items] == [wanted], filter_
    for nothing in (
        {"metadata[a]": "2"},
        {"status": "failed"},
        {"template": "other"},
        {"batch_id": str(uuid4())},
        filters[5],
    ):
        assert (await api.admin.get("/v1/documents", params=nothing)).json()["items"] == [], nothing
    assert (await api.admin.get("/v1/documents", params={"status": "queued", "template": "letter"})).json()["items"]


async def test_events_tell_the_whole_story_oldest_first(api: Api, pool: InstantPool) -> None:
    document = await completed(api)
    items = (await api.admin.get(f"/v1/documents/{document['id']}/events")).json()["items"]
    assert [item["event"] for item in items] == ["accepted", "started", "completed"]
    assert set(items[0]) == {"at", "event", "run", "attempt", "worker", "detail"}
    assert items[1]["worker"] == "test-worker"


async def test_events_stream_until_the_document_has_ended(api: Api, pool: InstantPool) -> None:
    pool.gate.clear()
    path = (await request(api.admin)).headers["Location"]
    asyncio.get_running_loop().call_later(0.2, pool.gate.set)
    response = await api.admin.get(f"{path}/events", headers={"Accept": "text/event-stream"})
    assert response.headers["Content-Type"].startswith("text/event-stream")
    names = [line[7:] for line in response.text.splitlines() if line.startswith("event: ")]
    assert names == ["accepted", "started", "completed"]


async def test_a_cancelled_document_can_be_retried(api: Api, pool: InstantPool) -> None:
    pool.gate.clear()
    path = (await request(api.admin)).headers["Location"]
    cancelled = await api.admin.post(f"{path}/cancel")
    assert (cancelled.status_code, cancelled.json()["status"]) == (200, "cancelled")
    again = await api.admin.post(f"{path}/cancel")
    assert (again.status_code, again.json()["code"]) == (409, "already_ended")
    pool.gate.set()
    retried = await api.admin.post(f"{path}/retry")
    assert (retried.json()["run"], retried.status_code) == (2, 200)
    done = (await api.admin.get(path, params={"wait": 10})).json()
    assert (done["status"], done["run"]) == ("completed", 2)


async def test_a_retry_may_name_another_template_version(api: Api, pool: InstantPool) -> None:
    path = f"/v1/documents/{(await completed(api))['id']}"
    unknown = await api.admin.post(f"{path}/retry", json={"template": "letter@7"})
    assert unknown.status_code == 422 and unknown.json()["errors"][0]["pointer"] == "/template"
    assert (await api.admin.post(f"{path}/retry", json={"template": f"letter@sha256:{'ab' * 32}"})).status_code == 200


async def test_a_deleted_document_leaves_nothing_but_its_log_row(
    api: Api, pool: InstantPool, wait_until: WaitUntil
) -> None:
    document = await completed(api)
    path = f"/v1/documents/{document['id']}"

    async def input_kept() -> bool:
        return await api.blobs.size(f"inputs/{document['id']}") is not None

    await wait_until(input_kept, "the input is in the blob store")
    assert (await api.admin.delete(path)).status_code == 204
    for answer in (await api.admin.get(path), await api.admin.get(f"{path}/content"), await api.admin.delete(path)):
        assert answer.status_code == 404

    async def logged() -> bool:
        sql = "SELECT deleted FROM documents FINAL WHERE document_id = {id:UUID}"
        return await api.clickhouse.rows(sql, {"id": str(document["id"])}) == [{"deleted": 1}]

    await wait_until(logged, "the log row says deleted")
    assert not [file for file in Path(api.blobs.root).rglob("*") if file.is_file() and str(document["id"]) in str(file)]
    assert str(document["id"]) not in (await api.admin.get("/v1/documents")).text


async def test_a_document_that_left_redis_is_read_retried_and_deleted_as_before(
    api: Api, pool: InstantPool, wait_until: WaitUntil
) -> None:
    document = await completed(api)
    path = f"/v1/documents/{document['id']}"

    async def shipped() -> bool:
        return bool(await api.scripts.redis.ttl(f"{{pw}}:doc:{document['id']}") > 0)

    await wait_until(shipped, "all events are shipped: the document may expire")
    await api.scripts.redis.delete(f"{{pw}}:doc:{document['id']}", f"{{pw}}:job:{document['id']}")
    from_history = (await api.admin.get(path)).json()
    assert {**from_history, "result": None} == {**document, "result": None}
    assert [e["event"] for e in (await api.admin.get(f"{path}/events")).json()["items"]][-1] == "completed"
    assert (await api.admin.post(f"{path}/retry")).json()["run"] == 2
    assert (await api.admin.get(path, params={"wait": 10})).json()["status"] == "completed"
    assert (await api.admin.delete(path)).status_code == 204


async def test_without_clickhouse_documents_are_made_and_what_only_it_knows_is_a_503(
    api: Api, pool: InstantPool
) -> None:
    api.app.state.backends.clickhouse.address = type(api.clickhouse.address)("http://127.0.0.1:9/", "x", "x", "x")
    document = await completed(api)
    assert (await api.admin.get(f"/v1/documents/{document['id']}/content")).status_code == 200
    for path in ("/v1/documents", f"/v1/documents/{new_id()}"):
        answer = await api.admin.get(path)
        assert (answer.status_code, answer.json()["code"]) == (503, "history_unavailable")
    ready = await api.admin.get("/readyz")
    assert (ready.status_code, ready.json()["status"]) == (200, "degraded")


@pytest.fixture
def mortal_redis(tmp_path: Path) -> Iterator[Server]:
    with redis_server(tmp_path / "redis") as server:
        yield server


async def test_without_redis_requests_get_a_503_and_work_again_when_it_is_back(
    mortal_redis: Server, clickhouse: ClickHouse, tmp_path: Path, wait_until: WaitUntil
) -> None:
    async with running_api(mortal_redis.url, clickhouse, tmp_path / "blobs") as fragile:
        kept = await request(fragile.admin)
        await asyncio.to_thread(mortal_redis.kill)
        fragile.app.state.services.auth.forget()
        answer = await request(fragile.admin)
        assert (answer.status_code, answer.json()["code"]) == (503, "queue_unavailable")
        assert int(answer.headers["Retry-After"]) > 0 and answer.json()["retryable"] is True
        assert (await fragile.admin.get("/readyz")).status_code == 503
        assert (await fragile.admin.get("/livez")).status_code == 200
        await asyncio.to_thread(mortal_redis.start)

        async def accepted() -> bool:
            return (await request(fragile.admin)).status_code == 202

        await wait_until(accepted, "documents are accepted again")
        assert (await fragile.admin.get(kept.headers["Location"])).json()["status"] == "queued"


async def test_a_stream_ends_when_its_key_is_revoked(api: Api) -> None:
    client, user_id = await api.user()
    path = (await request(client, run_at="2027-01-01T00:00:00Z")).headers["Location"]
    stream = asyncio.create_task(client.get(f"{path}/events", headers={"Accept": "text/event-stream"}))
    await asyncio.sleep(0)
    key = (await api.admin.get(f"/v1/users/{user_id}/keys")).json()["items"][0]["id"]
    await api.admin.delete(f"/v1/users/{user_id}/keys/{key}")
    await api.admin.post(f"{path}/cancel")
    response = await asyncio.wait_for(stream, 10)
    assert "cancelled" not in response.text


async def test_a_very_long_error_is_shortened(api: Api, pool: InstantPool) -> None:
    response = await request(api.admin, {"Prefer": "wait=10"}, data={"to": {"name": "A"}, "fail": "template_error"})
    assert response.status_code == 422
    long = DocumentError(code="template_error", message="x" * 900_000, tag="(" * 20_000, hint="h" * 5000)
    assert (len(long.message), len(long.tag or ""), len(long.hint or "")) == (2000, 300, 1000)
