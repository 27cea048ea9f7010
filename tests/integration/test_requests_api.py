"""What a request may look like: nothing that is wrong, given twice or not built is read as something else."""

import json
from pathlib import Path
from uuid import UUID, uuid4

import pytest
from redis.asyncio import Redis
from structlog.testing import capture_logs

from backends.clickhouse import ClickHouse
from tests.conftest import WaitUntil
from tests.integration.conftest import Api, running_api
from tests.integration.history_servers import Server
from tests.integration.instant_pool import InstantPool, completed, pool, request

__all__ = ["pool"]
JSON = {"Content-Type": "application/json"}


def flaws(body: dict[str, object]) -> list[tuple[str, str]]:
    return [(flaw["pointer"], flaw["code"]) for flaw in body["errors"]]  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("query", "pointer"),
    [
        ("status=queued&status=failed", "/status"),
        ("limit=1&limit=2", "/limit"),
        ("format=pdf&subject=a&format=pdf", "/format"),
        ("metadata[a]=1&metadata[a]=2", "/metadata[a]"),
    ],
)
async def test_a_query_parameter_given_twice_is_refused(api: Api, query: str, pointer: str) -> None:
    response = await api.admin.get(f"/v1/documents?{query}")
    assert response.status_code == 422
    assert flaws(response.json()) == [(pointer, "repeated_parameter")]


async def test_metadata_may_be_asked_for_by_several_keys_and_other_maps_are_unknown(api: Api) -> None:
    assert (await api.admin.get("/v1/documents?metadata[a]=1&metadata[b]=1")).status_code == 200
    unknown = await api.admin.get("/v1/documents?data[a]=1&[a]=1")
    assert flaws(unknown.json()) == [("/data[a]", "unknown_field"), ("/[a]", "unknown_field")]


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        ('{"template": "letter", "template": "invoice"}', "/template"),
        ('{"template": "letter", "data": {"to": {"name": "A", "name": "B"}}}', "/data/to/name"),
    ],
)
async def test_a_key_that_stands_twice_in_an_object_is_refused(api: Api, body: str, pointer: str) -> None:
    response = await api.admin.post("/v1/documents", content=body, headers=JSON)
    assert response.status_code == 422 and flaws(response.json()) == [(pointer, "duplicate_key")]
    assert (await api.queue.lengths())["open"] == 0


@pytest.mark.parametrize(
    ("changes", "pointer", "code"),
    [
        ({"options": {"strict": "yes"}}, "/options/strict", "bool_type"),
        ({"options": {"strict": 1}}, "/options/strict", "bool_type"),
        ({"options": {"max_attempts": "3"}}, "/options/max_attempts", "int_type"),
        ({"options": {"timeout_s": "3"}}, "/options/timeout_s", "float_type"),
        ({"options": {"simulate": {"seconds": True}}}, "/options/simulate/seconds", "float_type"),
        ({"expires_in": "600"}, "/expires_in", "int_type"),
        ({"run_at": 1772357400}, "/run_at", "invalid_time"),
        ({"run_at": "1772357400"}, "/run_at", "invalid_time"),
        ({"run_at": "0001-01-01T00:00:00+14:00"}, "/run_at", "invalid_value"),
        ({"options": {"simulate": {"seconds": 31}}}, "/options/simulate/seconds", "too_large"),
        ({"options": {"simulate": {"seconds": 6}, "timeout_s": 5}}, "/options/simulate/seconds", "too_large"),
        ({"filename": "x.exe"}, "/filename", "wrong_extension"),
        ({"filename": "INV-7.pdf", "format": "docx"}, "/filename", "wrong_extension"),
    ],
)
async def test_a_value_of_another_kind_is_refused_and_not_guessed(
    api: Api, changes: dict[str, object], pointer: str, code: str
) -> None:
    response = await request(api.admin, **changes)
    assert response.status_code == 422, response.text
    assert flaws(response.json()) == [(pointer, code)]


async def test_a_render_may_simulate_as_long_as_it_may_take(api: Api) -> None:
    long = {"simulate": {"seconds": 60}, "timeout_s": 60}
    assert (await request(api.admin, options=long)).status_code == 202
    refused = await request(api.admin, options={**long, "timeout_s": 59.5})
    assert "59.5 s" in refused.json()["errors"][0]["detail"]


@pytest.mark.parametrize(
    ("filename", "shown"),
    [("INV-7", "INV-7.pdf"), ("No. 7", "No. 7.pdf"), ("v1.2", "v1.2.pdf"), ("A.PDF", "A.PDF"), (None, "letter.pdf")],
)
async def test_a_file_name_ends_in_its_format(api: Api, pool: InstantPool, filename: str | None, shown: str) -> None:
    document = await completed(api, filename=filename)
    assert document["result"]["filename"] == shown  # type: ignore[index]


async def test_a_request_without_a_body_is_told_so(api: Api) -> None:
    problem = (await api.admin.post("/v1/documents")).json()
    assert problem["detail"] == "The request has no body: send a JSON object."
    assert flaws(problem) == [("", "missing")]


@pytest.mark.parametrize("path", ["/v1/users/import", "/v1/documents/retry", "/v1/batches"])
async def test_what_is_not_built_is_not_found(api: Api, path: str) -> None:
    response = await api.admin.post(path, json={})
    assert (response.status_code, response.json()["code"]) == (404, "not_found")


@pytest.mark.parametrize(("header", "waited"), [("wait=61", "wait=60"), ("wait=1", "wait=1")])
async def test_prefer_is_a_wish_and_shortened_but_wait_is_an_order_and_refused(
    api: Api, pool: InstantPool, header: str, waited: str
) -> None:
    response = await request(api.admin, {"Prefer": header})
    assert response.headers["Preference-Applied"] == waited
    refused = await api.admin.get(response.headers["Location"], params={"wait": 61})
    assert refused.status_code == 422 and flaws(refused.json()) == [("/wait", "less_than_equal")]


async def test_a_signed_link_stands_what_mail_clients_add_to_it(api: Api, pool: InstantPool) -> None:
    document = await completed(api)
    link = document["result"]["url"].removeprefix("http://127.0.0.1:8000")  # type: ignore[index]
    stranger = api.client(None)
    assert (await stranger.get(f"{link}&utm_source=mail&utm_source=mail")).status_code == 200
    assert (await stranger.get(f"{link[:-2]}xx&utm_source=mail")).status_code == 401
    assert (await stranger.get(f"{link}&expires=9999999999")).status_code == 422
    plain = await api.admin.get(f"/v1/documents/{document['id']}/content?colour=red")
    assert flaws(plain.json()) == [("/colour", "unknown_field")]


async def test_deleting_a_document_frees_its_idempotency_key(api: Api) -> None:
    key = {"Idempotency-Key": "order-7"}
    first = await request(api.admin, key)
    assert (await api.admin.delete(first.headers["Location"])).status_code == 204
    second = await request(api.admin, key, subject="another body")
    assert second.status_code == 202 and "Idempotency-Replayed" not in second.headers
    assert (await api.admin.get(second.headers["Location"])).status_code == 200


async def test_it_is_free_too_when_the_document_had_left_redis(
    api: Api, pool: InstantPool, wait_until: WaitUntil
) -> None:
    key = {"Idempotency-Key": "order-7"}
    path = (await request(api.admin, {**key, "Prefer": "wait=10"})).headers["Location"]
    document_id = path.rpartition("/")[2]

    async def shipped() -> bool:
        expires = await api.scripts.redis.ttl(f"{{pw}}:doc:{document_id}") > 0
        return expires and await api.blobs.size(f"inputs/{document_id}") is not None

    await wait_until(shipped, "history has the document")
    await api.scripts.redis.delete(f"{{pw}}:doc:{document_id}", f"{{pw}}:job:{document_id}")
    assert (await request(api.admin, key)).headers["Idempotency-Replayed"] == "true"
    assert (await api.admin.delete(path)).status_code == 204
    assert "Idempotency-Replayed" not in (await request(api.admin, key)).headers


async def test_deleting_an_older_document_leaves_the_key_to_the_one_that_has_it_now(api: Api) -> None:
    key = {"Idempotency-Key": "order-7"}
    old = await request(api.admin, key)
    (name,) = [name async for name in api.scripts.redis.scan_iter("{pw}:idem:*")]
    await api.scripts.redis.hset(name, "id", str(uuid4()))
    await api.admin.delete(old.headers["Location"])
    assert await api.scripts.redis.exists(name) == 1


async def test_a_log_line_of_a_request_names_its_document_and_who_asked(
    redis_node: Server, redis: Redis, clickhouse: ClickHouse, tmp_path: Path
) -> None:
    async with running_api(redis_node.url, clickhouse, tmp_path, log_level="info") as api:
        me = (await api.admin.get("/v1/me")).json()["user"]["id"]
        with capture_logs() as lines:
            document_id = (await request(api.admin)).json()["id"]
            await api.admin.get(f"/v1/documents/{document_id}")
            await api.client(None).get(f"/v1/users/{me}")
    answered = [line for line in lines if line["event"] == "request.answered"]
    named = [(line.get("document_id"), line.get("user_id")) for line in answered]
    assert named == [(document_id, me), (document_id, me), (None, None)]


async def test_the_logs_of_a_retry_carry_the_id_of_the_request_that_asked_for_it(api: Api, pool: InstantPool) -> None:
    path = f"/v1/documents/{(await completed(api))['id']}"
    await api.admin.post(f"{path}/retry", headers={"X-Request-Id": "second-try"})
    job = await api.scripts.redis.get(f"{{pw}}:job:{path.rpartition('/')[2]}")
    assert json.loads(job)["request_id"] == "second-try"


async def test_weak_tags_do_not_match_for_changes_and_do_for_reading(api: Api) -> None:
    path = f"/v1/users/{(await api.admin.get('/v1/me')).json()['user']['id']}"
    weak = {"If-Match": 'W/"1"'}
    refused = await api.admin.patch(path, json={"name": "B"}, headers=weak)
    assert (refused.status_code, refused.json()["code"]) == (412, "version_mismatch")
    for value in ("*", '"1", "2"'):
        assert (await api.admin.patch(path, json={"name": "B"}, headers={"If-Match": value})).status_code == 200, value
    tag = (await api.admin.get(path)).headers["ETag"]
    assert (await api.admin.get(path, headers={"If-None-Match": f"W/{tag}"})).status_code == 304


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [
        ("PUT", "/v1/documents", "GET, POST"),
        ("DELETE", "/v1/users", "GET, POST"),
        ("PUT", f"/v1/documents/{UUID(int=1)}", "DELETE, GET"),
        ("POST", f"/v1/users/{UUID(int=1)}", "DELETE, GET, PATCH"),
    ],
)
async def test_a_wrong_method_is_told_all_that_the_path_answers(api: Api, method: str, path: str, allowed: str) -> None:
    response = await api.admin.request(method, path)
    assert (response.status_code, response.headers["allow"]) == (405, allowed)


async def test_a_trailing_slash_leads_nowhere(api: Api) -> None:
    response = await api.client(None).get("/v1/documents/", headers={"Host": "evil.example"})
    assert (response.status_code, response.json()["code"]) == (404, "not_found")


@pytest.mark.parametrize(
    ("accept", "status", "media_type"),
    [
        ("application/pdf", 200, "application/pdf"),
        ("application/json;q=0.4, application/pdf;q=0.5", 200, "application/pdf"),
        ("application/pdf;q=0.5, application/json", 202, "application/json"),
        ("application/pdf;q=0, */*", 202, "application/json"),
        ("application/pdf;q=0", 406, "application/problem+json"),
        ("text/html", 406, "application/problem+json"),
    ],
)
async def test_accept_is_weighed(api: Api, pool: InstantPool, accept: str, status: int, media_type: str) -> None:
    response = await request(api.admin, headers={"Accept": accept})
    assert (response.status_code, response.headers["content-type"]) == (status, media_type)


async def test_a_stream_goes_on_after_the_last_event_that_was_seen(api: Api, pool: InstantPool) -> None:
    path = f"/v1/documents/{(await completed(api))['id']}/events"
    follow = {"Accept": "text/event-stream"}
    whole = (await api.admin.get(path, headers=follow)).text
    ids = [line for line in whole.splitlines() if line.startswith("id: ")]
    rest = (await api.admin.get(path, headers={**follow, "Last-Event-ID": "1"})).text
    assert [line for line in rest.splitlines() if line.startswith("id: ")] == ids[1:] != []
    ended = await api.admin.get(path, headers={**follow, "Last-Event-ID": ids[-1][4:]})
    assert ended.status_code == 204


async def test_texts_that_show_another_than_they_are_are_refused(api: Api) -> None:
    turned = await request(api.admin, filename="a\u202egpj.pdf", subject="\u2066x")
    assert sorted(pointer for pointer, _ in flaws(turned.json())) == ["/filename", "/subject"]
    for name in ("Ann\u202eevil", "\u200b\u200b"):
        refused = await api.admin.post("/v1/users", json={"email": "ann@example.com", "name": name})
        assert flaws(refused.json()) == [("/name", "control_character")]
