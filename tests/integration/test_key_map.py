"""No key outlives its purpose: every key in Redis is declared, and those that must expire do."""

import asyncio
from uuid import uuid4

from redis.asyncio import Redis

from backends.deliveries import Deliveries
from backends.key_map import KEY_MAP, Lifetime, lifetime_of
from backends.queue import DocumentQueue, Idempotency
from contracts.ids import now_ms
from contracts.jobs import Callback
from generator.shipper import Shipper
from tests.integration.conftest import Api
from tests.integration.test_queue import a_failure, a_job, a_result, claim_one


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


def test_the_architecture_page_names_every_key() -> None:
    from pathlib import Path

    page = (Path(__file__).parents[2] / "docs" / "architecture.md").read_text()
    for pattern in KEY_MAP:
        assert f"`{pattern.partition('*')[0]}" in page or f" {pattern.partition(':')[0]}" in page, pattern
    assert lifetime_of(f"surprise:{uuid4()}") is None
