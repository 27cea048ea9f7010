"""Bytes that have expired answer 410; those whose webhook is still on its way can be fetched."""

from dataclasses import replace
from uuid import UUID

import pytest
from redis.asyncio import Redis

from backends.deliveries import Deliveries
from contracts.ids import now_ms
from contracts.jobs import Callback, input_key
from tests.integration.attempts import attempt_of
from tests.integration.conftest import Api
from tests.integration.queue_steps import a_job, a_result, started

HOOK = Callback(url="https://example.com/hook")


async def expired_document(api: Api, callback: Callback | None) -> UUID:
    """Complete a document whose result has expired already."""
    claim = await started(api.queue, a_job(callback=callback))
    done = replace(a_result(claim), expires_at=now_ms() - 1000)
    await api.blobs.put(done.result.key, b"%PDF-")
    await api.queue.complete([done])
    return claim.job.document_id


async def deliver(api: Api) -> None:
    deliveries = Deliveries(api.scripts)
    (leased,) = (await deliveries.claim(1, room=1, loads={})).items
    assert await deliveries.record(leased, attempt_of(leased)) == "ok"


async def content(api: Api, document_id: UUID) -> tuple[int, object]:
    answer = await api.admin.get(f"/v1/documents/{document_id}/content")
    return answer.status_code, answer.json()["code"] if answer.status_code >= 400 else answer.content


async def test_an_expired_result_is_gone_though_its_file_is_there(api: Api, redis: Redis) -> None:
    assert await content(api, await expired_document(api, None)) == (410, "expired")


@pytest.mark.parametrize("delivered", [False, True], ids=["pending", "just delivered"])
async def test_a_result_can_be_fetched_until_a_day_after_its_webhook(api: Api, redis: Redis, delivered: bool) -> None:
    document_id = await expired_document(api, HOOK)
    if delivered:
        await deliver(api)
    assert await content(api, document_id) == (200, b"%PDF-")


async def test_a_retry_without_the_input_says_that_it_has_expired(api: Api, redis: Redis) -> None:
    document_id = await expired_document(api, None)
    await redis.delete(f"{{pw}}:job:{document_id}")  # Redis has forgotten it, and the store has it no more
    answer = await api.admin.post(f"/v1/documents/{document_id}/retry")
    assert (answer.status_code, answer.json()["code"]) == (409, "input_expired")


async def test_an_input_that_nobody_can_read_hinders_no_deletion(api: Api, redis: Redis) -> None:
    document_id = await expired_document(api, None)
    await redis.delete(f"{{pw}}:job:{document_id}")
    await api.blobs.put(input_key(document_id), b"half a job")
    answer = await api.admin.post(f"/v1/documents/{document_id}/retry")
    assert (answer.status_code, answer.json()["code"]) == (409, "input_expired")
    assert (await api.admin.delete(f"/v1/documents/{document_id}")).status_code == 204
    assert await api.blobs.get(input_key(document_id)) is None
