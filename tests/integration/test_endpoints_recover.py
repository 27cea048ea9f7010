"""What `recover` sends again."""

from generator.shipper import Shipper
from tests.integration.conftest import Api
from tests.integration.delivery_zoo import answers, receiving
from tests.integration.test_endpoints_api import ENDPOINTS, api, delivering, made, shipped

__all__ = ["api"]


async def test_a_ping_that_failed_is_not_sent_again(api: Api, shipping: Shipper) -> None:
    client, _ = await api.user()
    async with receiving(answers(500)) as receiver:
        endpoint = await made(client, url=receiver.url)
        path = f"{ENDPOINTS}/{endpoint['id']}"
        async with delivering(api):
            assert (await client.post(path + "/test")).json()["status"] == "dead"
            await shipped(api)
            answer = await client.post(path + "/recover", json={"since": endpoint["created_at"]})
    assert (answer.status_code, answer.json()) == (202, {"resent": 0, "missing": 0, "more": False})
    assert len(receiver.calls) == 1
