"""Webhook endpoints over HTTP: registered, seen and changed by whom they belong to, called for what they ask for."""

import asyncio
import json
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from uuid import UUID

import httpx2
import pytest
from redis.asyncio import Redis
from standardwebhooks import Webhook

from backends.clickhouse import ClickHouse
from backends.deliveries import Deliveries
from backends.endpoints import EndpointStore
from contracts.endpoints import TYPES
from contracts.jobs import Callback
from contracts.secrets import SecretBox
from contracts.views import JsonObject
from generator.delivery import Attempter, Deliverer, Dialer, DialLimits, Schedule
from generator.delivery.loop import DeliverLimits, disable_endpoint
from generator.shipper import Shipper
from tests.integration.conftest import SECRET_KEY, Api, running_api
from tests.integration.delivery_stage import delivery_data
from tests.integration.delivery_zoo import LOOPBACK, Receiver, answers, receiving, wait_until
from tests.integration.history_servers import Server
from tests.integration.test_queue import a_job, a_result, claim_one
from tests.integration.test_webhooks_api import listed, shipped

ENDPOINTS = "/v1/webhooks/endpoints"
PAGE = (Path(__file__).parents[2] / "docs" / "webhooks.md").read_text()
#: Type -> the body that the page shows.
EXAMPLES = {body["type"]: body for body in map(json.loads, re.findall(r"```json\n(.*?)```", PAGE, re.DOTALL))}
URL = "https://hooks.example.com/in?token=hush"


@pytest.fixture
async def api(redis_node: Server, redis: Redis, clickhouse: ClickHouse, tmp_path: Path) -> AsyncIterator[Api]:
    settings = {"webhook_allow_cidrs": "127.0.0.1/32", "max_endpoints_per_user": 3}
    async with running_api(redis_node.url, clickhouse, tmp_path / "blobs", **settings) as running:
        yield running


async def made(client: httpx2.AsyncClient, **fields: object) -> JsonObject:
    answer = await client.post(ENDPOINTS, json={"url": URL, **fields})
    assert answer.status_code == 201, answer.text
    return dict(answer.json())


async def ended(api: Api, user_id: str, **more: object) -> UUID:
    """Take a document of a user to its end."""
    await api.queue.enqueue(a_job(UUID(user_id), **more))
    claim = await claim_one(api.queue)
    await api.queue.start([claim.ref])
    assert await api.queue.complete([a_result(claim)]) == ["ok"]
    return claim.job.document_id


@asynccontextmanager
async def delivering(
    api: Api, schedule: str = "0,0.02,0.02", limits: DeliverLimits | None = None
) -> AsyncIterator[None]:
    """Deliver as the generator does."""
    endpoints, data = EndpointStore(api.scripts), delivery_data(api)
    dialer = Dialer(LOOPBACK, DialLimits(connect_s=1, total_s=2, body_s=0.5))
    attempter = Attempter(dialer, data, data, SecretBox(SECRET_KEY).open, Schedule.parse(schedule))

    async def disable(endpoint_id: UUID, reason: str) -> None:
        await disable_endpoint(endpoints, endpoint_id, reason)  # type: ignore[arg-type]

    deliverer = Deliverer(Deliveries(api.scripts), attempter, limits, disable)
    running = asyncio.create_task(deliverer.run())
    try:
        yield
    finally:
        deliverer.stop()
        await running
        dialer.close()


def shape(message: JsonObject) -> list[list[str]]:
    data = message["data"]
    assert isinstance(data, dict)
    return [list(message), list(data)]


def types_of(receiver: Receiver) -> list[str]:
    return [str(httpx2.Response(200, content=call.body).json()["type"]) for call in receiver.calls]


async def test_an_endpoint_is_made_read_changed_and_deleted(api: Api) -> None:
    client, user_id = await api.user()
    answer = await client.post(
        ENDPOINTS, json={"url": URL, "types": ["document.failed"], "headers": {"X-Team": "a"}, "description": "ops"}
    )
    body = answer.json()
    assert answer.status_code == 201 and answer.headers["Location"] == f"{ENDPOINTS}/{body['id']}"
    assert (body["url"], body["types"], body["headers"], body["user_id"]) == (
        URL,
        ["document.failed"],
        {"X-Team": "a"},
        user_id,
    )
    assert (body["enabled"], body["disabled_because"], body["version"]) == (True, None, 1)
    path = f"{ENDPOINTS}/{body['id']}"
    assert (await client.get(path)).json() == body
    changed = await client.patch(path, json={"enabled": False}, headers={"If-Match": answer.headers["ETag"]})
    assert (changed.json()["enabled"], changed.json()["disabled_because"]) == (False, "owner")
    assert (await client.patch(path, json={"enabled": True}, headers={"If-Match": '"1"'})).status_code == 412
    assert (await client.patch(path, json={"enabled": True})).json()["disabled_because"] is None
    assert [item["id"] for item in (await client.get(ENDPOINTS)).json()["items"]] == [body["id"]]
    assert (await client.delete(path)).status_code == 204
    assert (await client.get(path)).status_code == 404 and (await client.get(ENDPOINTS)).json()["items"] == []


async def test_without_types_it_is_called_for_all(api: Api) -> None:
    assert (await made(api.admin))["types"] == list(TYPES)


@pytest.mark.parametrize(
    ("fields", "pointer", "code"),
    [
        ({"url": "http://10.0.0.1/"}, "/url", "private_address"),
        ({"url": "ftp://example.com/"}, "/url", "invalid_url"),
        ({"types": []}, "/types", "too_short"),
        ({"types": ["document.made"]}, "/types/0", "invalid_value"),
        ({"types": ["batch.completed"]}, "/types/0", "not_available"),
        ({"headers": {"webhook-id": "x"}}, "/headers/webhook-id", "invalid_header"),
        ({"headers": {"X-A": "a\r\nb"}}, "/headers/X-A", "invalid_header"),
        ({"headers": {"Content_Length": "0"}}, "/headers/Content_Length", "invalid_header"),
        ({"headers": {"X-A": "a\tb"}}, "/headers/X-A", "invalid_header"),
        ({"secret": "whsec_x"}, "/secret", "unknown_field"),
        ({"enabled": "yes"}, "/enabled", "bool_type"),
        ({"enabled": 1}, "/enabled", "bool_type"),
    ],
)
async def test_what_cannot_be_called_is_refused(api: Api, fields: JsonObject, pointer: str, code: str) -> None:
    answer = await api.admin.post(ENDPOINTS, json={"url": URL, **fields})
    assert answer.status_code == 422
    assert [(flaw["pointer"], flaw["code"]) for flaw in answer.json()["errors"]] == [(pointer, code)]


@pytest.mark.parametrize("enabled", ["yes", "false", 0, 1, None])
async def test_only_true_and_false_disable_and_enable(api: Api, enabled: object) -> None:
    path = f"{ENDPOINTS}/{(await made(api.admin))['id']}"
    answer = await api.admin.patch(path, json={"enabled": enabled})
    assert answer.status_code == 422 and [flaw["pointer"] for flaw in answer.json()["errors"]] == ["/enabled"]
    assert (await api.admin.get(path)).json()["version"] == 1


@pytest.mark.parametrize(
    ("body", "detail"),
    [
        ([], "The body must be a JSON object."),
        ("text", "The body must be a JSON object."),
        ({"url": URL, "description": "a" * 501}, "/description: At most 500 characters are allowed."),
        ({"url": URL, "headers": []}, "/headers: An object is needed."),
        ({"url": "https://u:p@h.example/"}, "The URL has a user name or password in it: send them in a header"),
        ({}, "/url: This field is needed."),
    ],
)
async def test_a_refusal_is_worded_for_whoever_writes_json(api: Api, body: object, detail: str) -> None:
    answer = await api.admin.post(ENDPOINTS, json=body)
    assert answer.status_code == 422 and answer.json()["detail"].startswith(detail)


async def test_endpoints_are_seen_and_changed_by_their_owner_and_admins(api: Api) -> None:
    owner, _ = await api.user()
    other, _ = await api.user()
    viewer, _ = await api.user(role="viewer")
    path = f"{ENDPOINTS}/{(await made(owner))['id']}"
    for call in ("", "/secret"):
        assert (await other.get(path + call)).status_code == 404
        assert (await api.admin.get(path + call)).status_code == 200
    assert (await other.patch(path, json={"enabled": False})).status_code == 404
    assert (await other.post(path + "/test")).status_code == 404
    assert (await viewer.post(ENDPOINTS, json={"url": URL})).status_code == 403
    assert (await other.get(ENDPOINTS)).json()["items"] == []
    assert len((await api.admin.get(ENDPOINTS)).json()["items"]) == 1


async def test_viewers_see_no_secrets_of_an_endpoint(api: Api) -> None:
    owner, _ = await api.user()
    seer, _ = await api.user("viewer", scopes=["all"])
    path = f"{ENDPOINTS}/{(await made(owner, headers={'Authorization': 'Bearer hush'}))['id']}"
    for seen in ((await seer.get(path)).json(), (await seer.get(ENDPOINTS)).json()["items"][0]):
        assert (seen["url"], seen["headers"]) == ("https://hooks.example.com/in?...", {"Authorization": "***"})
    assert (await seer.get(path + "/secret")).status_code == 403
    seen = (await owner.get(path)).json()
    assert (seen["url"], seen["headers"]) == (URL, {"Authorization": "Bearer hush"})


async def test_a_user_has_so_many_endpoints_and_lists_are_paged(api: Api) -> None:
    client, _ = await api.user()
    ids = [(await made(client))["id"] for _ in range(3)]
    refused = await client.post(ENDPOINTS, json={"url": URL})
    assert (refused.status_code, refused.json()["code"]) == (409, "too_many_endpoints")
    first = (await client.get(ENDPOINTS, params={"limit": 2})).json()
    second = (await client.get(ENDPOINTS, params={"limit": 2, "cursor": first["next_cursor"]})).json()
    assert [item["id"] for item in first["items"] + second["items"]] == ids[::-1] and second["next_cursor"] is None


async def test_secrets_and_headers_are_sealed_in_every_store(api: Api, shipping: Shipper) -> None:
    body = await made(api.admin, headers={"Authorization": "Bearer hush-hush"})
    secret = (await api.admin.get(f"{ENDPOINTS}/{body['id']}/secret")).json()["secret"]
    await shipped(api)
    (row,) = await api.clickhouse.rows("SELECT row FROM endpoints FINAL")
    stored = str(row["row"]) + str(await api.scripts.redis.hgetall(f"{{pw}}:endpoint:{body['id']}"))
    assert "hush-hush" not in stored and secret not in stored and secret.removeprefix("whsec_") not in stored


async def test_callback_and_endpoints_that_ask_for_it_both_hear_and_each_with_its_own_secret(api: Api) -> None:
    client, user_id = await api.user()
    async with receiving(answers(200)) as called, receiving(answers(200)) as asked, receiving(answers(200)) as other:
        endpoint = await made(client, url=asked.url, types=["document.completed"], headers={"X-Team": "a"})
        await made(client, url=other.url, types=["document.failed"])
        await made(api.admin, url=other.url)
        async with delivering(api):
            document_id = await ended(api, user_id, callback=Callback(url=called.url))
            await wait_until(lambda: settled(api, document_id))
        secret = (await client.get(f"{ENDPOINTS}/{endpoint['id']}/secret")).json()["secret"]
        own = (await client.get("/v1/webhooks/secret")).json()["secret"]
    assert len(called.calls) == len(asked.calls) == 1 and other.calls == []
    assert asked.calls[0].headers["x-team"] == "a"
    for call, key in ((called.calls[0], own), (asked.calls[0], secret)):
        assert Webhook(key).verify(call.body, call.headers)["data"]["id"] == str(document_id)
    assert called.calls[0].headers["webhook-id"] != asked.calls[0].headers["webhook-id"]
    row = await api.queue.live(document_id)
    assert row and (row.delivery.status, row.delivery.attempts) == ("delivered", 2)


async def settled(api: Api, document_id: UUID) -> bool:
    row = await api.queue.live(document_id)
    return row is not None and row.delivery.status in ("delivered", "dead")


async def test_a_document_is_pending_while_one_of_its_receivers_is_and_dead_if_one_is(api: Api) -> None:
    client, user_id = await api.user()
    async with receiving(answers(500)) as failing, receiving(answers(200)) as well:
        await made(client, url=failing.url)
        async with delivering(api):
            document_id = await ended(api, user_id, callback=Callback(url=well.url))
            await wait_until(lambda: len(failing.calls) == 3 and settled(api, document_id))
    row = await api.queue.live(document_id)
    assert row and (row.delivery.status, row.delivery.attempts, row.delivery.next_attempt_at) == ("dead", 4, None)


async def test_a_disabled_endpoint_hears_nothing_and_recover_makes_up_for_it(api: Api, shipping: Shipper) -> None:
    client, user_id = await api.user()
    async with receiving(answers(500, 500, 500, 200)) as receiver:
        endpoint = await made(client, url=receiver.url, types=["document.completed"])
        path = f"{ENDPOINTS}/{endpoint['id']}"
        async with delivering(api):
            failed = await ended(api, user_id)
            await wait_until(lambda: settled(api, failed))
            await client.patch(path, json={"enabled": False})
            missed = await ended(api, user_id)
            await shipped(api)
            assert await listed(client, document_id=missed) == []
            await client.patch(path, json={"enabled": True})
            answer = await client.post(path + "/recover", json={"since": endpoint["created_at"]})
            assert (answer.status_code, answer.json()) == (202, {"resent": 1, "missing": 1, "more": False})
            await wait_until(lambda: len(receiver.calls) == 5)
            await shipped(api)
    found = await listed(client, endpoint_id=endpoint["id"])
    assert {(item["document_id"], item["status"]) for item in found} == {
        (str(failed), "delivered"),
        (str(missed), "delivered"),
    }
    assert all(item["endpoint_id"] == endpoint["id"] for item in found)
    again = await client.post(path + "/recover", json={"since": endpoint["created_at"]})
    assert again.json() == {"resent": 0, "missing": 0, "more": False}


async def test_a_ping_is_signed_goes_the_guarded_way_and_its_outcome_is_the_answer(api: Api) -> None:
    client, _ = await api.user()
    async with receiving(answers(204, 503, body=b"")) as receiver, delivering(api):
        endpoint = await made(client, url=receiver.url)
        path = f"{ENDPOINTS}/{endpoint['id']}"
        answer = await client.post(path + "/test")
        body = answer.json()
        assert (answer.status_code, body["type"], body["status"], body["document_id"]) == (
            200,
            "ping",
            "delivered",
            None,
        )
        assert [attempt["status_code"] for attempt in body["attempts"]] == [204]
        secret = (await client.get(path + "/secret")).json()["secret"]
        (call,) = receiver.calls
        message = Webhook(secret).verify(call.body, call.headers)
        assert (message["type"], message["data"]["endpoint_id"]) == ("ping", endpoint["id"])
        assert shape(message) == shape(EXAMPLES["ping"])
        assert call.headers["webhook-id"] == body["id"]
        refused = (await client.post(path + "/test")).json()
        assert (refused["status"], refused["attempts"][0]["error"]["code"]) == ("dead", "status")
        blocked = await made(client, url="http://rebound.localhost.example.invalid/")
        outcome = (await client.post(f"{ENDPOINTS}/{blocked['id']}/test")).json()
        assert outcome["status"] == "dead" and outcome["attempts"][0]["error"]["code"] == "dns"


@pytest.mark.parametrize(("reply", "reason"), [((410, {}), "gone"), ((500, {"webhook-delivery": "disable"}), "asked")])
async def test_a_receiver_that_wants_no_more_is_disabled_and_others_hear_of_it(
    api: Api, reply: tuple[int, dict[str, str]], reason: str
) -> None:
    client, user_id = await api.user()
    async with receiving(answers(reply)) as receiver, receiving(answers(200)) as watching:
        endpoint = await made(client, url=receiver.url, types=["document.completed"])
        await made(client, url=watching.url, types=["endpoint.disabled"])
        async with delivering(api):
            document_id = await ended(api, user_id)
            await wait_until(lambda: len(watching.calls) == 1 and settled(api, document_id))
            await ended(api, user_id)
    assert len(receiver.calls) == 1 and types_of(watching) == ["endpoint.disabled"]
    shown = (await client.get(f"{ENDPOINTS}/{endpoint['id']}")).json()
    assert (shown["enabled"], shown["disabled_because"]) == (False, reason) and shown["disabled_at"]
    message = json.loads(watching.calls[0].body)
    assert shape(message) == shape(EXAMPLES["endpoint.disabled"])
    told = message["data"]
    assert (told["endpoint_id"], told["disabled_because"]) == (endpoint["id"], reason) and "hush" not in str(told)


async def test_an_endpoint_that_has_only_failed_for_long_is_disabled(api: Api) -> None:
    client, user_id = await api.user()
    async with receiving(answers(500)) as receiver:
        endpoint = await made(client, url=receiver.url)
        async with delivering(api, "0,0.02,0.02,0.02,0.02", DeliverLimits(failing_days=0.01 / 86_400, failing_calls=3)):
            document_id = await ended(api, user_id)
            await wait_until(lambda: settled(api, document_id))
    shown = (await client.get(f"{ENDPOINTS}/{endpoint['id']}")).json()
    assert (shown["enabled"], shown["disabled_because"]) == (False, "failing")
    assert len(receiver.calls) >= 3


async def test_a_message_that_is_refused_for_good_leaves_the_endpoint_enabled(api: Api) -> None:
    client, user_id = await api.user()
    async with receiving(answers((422, {"Webhook-Delivery": "abort-message"}))) as receiver:
        endpoint = await made(client, url=receiver.url)
        async with delivering(api):
            document_id = await ended(api, user_id)
            await wait_until(lambda: settled(api, document_id))
    assert len(receiver.calls) == 1
    assert (await client.get(f"{ENDPOINTS}/{endpoint['id']}")).json()["enabled"] is True


async def test_a_deleted_endpoint_is_called_no_more(api: Api) -> None:
    client, user_id = await api.user()
    async with receiving(answers(200)) as receiver:
        endpoint = await made(client, url=receiver.url)
        document_id = await ended(api, user_id)
        assert (await client.delete(f"{ENDPOINTS}/{endpoint['id']}")).status_code == 204
        async with delivering(api):
            await wait_until(lambda: settled(api, document_id))
    row = await api.queue.live(document_id)
    assert row and row.delivery.status == "dead" and receiver.calls == []


async def test_endpoints_come_back_when_redis_has_lost_them(api: Api, shipping: Shipper) -> None:
    client, user_id = await api.user()
    async with receiving(answers(200)) as receiver:
        endpoint = await made(client, url=receiver.url)
        gone = await made(client)
        await client.delete(f"{ENDPOINTS}/{gone['id']}")
        await shipped(api)
        await api.scripts.redis.flushdb()
        api.app.state.bootstrap.prepared.clear()
        await api.app.state.bootstrap.prepare()
        assert [item["id"] for item in (await client.get(ENDPOINTS)).json()["items"]] == [endpoint["id"]]
        async with delivering(api):
            document_id = await ended(api, user_id)
            await wait_until(lambda: settled(api, document_id))
    assert len(receiver.calls) == 1
