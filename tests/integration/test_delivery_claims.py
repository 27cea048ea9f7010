"""Claims of deliveries whose answers are lost on the way: what they have leased must not wait for the lease's end."""

import pytest

from backends.deliveries import Deliveries, LeasedDelivery
from backends.scripts import Answer, Scripts
from contracts.errors import QueueUnavailable
from tests.integration.attempts import attempt_of
from tests.integration.delivery_zoo import Broker


class LosingAnswers(Scripts):
    """Runs each script and loses the answers of the first `lost`."""

    lost = 1

    async def run(self, name: str, *args: str | int | bytes) -> Answer:
        answer = await super().run(name, *args)
        if self.lost:
            self.lost -= 1
            raise QueueUnavailable()
        return answer


async def test_what_a_claim_without_an_answer_has_leased_comes_with_the_next_one(pw: Broker) -> None:
    document_id = await pw.completed("https://hooks.example/")
    deliveries = Deliveries(LosingAnswers(pw.redis, pw.scripts.prefix))
    with pytest.raises(QueueUnavailable):
        await deliveries.claim(8, room=8, loads={})
    (leased,) = (await deliveries.claim(8, room=8, loads={})).items
    assert (leased.document_id, leased.token) == (document_id, 1)
    assert (await deliveries.claim(8, room=8, loads={})).items == []


async def overdue(pw: Broker) -> tuple[Deliveries, LeasedDelivery]:
    """A delivery whose lease has ended, and that waits in its receiver's lane again; its holder knows nothing of it."""
    for _ in range(2):
        await pw.completed("https://hooks.example/")
    first = (await pw.deliveries().claim(8, room=8, loads={})).items
    later = pw.deliveries(lambda: first[0].leased_at + 61_000)
    (again,) = (await later.claim(1, room=8, loads={})).items
    return later, next(one for one in first if one.member != again.member)


async def test_what_is_recorded_after_its_lease_does_not_go_before_its_time(pw: Broker) -> None:
    later, leased = await overdue(pw)
    attempt = attempt_of(leased, "pending", next_attempt_at=leased.leased_at + 3_600_000)
    assert await later.record(leased, attempt) == "ok"
    assert (await later.claim(8, room=8, loads={})).items == []
    assert (await later.backlog()).pending == 2, "once at its time, and the other under its lease"


async def test_what_is_given_back_after_its_lease_goes_once(pw: Broker) -> None:
    later, leased = await overdue(pw)
    assert await later.release([leased]) == 1
    assert [one.member for one in (await later.claim(8, room=8, loads={})).items] == [leased.member]
    assert (await later.claim(8, room=8, loads={})).items == []
    assert (await later.backlog()).pending == 2
