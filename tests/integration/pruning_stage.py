"""Documents, their blobs and a pruner whose clock is ahead, on real servers of their own."""

from collections.abc import Collection
from dataclasses import dataclass
from uuid import UUID, uuid4

from prometheus_client import CollectorRegistry

from backends.blobs import BlobStore, FileBlobStore
from backends.clickhouse import ClickHouse
from backends.deliveries import Deliveries
from backends.queue import Claim, Completion, DocumentQueue, Failure
from backends.role_lease import RoleLease
from backends.scripts import Scripts
from backends.template_store import TemplateStore
from contracts.documents import Result
from contracts.errors import DocumentError
from contracts.ids import now_ms
from contracts.jobs import Callback, GenerationJob, result_key
from generator.maintenance.pruner import Pruner, PrunerMetrics
from generator.maintenance.pruning import Pruning, pruning_over
from generator.maintenance.retention import DAY_MS, Retention
from generator.shipper import Shipper, ShipperSettings
from tests.integration.attempts import attempt_of
from tests.integration.history_servers import job

HOOK = Callback(url="https://example.com/hook")
WEEK_MS = 7 * DAY_MS


@dataclass
class Stage:
    """`ahead_ms`: how far the pruner's clock is ahead of everybody's."""

    scripts: Scripts
    clickhouse: ClickHouse
    blobs: FileBlobStore
    ahead_ms: int = 0

    @property
    def queue(self) -> DocumentQueue:
        return DocumentQueue(self.scripts)

    @property
    def templates(self) -> TemplateStore:
        return TemplateStore(self.scripts)

    def pruning(self, retention: Retention | None = None, blobs: BlobStore | None = None) -> Pruning:
        return pruning_over(
            self.scripts, self.clickhouse, blobs or self.blobs, retention or Retention(templates_ms=0), self._clock
        )

    def pruner(self, pruning: Pruning | None = None, holder: str = "") -> Pruner:
        lease = RoleLease(self.scripts.redis, self.scripts.prefix, role="pruner", holder=holder or uuid4().hex)
        metrics = PrunerMetrics(CollectorRegistry())
        return Pruner(pruning or self.pruning(), lease, metrics, every_s=0.05, rest_factor=0)

    async def prune(self, *, ahead_ms: int, retention: Retention | None = None) -> set[str]:
        """Prune once at a later time; returns the keys that went."""
        self.ahead_ms = ahead_ms
        return await prune_with(self.pruning(retention))

    async def accept(self, **changes: object) -> GenerationJob:
        accepted = job().model_copy(update=changes)
        await self.queue.enqueue(accepted)
        return accepted

    async def start(self, **changes: object) -> Claim:
        """Accept a document and start to render it."""
        await self.accept(**changes)
        return await self.claim()

    async def claim(self) -> Claim:
        (claim,) = await self.queue.claim("w1", 1, uuid4().hex)
        assert await self.queue.start([claim.ref]) == ["ok"]
        return claim

    async def store(self, claim: Claim, token: int | None = None) -> str:
        """Store what an attempt made; returns its key."""
        key = result_key(claim.job.document_id, token or claim.token)
        await self.blobs.put(key, b"%PDF-")
        return key

    async def complete(self, claim: Claim, expires_in_ms: int | None = WEEK_MS) -> str:
        key = await self.store(claim)
        result = Result(key=key, bytes=5, sha256="cd" * 32, pages=1, content_type="application/pdf", filename="a.pdf")
        expires_at = None if expires_in_ms is None else now_ms() + expires_in_ms
        assert await self.queue.complete([Completion(*claim.ref, result, 12, expires_at)]) == ["ok"]
        return key

    async def fail(self, claim: Claim) -> None:
        error = DocumentError(code="template_error", message="no")
        assert await self.queue.fail([Failure(*claim.ref, error, 1, None)]) == ["ok"]

    async def deliver(self) -> None:
        deliveries = Deliveries(self.scripts)
        (leased,) = (await deliveries.claim(1, room=1, loads={})).items
        assert await deliveries.record(leased, attempt_of(leased)) == "ok"

    async def ship(self) -> None:
        lease = RoleLease(self.scripts.redis, self.scripts.prefix, role="shipper", holder=uuid4().hex)
        shipper = Shipper(self.scripts, self.clickhouse, self.blobs, lease, ShipperSettings())
        while await shipper.ship_once():
            pass

    async def forget(self, document_id: UUID) -> None:
        """Let a document leave Redis, as its time to live does once it is shipped."""
        await self.ship()
        prefix = self.scripts.prefix
        assert await self.scripts.redis.ttl(f"{prefix}doc:{document_id}") > 0, "Redis would keep it"
        await self.lose(document_id)

    async def lose(self, document_id: UUID) -> None:
        prefix = self.scripts.prefix
        await self.scripts.redis.delete(f"{prefix}doc:{document_id}", f"{prefix}job:{document_id}")

    async def has(self, key: str) -> bool:
        return await self.blobs.size(key) is not None

    async def left(self, keys: Collection[str]) -> list[str]:
        """Return those of these blobs that are there still."""
        return [key for key in keys if await self.has(key)]

    def _clock(self) -> int:
        return now_ms() + self.ahead_ms


async def prune_with(pruning: Pruning) -> set[str]:
    removed: set[str] = set()
    async for findings in pruning.find():
        await pruning.remove(findings)
        removed |= {finding.blob.key for finding in findings}
    return removed
