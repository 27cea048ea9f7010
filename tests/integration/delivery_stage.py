"""What the tests of the delivery loop share: payloads of live documents, a secret, a dialer that answers as told."""

import asyncio
from collections.abc import Mapping, Sequence
from uuid import UUID

from backends.queue import DocumentQueue
from contracts.deliveries import DeliveryAttempt
from contracts.errors import NotFound
from contracts.ids import now_ms
from contracts.secrets import SecretBox, UrlSigner
from contracts.targets import AllowList
from contracts.views import Links, document_view
from generator.delivery import Attempter, Dialer, DialLimits, Schedule
from generator.delivery.dial import Answer
from generator.payloads import end_of_run
from tests.integration.delivery_zoo import SECRET, USER, Broker

BOX = SecretBox("s" * 32)
LINKS = Links("http://docs.example", UrlSigner("s" * 32))
LOOPBACK = AllowList.parse(cidrs="127.0.0.1/32")
QUICK = DialLimits(connect_s=1, total_s=5, body_s=0.5)


class LivePayloads:
    """Documents that are in Redis; there is no history behind it."""

    def __init__(self, queue: DocumentQueue) -> None:
        self._queue = queue

    async def document_payload(self, document_id: UUID, run: int) -> Mapping[str, object]:
        row = end_of_run(await self._queue.live_events(document_id), run)
        if row is None:
            raise NotFound("document")
        return document_view(row, LINKS, now_ms())


class OneSecret:
    """A user whose secret is known; nobody else exists."""

    async def webhook_secrets(self, user_id: UUID) -> Sequence[str]:
        await asyncio.sleep(0)
        if user_id != USER:
            raise NotFound("user")
        return [BOX.seal(SECRET)]


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
