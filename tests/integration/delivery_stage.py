"""What the tests of the delivery loop share: payloads of live documents, a secret, a dialer that answers as told."""

import asyncio
from collections.abc import Mapping
from uuid import UUID

from backends.accounts import Accounts
from backends.deliveries import LeasedDelivery
from backends.endpoints import EndpointStore
from backends.queue import DocumentQueue
from contracts.deliveries import DeliveryAttempt, shown_url
from contracts.errors import NotFound
from contracts.ids import now_ms
from contracts.jobs import Callback
from contracts.secrets import SecretBox, UrlSigner
from contracts.views import Links, document_view
from generator.delivery import Attempter, Dialer, DialLimits, Receiver, Schedule
from generator.delivery.dial import Answer
from generator.payloads import DeliveryData, end_of_run
from generator.repository import HistoryRepository
from tests.integration.conftest import SECRET_KEY, Api
from tests.integration.delivery_zoo import OTHER_USER, SECRET, USER, Broker

BOX = SecretBox("s" * 32)
LINKS = Links("http://docs.example", UrlSigner("s" * 32))
QUICK = DialLimits(connect_s=1, total_s=5, body_s=0.5)


class LivePayloads:
    """Documents that are in Redis; there is no history behind it."""

    def __init__(self, queue: DocumentQueue) -> None:
        self._queue = queue

    async def document_payload(self, document_id: UUID, run: int, known: str = "") -> Mapping[str, object]:
        row = end_of_run(await self._queue.live_events(document_id), run)
        if row is None:
            raise NotFound("document")
        return document_view(row, LINKS, now_ms())


class OneSecret:
    """Callbacks of two users with a known secret; nobody else exists."""

    async def receiver(self, leased: LeasedDelivery) -> Receiver:
        await asyncio.sleep(0)
        if leased.user_id not in (USER, OTHER_USER):
            raise NotFound("user")
        callback = Callback.model_validate_json(leased.callback)
        return Receiver(callback.url, callback.headers, [BOX.seal(SECRET)], shown_url(leased.callback))


class Answering:
    """A dialer that gives these answers in turn, the last one for ever, and keeps what was sent."""

    def __init__(self, *given: Answer) -> None:
        self.given = list(given)
        self.sent: list[tuple[Mapping[str, str], bytes]] = []

    async def post(self, url: str, headers: Mapping[str, str], body: bytes) -> Answer:
        await asyncio.sleep(0)
        self.sent.append((headers, body))
        return self.given.pop(0) if len(self.given) > 1 else self.given[0]


def attempter(
    pw: Broker, dialer: Dialer | Answering, schedule: str = "0,0.02,0.02,0.02", jitter: float = 0
) -> Attempter:
    payloads = LivePayloads(pw.queue)
    plan = Schedule.parse(schedule)
    return Attempter(dialer, payloads, OneSecret(), BOX.open, plan, random_=lambda: jitter)


async def settled(pw: Broker, document_id: UUID, status: str) -> bool:
    row = await pw.queue.live(document_id)
    return row is not None and row.delivery.status == status


async def attempts(pw: Broker) -> list[DeliveryAttempt]:
    return [DeliveryAttempt.model_validate_json(line) for line in await pw.attempts()]


def delivery_data(api: Api) -> DeliveryData:
    """What the generator reads of the stores that an API writes to."""
    history, accounts = HistoryRepository(api.clickhouse), Accounts(api.scripts)
    return DeliveryData(
        api.queue, history, accounts, EndpointStore(api.scripts), api.app.state.links, SecretBox(SECRET_KEY).open
    )
