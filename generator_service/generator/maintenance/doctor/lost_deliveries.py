"""Does Redis still know every webhook that history says is pending? A lost one is made due again, under its old id.

Its receiver stands in the document's input. Without that it is given up: nobody knows any more where it went.
"""

from collections.abc import AsyncIterator, Collection, Sequence
from itertools import batched

from backends.deliveries import KEEP_MS, Deliveries
from backends.history_inspection import DeliveryKey
from contracts.deliveries import Delivery, DeliveryAttempt
from contracts.documents import DocumentRow
from contracts.ids import now_ms
from generator.maintenance.doctor.port import MENDED, Finding, Flaw
from generator.maintenance.doctor.stores import Stores

STEP = 500
WHY_GIVEN_UP = "Where the webhook went was lost with the document's input."


class LostDeliveries:
    name = "lost-deliveries"
    title = "webhooks that Redis has lost"
    flaws = {
        "lost": Flaw("pending in history, unknown to Redis", "made due again under the same webhook-id"),
        "receiver_lost": Flaw(
            "pending in history, unknown to Redis, and where they went is not known any more", "recorded as dead"
        ),
    }

    def __init__(self, stores: Stores) -> None:
        self._stores = stores
        self._lost: dict[str, Delivery] = {}

    async def look(self, only: Collection[str] | None = None) -> AsyncIterator[Finding]:
        async for keys in self._suspects(only):
            unknown = await self._unknown(list(keys))
            for delivery in await self._stores.history.deliveries([keys[member] for member in unknown]):
                if delivery.status == "pending":
                    self._lost[delivery.member] = delivery
                    version = str(delivery.next_attempt_at)
                    yield Finding(
                        "lost" if await self._can_be_made(delivery) else "receiver_lost", delivery.member, version
                    )

    async def mend(self, findings: Sequence[Finding]) -> list[str]:
        rows = await self._stores.history.newest([finding.subject.partition(":")[0] for finding in findings])
        for finding in findings:
            delivery = self._lost[finding.subject]
            await self._mend(delivery, rows.get(str(delivery.document_id)))
        return [MENDED for _ in findings]

    async def _mend(self, delivery: Delivery, row: DocumentRow | None) -> None:
        # The document comes back for a while, too, so that its row shows how its webhook ends.
        if row and row.run == delivery.run and row.terminal:
            await self._stores.queue.restore(row, await self._stores.kept_job(str(row.document_id)))
        if await self._can_be_made(delivery):
            # The same id for whoever finds the same loss: two doctors make it due once.
            callback, once = await self._callback(delivery), f"doctor:{delivery.next_attempt_at}"
            await Deliveries(self._stores.scripts).resend(delivery, callback, once)
        else:
            await self._give_up(delivery)

    async def _give_up(self, delivery: Delivery) -> None:
        line = last_line(delivery, now_ms()).model_dump_json()
        arguments = (delivery.member, str(delivery.document_id), delivery.run, line, KEEP_MS)
        await self._stores.scripts.run("deliver_lost", *arguments)

    async def _can_be_made(self, delivery: Delivery) -> bool:
        """Tell whether it is known where it goes, and what it says: what is about no document is lost with Redis."""
        if delivery.endpoint_id is not None:
            return delivery.run > 0
        return await self._callback(delivery) != ""

    async def _callback(self, delivery: Delivery) -> str:
        job = await self._stores.kept_job(str(delivery.document_id))
        return job.callback.model_dump_json() if job and job.callback else ""

    async def _suspects(self, only: Collection[str] | None) -> AsyncIterator[dict[str, DeliveryKey]]:
        """Go through these, which were lost at the last look, or through all that history calls pending."""
        if only is None:
            self._lost = {}
            async for keys in self._stores.history.pending_deliveries():
                yield keys
            return
        for step in batched([member for member in only if member in self._lost], STEP):
            yield {member: key_of(self._lost[member]) for member in step}

    async def _unknown(self, members: Sequence[str]) -> list[str]:
        """Find those that Redis does not know, nor a document whose own row says that they have settled."""
        known = await self._stores.redis.known([f"delivery:{member}" for member in members])
        names = [f"doc:{member.partition(':')[0]}" for member in members]
        live = await self._stores.redis.fields(names, "run", "delivery_status")
        return [
            member
            for member, is_known, (run, status) in zip(members, known, live, strict=True)
            if not is_known and not (run == member.split(":")[1] and status != "pending")
        ]


def key_of(delivery: Delivery) -> DeliveryKey:
    return DeliveryKey(delivery.created_at, delivery.delivery_id)


def last_line(delivery: Delivery, at: int) -> DeliveryAttempt:
    """Write the line that ends a delivery whose receiver is not known any more."""
    return DeliveryAttempt(
        delivery_id=delivery.delivery_id,
        attempt=max((attempt.attempt for attempt in delivery.attempts), default=0) + 1,
        document_id=delivery.document_id,
        user_id=delivery.user_id,
        run=delivery.run,
        type=delivery.type,
        endpoint_id=delivery.endpoint_id,
        url=delivery.url,
        status="dead",
        error="gone",
        error_detail=WHY_GIVEN_UP,
        at=at,
        created_at=delivery.created_at,
    )
