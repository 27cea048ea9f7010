"""A whole system in miniature for the doctor's tests: users, documents in every state, webhooks, inputs and results."""

import hashlib
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from uuid import UUID, uuid4

from backends.accounts import Accounts
from backends.blobs import FileBlobStore
from backends.clickhouse import ClickHouse
from backends.queue import Claim, Completion, DocumentQueue, Idempotency
from backends.role_lease import RoleLease
from backends.scripts import Scripts
from backends.template_store import TemplateStore
from contracts.documents import Result
from contracts.ids import new_id, now_ms
from contracts.jobs import Callback, GenerationJob, result_key
from contracts.users import KeyRow, UserRow
from generator.bundles import register
from generator.maintenance.doctor.checks import all_checks
from generator.maintenance.doctor.doctor import Doctor
from generator.maintenance.doctor.report import Report
from generator.maintenance.doctor.stores import Stores
from generator.maintenance.pruning import pruning_over
from generator.maintenance.retention import Retention
from generator.shipped import load_shipped
from generator.shipper import Shipper, ShipperSettings
from tests.integration.history_servers import job

CONTENT = b"%PDF-1.7 a document"
HOOK = Callback(url="https://example.com/hook?secret=1", headers={"X-Team": "a"})
HOUR_MS = 3_600_000


@dataclass
class Clinic:
    """What the doctor examines, and how it came to be."""

    scripts: Scripts
    clickhouse: ClickHouse
    blobs: FileBlobStore
    url: str
    user_id: UUID = field(default_factory=new_id)
    key: KeyRow = field(init=False)

    @property
    def queue(self) -> DocumentQueue:
        return DocumentQueue(self.scripts, lease_ms=60_000)

    @property
    def accounts(self) -> Accounts:
        return Accounts(self.scripts)

    def name(self, key: str) -> str:
        return f"{self.scripts.prefix}{key}"

    async def open(self) -> "Clinic":
        """Make a user with a key and the templates, and let history know."""
        await self.accounts.populate([], [])
        await self.add_user(self.user_id, "admin")
        self.key = a_key(self.user_id)
        await self.accounts.put_key(self.key, "key.created", None)
        await register(load_shipped(), self.blobs, TemplateStore(self.scripts))
        await self.ship()
        return self

    async def add_user(self, user_id: UUID, role: str = "member") -> UserRow:
        row = a_user(user_id, role)
        await self.accounts.put_user(row, "user.created", None)
        return row

    # Documents

    async def accept(self, **changes: object) -> GenerationJob:
        accepted = job(self.user_id, **changes)
        key = accepted.idempotency_key
        await self.queue.enqueue(accepted, Idempotency(key, accepted.idempotency_fingerprint) if key else None)
        return accepted

    async def start(self, **changes: object) -> Claim:
        """Accept a document and begin to render it."""
        accepted = await self.accept(**changes)
        claims = await self.queue.claim("w", 100, uuid4().hex)
        await self.queue.release([claim.ref for claim in claims if claim.job.document_id != accepted.document_id])
        (claim,) = (claim for claim in claims if claim.job.document_id == accepted.document_id)
        await self.queue.start([claim.ref])
        return claim

    async def complete(self, expires_at: int | None = None, **changes: object) -> UUID:
        """Make a document, with its bytes."""
        claim = await self.start(**changes)
        await self.end(claim, expires_at)
        return claim.job.document_id

    async def end(self, claim: Claim, expires_at: int | None = None) -> None:
        document_id, token = claim.ref
        key = result_key(document_id, token)
        await self.blobs.put(key, CONTENT)
        digest = hashlib.sha256(CONTENT).hexdigest()
        result = Result(
            key=key, bytes=len(CONTENT), sha256=digest, pages=1, content_type="application/pdf", filename="a.pdf"
        )
        await self.queue.complete([Completion(document_id, token, result, render_ms=3, expires_at=expires_at)])

    # The servers

    async def ship(self) -> None:
        """Bring all events to ClickHouse."""
        lease = RoleLease(self.scripts.redis, self.scripts.prefix, role="shipper", holder=uuid4().hex)
        shipper = Shipper(self.scripts, self.clickhouse, self.blobs, lease, ShipperSettings(live_ttl_s=600))
        while await shipper.ship_once():
            continue

    async def lose_redis(self) -> None:
        keys = [key async for key in self.scripts.redis.scan_iter(match=self.name("*"), count=1000)]
        if keys:
            await self.scripts.redis.delete(*keys)

    async def contents(self) -> dict[str, bytes]:
        """Read all keys of Redis but the ones that come and go by themselves."""
        found = {}
        async for key in self.scripts.redis.scan_iter(match=self.name("*"), count=1000):
            if ":role:" not in key and ":load" not in key:
                found[key] = await self._dump(key)
        return found

    async def _dump(self, key: str) -> bytes:
        # A hash or a set is dumped in the order of its table, which may change without its content.
        kind = await self.scripts.redis.type(key)
        reads: dict[str, Callable[[str], Awaitable[object]]] = {
            "hash": self.scripts.redis.hgetall,
            "set": self.scripts.redis.smembers,
            "string": self.scripts.redis.get,
            "list": lambda name: self.scripts.redis.lrange(name, 0, -1),
            "zset": lambda name: self.scripts.redis.zrange(name, 0, -1, withscores=True),
            "stream": self.scripts.redis.xrange,
        }
        value = await reads[kind](key)
        shown = sorted(value.items()) if isinstance(value, dict) else value
        return repr((kind, sorted(shown) if isinstance(shown, set) else shown)).encode()

    async def count(self, table: str, where: str = "1") -> int:
        rows = await self.clickhouse.rows(f"SELECT count() AS n FROM {table} WHERE {where}")
        return int(str(rows[0]["n"]))

    # The doctor

    @property
    def stores(self) -> Stores:
        return Stores(self.scripts, self.clickhouse, self.blobs, live_ttl_s=600, lease_ms=60_000)

    async def examine(self, *, dry_run: bool = False, rerender: bool = False) -> Report:
        stores = Stores(self.scripts, self.clickhouse, self.blobs, 600, 60_000, rerender=rerender)
        pruning = pruning_over(self.scripts, self.clickhouse, self.blobs, Retention())
        return await Doctor(all_checks(stores, pruning), dry_run=dry_run, moment_s=0.01).run()


def flaws(report: Report) -> dict[str, int]:
    """Count what a report found, as `check:flaw`. A check that could not be made is no answer."""
    assert not [check.unchecked for check in report.checks if check.unchecked], report.as_text()
    return {f"{check.name}:{flaw.flaw}": flaw.found for check in report.checks for flaw in check.by_flaw()}


async def found_mended_and_gone(clinic: Clinic, expected: dict[str, int]) -> Report:
    """Examine a damaged system: a dry run finds it and changes nothing, a run mends it, the next finds nothing."""
    before = await clinic.contents()
    dry = await clinic.examine(dry_run=True)
    assert flaws(dry) == expected, dry.as_text()
    assert dry.exit_code == 1
    assert await clinic.contents() == before
    report = await clinic.examine()
    assert (report.left, report.exit_code) == (0, 0), report.as_text()
    assert flaws(report) | expected == flaws(report), report.as_text()
    await clinic.ship()
    after = await clinic.examine()
    assert (flaws(after), after.exit_code) == ({}, 0), after.as_text()
    return report


def a_user(user_id: UUID, role: str = "member", version: int = 1) -> UserRow:
    email = f"{user_id.hex}@example.com"
    values = {"email": email, "email_norm": email, "name": "Ann", "role": role, "status": "active"}
    stamps = {"created_at": now_ms(), "updated_at": now_ms(), "version": version}
    return UserRow.model_validate({"user_id": user_id, "webhook_secret": "sealed", **values, **stamps})


def a_key(user_id: UUID) -> KeyRow:
    return KeyRow(
        key_id=new_id(), user_id=user_id, name="k", prefix="pw_x", digest=uuid4().hex, created_at=now_ms(), version=1
    )
