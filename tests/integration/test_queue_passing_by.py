"""What a claim finds in a lane and does not take: cancelled documents stay in theirs until they come to the front."""

from uuid import uuid4

from redis.asyncio import Redis

from backends.queue import DocumentQueue
from tests.integration.queue_steps import ANN, a_job, claim_one


async def test_a_claim_passes_by_a_bounded_number_of_cancelled_documents_and_is_called_again(
    queue: DocumentQueue, redis: Redis
) -> None:
    cancelled, behind = a_job(), a_job()
    await queue.enqueue(cancelled)
    await queue.cancel(cancelled.document_id)
    await redis.rpush(f"{{pw}}:lane:normal:{ANN}", *[str(cancelled.document_id)] * 1500)
    await queue.enqueue(behind)
    await redis.delete("{pw}:wake:render")
    assert await queue.claim("w", 1, uuid4().hex) == []
    assert await redis.llen("{pw}:wake:render") == 1
    assert (await claim_one(queue)).job.document_id == behind.document_id
