"""What is true of an endpoint counts for its next call; a ping finds out how it is, whatever its circuit says."""

import pytest
from standardwebhooks import Webhook, WebhookVerificationError

from backends.deliveries import Deliveries
from contracts.views import JsonObject
from generator.shipper import Shipper
from tests.integration.conftest import Api
from tests.integration.delivery_zoo import answers, receiving, wait_until
from tests.integration.test_endpoints_api import ENDPOINTS, api, delivering, ended, made
from tests.integration.test_webhooks_api import listed, shipped

__all__ = ["api"]
DELIVERIES = "/v1/webhooks/deliveries"


async def failing(api: Api, user_id: str, endpoint: JsonObject, times: int) -> None:
    """Let so many calls of an endpoint fail, so that its circuit opens."""
    for _ in range(times):
        await ended(api, user_id)
    key = f"{api.scripts.prefix}receiver:{endpoint['id']}"
    await wait_until(lambda: _is_shut(api, key))


async def _is_shut(api: Api, key: str) -> bool:
    return bool(await api.scripts.redis.hexists(key, "shut_until"))


async def test_a_change_counts_for_the_next_call(api: Api) -> None:
    client, _ = await api.user()
    async with receiving(answers(204, body=b"")) as before, receiving(answers(500)) as after, delivering(api):
        path = f"{ENDPOINTS}/{(await made(client, url=before.url))['id']}"
        assert (await client.post(path + "/test")).json()["status"] == "delivered"
        assert (await client.patch(path, json={"url": after.url})).status_code == 200
        assert (await client.post(path + "/test")).json()["attempts"][0]["status_code"] == 500
    assert (len(before.calls), len(after.calls)) == (1, 1)


async def test_the_first_call_after_a_rotation_has_both_signatures(api: Api) -> None:
    client, user_id = await api.user()
    async with receiving(answers(204, body=b"")) as receiver, delivering(api):
        path = f"{ENDPOINTS}/{(await made(client, url=receiver.url))['id']}"
        await client.post(path + "/test")
        old = (await client.get(path + "/secret")).json()["secret"]
        new = (await client.post(path + "/secret/rotate")).json()["secret"]
        await client.post(path + "/test")
        first, second = receiver.calls
        for secret in (old, new):
            assert Webhook(secret).verify(second.body, second.headers)["type"] == "ping"
        with pytest.raises(WebhookVerificationError):
            Webhook(new).verify(first.body, first.headers)


async def test_a_ping_does_not_wait_for_the_circuit_and_closes_it_when_it_arrives(api: Api) -> None:
    client, user_id = await api.user()
    async with receiving(answers(*[500] * 14, 204, body=b"")) as receiver, delivering(api, schedule="0,0.01,600"):
        endpoint = await made(client, url=receiver.url)
        path = f"{ENDPOINTS}/{endpoint['id']}"
        await failing(api, user_id, endpoint, 6)
        assert len(receiver.calls) < 13, "what is left waits"
        while (ping := (await client.post(path + "/test")).json())["status"] == "dead":
            assert len(ping["attempts"]) == 1
        assert ping["status"] == "delivered"
        waiting = await ended(api, user_id)
        await wait_until(lambda: any(str(waiting).encode() in call.body for call in receiver.calls))


async def test_a_change_by_its_owner_opens_the_way_again(api: Api) -> None:
    client, user_id = await api.user()
    async with receiving(answers(500)) as ill, receiving(answers(204, body=b"")) as well:
        async with delivering(api, schedule="0,0.01,0.01,600"):
            endpoint = await made(client, url=ill.url)
            await failing(api, user_id, endpoint, 6)
            waiting = await ended(api, user_id)
            await client.patch(f"{ENDPOINTS}/{endpoint['id']}", json={"url": well.url})
            await wait_until(lambda: any(str(waiting).encode() in call.body for call in well.calls))


async def test_sending_one_again_asks_a_receiver_that_is_left_alone(api: Api, shipping: Shipper) -> None:
    client, user_id = await api.user()
    async with receiving(answers(*[500] * 14, 204, body=b"")) as receiver, delivering(api, schedule="0,0.01,0.01,600"):
        endpoint = await made(client, url=receiver.url)
        await failing(api, user_id, endpoint, 6)
        await shipped(api)
        some = (await listed(client, endpoint_id=endpoint["id"]))[0]["id"]
        seen = len(receiver.calls)
        assert (await client.post(f"{DELIVERIES}/{some}/resend")).status_code == 202
        await wait_until(lambda: len(receiver.calls) > seen)


async def test_who_is_not_called_is_not_promised_to_be(api: Api, shipping: Shipper) -> None:
    client, user_id = await api.user()
    async with receiving(answers(500)) as receiver, delivering(api, schedule="0"):
        path = f"{ENDPOINTS}/{(await made(client, url=receiver.url))['id']}"
        document_id = await ended(api, user_id)
        await wait_until(lambda: len(receiver.calls) == 1)
        await client.patch(path, json={"enabled": False})
        await shipped(api)
        (delivery,) = await listed(client, document_id=document_id)
        for answer in (
            await client.post(path + "/recover", json={"since": "2026-01-01T00:00:00Z"}),
            await client.post(f"{DELIVERIES}/{delivery['id']}/resend"),
        ):
            assert (answer.status_code, answer.json()["code"]) == (409, "endpoint_disabled")
        await client.delete(path)
        answer = await client.post(f"{DELIVERIES}/{delivery['id']}/resend")
        assert (answer.status_code, answer.json()["code"]) == (409, "endpoint_disabled")
    assert len(receiver.calls) == 1


async def test_what_was_given_up_with_its_endpoint_still_says_where_it_went(api: Api, shipping: Shipper) -> None:
    client, user_id = await api.user()
    async with receiving(answers(500)) as receiver, delivering(api, schedule="0,1,1"):
        path = f"{ENDPOINTS}/{(await made(client, url=receiver.url))['id']}"
        document_id = await ended(api, user_id)
        await wait_until(lambda: len(receiver.calls) == 1)
        await client.patch(path, json={"enabled": False})
        await shipped(api)

        async def given_up() -> bool:
            return [item["status"] for item in await listed(client, document_id=document_id)] == ["dead"]

        await wait_until(given_up)
        (delivery,) = await listed(client, document_id=document_id)
    assert delivery["url"] == receiver.url.replace("?token=hush", "?...")
    assert delivery["attempts"][-1]["error"]["code"] == "disabled"  # type: ignore[index]


async def test_what_a_receiver_that_is_left_alone_has_due_is_not_overdue(api: Api) -> None:
    client, user_id = await api.user()
    async with receiving(answers(500)) as receiver, delivering(api, schedule="0,0.01,0.01,600"):
        endpoint = await made(client, url=receiver.url)
        await failing(api, user_id, endpoint, 6)
        await ended(api, user_id)
        deliveries = Deliveries(api.scripts)

        async def waits() -> bool:
            return (await deliveries.backlog()).due > 0

        await wait_until(waits)
        assert (await deliveries.backlog()).oldest_due_ms < 1000
