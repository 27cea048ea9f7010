"""No key outlives its purpose: every key in Redis is declared, and those that must expire do."""

import asyncio
from uuid import UUID, uuid4

from redis.asyncio import Redis

from backends.deliveries import Deliveries
from backends.key_map import KEY_MAP, Lifetime, lifetime_of
from backends.queue import DocumentQueue, Idempotency
from contracts.documents import TERMINAL
from contracts.ids import now_ms
from contracts.jobs import Callback
from generator.shipper import Shipper
from tests.integration.attempts import attempt_of
from tests.integration.conftest import Api
from tests.integration.queue_steps import a_failure, a_job, a_result, claim_one, started


async def live_a_little(api: Api) -> None:
    """Do everything that leaves keys: users, keys, documents that end in every way, webhooks, idempotency."""
    client, user_id = await api.user()
    await client.post(
        "/v1/documents", json={"template": "letter", "data": {"to": {"name": "A"}}}, headers={"Idempotency-Key": "k"}
    )
    await api.admin.delete(f"/v1/users/{user_id}")
    queue = api.queue
    callback = Callback(url="https://example.com/hook")
    await queue.enqueue(a_job(run_at=now_ms() + 60_000))
    await queue.enqueue(a_job(callback=callback), Idempotency("k", "f"))
    for ending in ("completed", "failed", "delayed", "leased", "completed"):
        await queue.enqueue(a_job(callback=callback if ending == "failed" else None))
        claim = await claim_one(queue)
        await queue.start([claim.ref])
        if ending == "completed":
            await queue.complete([a_result(claim)])
        elif ending != "leased":
            await queue.fail([a_failure(claim, delay_ms=60_000 if ending == "delayed" else None)])
    await Deliveries(api.scripts).claim(1, room=1, loads={})


async def test_every_key_is_declared_and_expires_if_it_must(api: Api, redis: Redis, shipping: Shipper) -> None:
    await live_a_little(api)
    async with asyncio.timeout(10):
        while await redis.xlen("{pw}:events"):
            await asyncio.sleep(0.02)
    seen = set()
    async for key in redis.scan_iter(count=1000):
        name = key.removeprefix("{pw}:")
        lifetime = lifetime_of(name)
        assert key.startswith("{pw}:") and lifetime is not None, f"{key} is not in the key map"
        seen.add(lifetime)
        if lifetime == Lifetime.EXPIRES:
            assert await redis.pttl(key) > 0, key
    assert seen == set(Lifetime)


async def test_a_document_that_has_settled_expires_and_one_that_has_not_stays(
    api: Api, redis: Redis, shipping: Shipper, queue: DocumentQueue
) -> None:
    await queue.enqueue(a_job())
    settled = await claim_one(queue)
    await queue.start([settled.ref])
    await queue.complete([a_result(settled)])
    await queue.enqueue(a_job(callback=Callback(url="https://example.com/")))
    owing = await claim_one(queue)
    await queue.start([owing.ref])
    await queue.complete([a_result(owing)])
    async with asyncio.timeout(10):
        while await redis.ttl(f"{{pw}}:doc:{settled.job.document_id}") < 0:
            await asyncio.sleep(0.02)
    assert await redis.ttl(f"{{pw}}:job:{settled.job.document_id}") > 0
    assert await redis.ttl(f"{{pw}}:doc:{owing.job.document_id}") == -1


async def settle_everything(api: Api, redis: Redis) -> None:
    """End every document, settle every webhook, ship every event."""
    async for key in redis.scan_iter(match="{pw}:doc:*"):
        if await redis.hget(key, "status") not in TERMINAL:
            await api.queue.cancel(UUID(key.rpartition(":")[2]))
    assert await api.queue.claim("w", 100, uuid4().hex) == []  # takes cancelled documents out of their lanes
    deliveries = Deliveries(api.scripts, clock=lambda: now_ms() + 3_600_000)  # past every lease
    while items := (await deliveries.claim(10, room=10, loads={})).items:
        for leased in items:
            assert await deliveries.record(leased, attempt_of(leased)) == "ok"
    async with asyncio.timeout(10):
        while await redis.xlen("{pw}:events"):
            await asyncio.sleep(0.02)


async def let_time_pass(redis: Redis) -> set[str]:
    """Remove what expires, as time does; returns the names of the keys that are left."""
    left = set()
    async for key in redis.scan_iter(count=1000):
        if await redis.pttl(key) > 0:
            await redis.delete(key)
        else:
            left.add(key.removeprefix("{pw}:"))
    return left


def unexpected(names: set[str]) -> set[str]:
    """Pick the names that should be gone. Wake-ups wait for a worker or deliverer, of which there is none here."""
    permanent = {name for name in names if lifetime_of(name) == Lifetime.PERMANENT}
    return names - permanent - {"wake:render", "wake:deliver"}


async def test_when_all_has_ended_and_time_has_passed_only_the_serving_set_is_left(
    api: Api, redis: Redis, shipping: Shipper
) -> None:
    await live_a_little(api)
    await settle_everything(api, redis)
    assert unexpected(await let_time_pass(redis)) == set()
    assert set(await redis.hvals("{pw}:open")) <= {"0"}


async def test_documents_that_history_brings_back_leave_again(api: Api, redis: Redis, shipping: Shipper) -> None:
    for _ in range(3):
        claim = await started(api.queue, a_job(callback=Callback(url="https://example.com/hook")))
        await api.queue.complete([a_result(claim)])
    await settle_everything(api, redis)
    await let_time_pass(redis)
    listed = (await api.admin.get("/v1/documents")).json()["items"]
    retried, deleted, resent = [f"/v1/documents/{document['id']}" for document in listed]
    deliveries = (await api.admin.get("/v1/webhooks/deliveries")).json()["items"]
    (sent,) = [one["id"] for one in deliveries if resent.endswith(one["document_id"])]
    answers = [
        await api.admin.post(f"{retried}/retry"),
        await api.admin.delete(deleted),
        await api.admin.post(f"/v1/webhooks/deliveries/{sent}/resend"),
    ]
    assert [answer.status_code for answer in answers] == [200, 204, 202]
    await settle_everything(api, redis)
    assert unexpected(await let_time_pass(redis)) == set()


def test_the_architecture_page_names_every_key() -> None:
    from pathlib import Path

    page = (Path(__file__).parents[2] / "docs" / "architecture.md").read_text()
    for pattern in KEY_MAP:
        assert f"`{pattern.partition('*')[0]}" in page or f" {pattern.partition(':')[0]}" in page, pattern
    assert lifetime_of(f"surprise:{uuid4()}") is None
