"""The log of webhooks over HTTP: listed as soon as they are due, seen by those who may, sent again on request."""

import asyncio
from uuid import UUID, uuid4

import httpx2
import pytest

from backends.clickhouse import ClickHouse
from backends.deliveries import Deliveries
from contracts.deliveries import COMPLETED, webhook_id
from contracts.ids import new_id, now_ms
from contracts.jobs import Callback, input_key
from generator.shipper import Shipper
from tests.integration.attempts import attempt_of
from tests.integration.conftest import Api
from tests.integration.test_queue import a_job, a_result, claim_one

DELIVERIES = "/v1/webhooks/deliveries"
URL = "https://example.com/hook?token=hush"


async def completed(api: Api, owner: UUID | None = None) -> UUID:
    """Take a document with a callback to its end."""
    await api.queue.enqueue(a_job(owner or new_id(), callback=Callback(url=URL)))
    claim = await claim_one(api.queue)
    await api.queue.start([claim.ref])
    assert await api.queue.complete([a_result(claim)]) == ["ok"]
    return claim.job.document_id


async def attempted(api: Api, status: str, http_status: int | None = None, error: str = "") -> None:
    """Make one attempt of whatever is due."""
    deliveries = Deliveries(api.scripts)
    (leased,) = (await deliveries.claim(1, room=1, loads={})).items
    attempt = attempt_of(
        leased,
        status,
        http_status=http_status,
        duration_ms=84,
        connect_ms=3,
        first_byte_ms=80,
        error=error,
        error_detail=f"HTTP {http_status}" if error else "",
        response_excerpt="<b>body</b>",
        next_attempt_at=leased.leased_at + 60_000 if status == "pending" else None,
    )
    assert await deliveries.record(leased, attempt) == "ok"


async def shipped(api: Api) -> None:
    async with asyncio.timeout(10):
        while await api.scripts.redis.xlen("{pw}:events"):
            await asyncio.sleep(0.02)


async def listed(client: httpx2.AsyncClient, **params: object) -> list[dict[str, object]]:
    answer = await client.get(DELIVERIES, params=params)
    assert answer.status_code == 200, answer.text
    return list(answer.json()["items"])


def path_of(document_id: UUID, run: int = 1) -> str:
    return f"{DELIVERIES}/{webhook_id(document_id, run, COMPLETED)}"


async def test_a_delivery_shows_within_a_second_of_becoming_due_before_any_attempt(api: Api, shipping: Shipper) -> None:
    document_id = await completed(api)
    due = now_ms()
    while not (items := await listed(api.admin)):
        assert now_ms() - due < 1000, "it took more than a second"
    (item,) = items
    assert item["id"] == str(webhook_id(document_id, 1, COMPLETED)) and item["document_id"] == str(document_id)
    assert (item["status"], item["type"], item["attempts"], item["run"]) == ("pending", COMPLETED, [], 1)
    assert item["url"] == "https://example.com/hook?..." and item["next_attempt_at"] == item["created_at"]


async def test_attempts_are_shown_oldest_first_and_the_last_one_decides(api: Api, shipping: Shipper) -> None:
    document_id = await completed(api)
    await attempted(api, "pending", 503, "status")
    await shipped(api)
    (waiting,) = await listed(api.admin)
    assert waiting["status"] == "pending" and str(waiting["next_attempt_at"]) > str(waiting["created_at"])
    answer = await api.admin.post(path_of(document_id) + "/resend")
    assert answer.status_code == 202
    await attempted(api, "delivered", 200)
    await shipped(api)
    one = (await api.admin.get(path_of(document_id))).json()
    assert one == (await listed(api.admin))[0]
    assert one["status"] == "delivered" and one["next_attempt_at"] is None
    assert [attempt["status_code"] for attempt in one["attempts"]] == [503, 200]
    first, second = one["attempts"]
    assert first["error"] == {"code": "status", "message": "HTTP 503"} and second["error"] is None
    steps = {"dns_ms": None, "connect_ms": 3, "tls_ms": None, "first_byte_ms": 80, "total_ms": 84}
    assert first["timings"] == steps and first["response_excerpt"] == "<b>body</b>"


async def test_lists_are_narrowed_by_status_and_document(api: Api, shipping: Shipper) -> None:
    made = {}
    for status in ("delivered", "dead", "pending"):
        made[status] = str(await completed(api))
        await attempted(api, status)
    await shipped(api)
    for status, document_id in made.items():
        assert [item["document_id"] for item in await listed(api.admin, status=status)] == [document_id]
        assert [item["status"] for item in await listed(api.admin, document_id=document_id)] == [status]
    assert await listed(api.admin, document_id=str(uuid4())) == []


async def test_pages_hold_every_delivery_once_although_new_ones_arrive(api: Api, shipping: Shipper) -> None:
    made = [str(await completed(api)) for _ in range(7)]
    await shipped(api)
    seen: list[str] = []
    answer = await api.admin.get(DELIVERIES, params={"limit": 3, "status": "pending"})
    while True:
        seen += [item["document_id"] for item in answer.json()["items"]]
        await completed(api)
        await shipped(api)
        if answer.json()["next_cursor"] is None:
            break
        answer = await api.admin.get(answer.headers["Link"].split(">")[0][1:])
    assert sorted(seen) == sorted(made)
    foreign = await api.admin.get(DELIVERIES, params={"cursor": "x"})
    assert foreign.status_code == 422 and foreign.json()["errors"][0]["pointer"] == "/cursor"


async def test_members_see_their_own_and_viewers_of_all_see_everyones(api: Api, shipping: Shipper) -> None:
    member, member_id = await api.user("member")
    viewer, _ = await api.user("viewer", scopes=["all"])
    blind, _ = await api.user("viewer")
    own, foreign = await completed(api, UUID(member_id)), await completed(api)
    await shipped(api)
    assert [item["document_id"] for item in await listed(member)] == [str(own)]
    assert len(await listed(viewer)) == len(await listed(api.admin)) == 2 and await listed(blind) == []
    assert (await member.get(path_of(own))).status_code == 200
    for path in (path_of(foreign), f"{DELIVERIES}/{uuid4()}", f"{DELIVERIES}/none"):
        assert (await member.get(path)).status_code == 404
        assert (await member.post(path + "/resend")).status_code == 404
    assert (await viewer.post(path_of(own) + "/resend")).status_code == 403
    assert (await member.post(path_of(own) + "/resend")).status_code == 202


@pytest.mark.parametrize(
    ("params", "pointer", "code"),
    [
        ({"endpoint_id": "x"}, "/endpoint_id", "invalid_value"),
        ({"status": "none"}, "/status", "literal_error"),
        ({"document_id": "x"}, "/document_id", "invalid_value"),
        ({"user": "x"}, "/user", "unknown_field"),
    ],
)
async def test_what_a_list_cannot_filter_by_is_refused(
    api: Api, params: dict[str, str], pointer: str, code: str
) -> None:
    answer = await api.admin.get(DELIVERIES, params=params)
    assert answer.status_code == 422
    assert [(flaw["pointer"], flaw["code"]) for flaw in answer.json()["errors"]] == [(pointer, code)]


async def test_a_resent_webhook_is_pending_at_once(api: Api, shipping: Shipper) -> None:
    document_id = await completed(api)
    await attempted(api, "dead", 410, "status")
    await shipped(api)
    assert [item["status"] for item in await listed(api.admin)] == ["dead"]
    shown = (await api.admin.post(path_of(document_id) + "/resend")).json()
    assert shown["status"] == "pending" and shown["next_attempt_at"] >= shown["attempts"][0]["at"]
    assert (await api.admin.get(path_of(document_id))).json()["status"] == "pending"
    assert (await api.admin.get(f"/v1/documents/{document_id}")).json()["delivery"]["status"] == "pending"


async def test_an_attempt_under_way_answers_409(api: Api, shipping: Shipper) -> None:
    document_id = await completed(api)
    await shipped(api)
    await Deliveries(api.scripts).claim(1, room=1, loads={})
    answer = await api.admin.post(path_of(document_id) + "/resend")
    assert (answer.status_code, answer.json()["code"]) == (409, "being_delivered")


async def forgotten(api: Api, document_id: UUID) -> None:
    """Let a document and its webhook leave Redis."""
    await shipped(api)
    for name in ("doc:{}", "job:{}", "delivery:{}:1"):
        assert await api.scripts.redis.delete("{pw}:" + name.format(document_id)) == 1


async def test_what_has_left_redis_is_sent_again_from_the_kept_input(api: Api, shipping: Shipper) -> None:
    document_id = await completed(api)
    await attempted(api, "dead", 500, "status")
    await forgotten(api, document_id)
    before = (await api.admin.get(f"/v1/documents/{document_id}")).json()
    assert (await api.admin.post(path_of(document_id) + "/resend")).status_code == 202
    await attempted(api, "delivered", 200)
    await shipped(api)
    one = (await api.admin.get(path_of(document_id))).json()
    assert one["status"] == "delivered" and [attempt["status_code"] for attempt in one["attempts"]] == [500, 200]
    (listed_,) = (await api.admin.get("/v1/documents")).json()["items"]
    assert listed_["delivery"] == {"status": "delivered", "attempts": 2, "next_attempt_at": None}
    # Its result, which the row in Redis had lost, is in the history still.
    for item in (before, listed_):
        del item["result"]["url"], item["result"]["url_expires_at"], item["delivery"]
    assert listed_ == before and before["status"] == "completed"


async def test_without_the_kept_input_it_cannot_be_sent_again(api: Api, shipping: Shipper) -> None:
    document_id = await completed(api)
    await attempted(api, "dead", 500, "status")
    await forgotten(api, document_id)
    await api.blobs.delete(input_key(document_id))
    answer = await api.admin.post(path_of(document_id) + "/resend")
    assert (answer.status_code, answer.json()["code"]) == (409, "input_expired")


async def test_a_deleted_documents_webhook_stays_in_the_log_and_is_not_sent_again(api: Api, shipping: Shipper) -> None:
    document_id = await completed(api)
    await attempted(api, "delivered", 200)
    await shipped(api)
    assert (await api.admin.delete(f"/v1/documents/{document_id}")).status_code == 204
    assert len(await listed(api.admin)) == 1
    answer = await api.admin.post(path_of(document_id) + "/resend")
    assert (answer.status_code, answer.json()["code"]) == (409, "input_expired")


async def test_without_clickhouse_the_log_says_so(api: Api, clickhouse: ClickHouse) -> None:
    api.app.state.services.deliveries._history._clickhouse.address = type(clickhouse.address)(
        url="http://127.0.0.1:9/", user="x", password="x", database="x"
    )
    for path in (DELIVERIES, f"{DELIVERIES}/{uuid4()}"):
        answer = await api.admin.get(path)
        assert (answer.status_code, answer.json()["code"]) == (503, "history_unavailable")
