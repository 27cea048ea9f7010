"""What the measurements stand on: a broker, a user with a secret, documents that have ended, a watched deliverer."""

import asyncio
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field

from backends.accounts import Accounts
from backends.clickhouse import ClickHouse
from backends.deliveries import Deliveries, LeasedDelivery, Report, Sign
from backends.endpoints import EndpointStore
from backends.queue import Completion, DocumentQueue
from backends.redis import connect_redis
from backends.scripts import Scripts
from contracts.deliveries import DeliveryAttempt
from contracts.documents import Result
from contracts.ids import new_id, now_ms
from contracts.jobs import Callback, GenerationJob, PinnedTemplate
from contracts.secrets import SecretBox, UrlSigner
from contracts.targets import AllowList
from contracts.users import UserRow
from contracts.views import Links
from contracts.webhooks import new_secret
from generator.delivery import Attempter, Deliverer, Dialer, Schedule
from generator.delivery.loop import DeliverLimits
from generator.payloads import DeliveryData
from generator.repository import HistoryRepository

KEY = "a secret key for benchmarks, long enough"
RESULT = Result(key="k", bytes=9, sha256="1" * 64, pages=1, content_type="application/pdf", filename="a.pdf")
AT_ONCE = 50


@contextmanager
def receivers(count: int, hanging: int = 0) -> Iterator[list[str]]:
    """Run receivers in a process of their own; yields their URLs, those that hang first."""
    command = [sys.executable, "-m", "benchmarks.deliveries.receivers", str(count), str(hanging)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        ports = process.stdout.readline().split()
        try:
            yield [f"http://127.0.0.1:{int(port)}/hook" for port in ports]
        finally:
            process.kill()


@dataclass
class Watched(Deliveries):
    """Deliveries that note when each was recorded: (receiver, ms since it became due, the attempt's status)."""

    def __init__(self, scripts: Scripts) -> None:
        super().__init__(scripts)
        self.noted: list[tuple[str, int, str]] = []

    async def record_all(self, made: Sequence[tuple[LeasedDelivery, DeliveryAttempt, Sign]]) -> list[Report]:
        reports = await super().record_all(made)
        now = now_ms()
        self.noted += [(leased.receiver, now - leased.created_at, attempt.status) for leased, attempt, _ in made]
        return reports


@dataclass
class Stage:
    """`user` owns every document; its secret signs every call."""

    scripts: Scripts
    queue: DocumentQueue
    user: UserRow
    clickhouse: ClickHouse = field(default_factory=lambda: ClickHouse("http://127.0.0.1:1"))

    async def ended(self, urls: Sequence[str]) -> None:
        """Take a document with a callback to each of these to its end; its webhook is due then."""
        for begin in range(0, len(urls), AT_ONCE):
            await asyncio.gather(*(self.queue.enqueue(self._job(url)) for url in urls[begin : begin + AT_ONCE]))
        done = 0
        while done < len(urls):
            claims = await self.queue.claim("benchmark", AT_ONCE, str(new_id()))
            await self.queue.start([claim.ref for claim in claims])
            await self.queue.complete([Completion(*claim.ref, RESULT, 12, None) for claim in claims])
            done += len(claims)

    def _job(self, url: str) -> GenerationJob:
        return GenerationJob(
            document_id=new_id(),
            user_id=self.user.user_id,
            created_at=now_ms(),
            template=PinnedTemplate(name="invoice", version=3, sha256="0" * 64, engine="typst"),
            format="pdf",
            filename="invoice.pdf",
            lane=str(self.user.user_id),
            callback=Callback(url=url, headers={}),
        )

    @asynccontextmanager
    async def delivering(self, limits: DeliverLimits | None = None) -> AsyncIterator[Watched]:
        """Deliver as a generator does."""
        accounts, endpoints, box = Accounts(self.scripts), EndpointStore(self.scripts), SecretBox(KEY)
        links = Links("http://127.0.0.1:8000", UrlSigner(KEY), 3600)
        data = DeliveryData(self.queue, HistoryRepository(self.clickhouse), accounts, endpoints, links, box.open)
        dialer, deliveries = Dialer(AllowList.parse(cidrs="127.0.0.1/32")), Watched(self.scripts)
        attempter = Attempter(dialer, data, data, box.open, Schedule.parse())
        deliverer = Deliverer(deliveries, attempter, limits)
        running = asyncio.create_task(deliverer.run())
        try:
            yield deliveries
        finally:
            hurried = asyncio.Event()
            hurried.set()
            deliverer.stop(hurried)
            await running
            dialer.close()


@asynccontextmanager
async def staged(redis_url: str) -> AsyncIterator[Stage]:
    """An empty broker with one user."""
    redis = connect_redis(redis_url)
    await redis.flushall()
    scripts, now = Scripts(redis), now_ms()
    user = UserRow(
        user_id=new_id(),
        email="a@example.com",
        email_norm="a@example.com",
        name="A",
        role="member",
        status="active",
        webhook_secret=SecretBox(KEY).seal(new_secret()),
        created_at=now,
        updated_at=now,
        version=1,
    )
    await Accounts(scripts).adopt_user(user)
    stage = Stage(scripts, DocumentQueue(scripts), user)
    try:
        yield stage
    finally:
        await stage.clickhouse.close()
        await redis.aclose()


async def until_noted(deliveries: Watched, count: int, within_s: float = 120) -> None:
    """Wait for so many recorded attempts."""
    deadline = time.monotonic() + within_s
    while len(deliveries.noted) < count:
        assert time.monotonic() < deadline, f"{len(deliveries.noted)} of {count} were recorded"
        await asyncio.sleep(0.01)
