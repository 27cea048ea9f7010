"""Claims of deliveries whose answers are lost on the way: what they have leased must not wait for the lease's end."""

from collections.abc import AsyncIterator

import pytest

from backends.deliveries import Deliveries
from backends.scripts import Answer, Scripts
from contracts.errors import QueueUnavailable
from tests.integration.delivery_zoo import Broker, broker
from tests.integration.history_servers import Server


class LosingAnswers(Scripts):
    """Runs each script and loses the answers of the first `lost`."""

    lost = 1

    async def run(self, name: str, *args: str | int | bytes) -> Answer:
        answer = await super().run(name, *args)
        if self.lost:
            self.lost -= 1
            raise QueueUnavailable()
        return answer


@pytest.fixture
async def pw(redis_node: Server) -> AsyncIterator[Broker]:
    async with broker(redis_node) as made:
        yield made


async def test_what_a_claim_without_an_answer_has_leased_comes_with_the_next_one(pw: Broker) -> None:
    document_id = await pw.completed("https://hooks.example/")
    deliveries = Deliveries(LosingAnswers(pw.redis, pw.scripts.prefix))
    with pytest.raises(QueueUnavailable):
        await deliveries.claim(8, room=8, loads={})
    (leased,) = (await deliveries.claim(8, room=8, loads={})).items
    assert (leased.document_id, leased.token) == (document_id, 1)
    assert (await deliveries.claim(8, room=8, loads={})).items == []
