"""Has ClickHouse a line of every webhook that Redis still holds? One that it lacks is logged again as it stands.

The attempts that were made are lost with the history: how many there were, and how the webhook stands, are not.
"""

from collections.abc import AsyncIterator, Collection, Sequence
from itertools import batched
from uuid import UUID

from contracts.deliveries import DeliveryAttempt, shown_url, webhook_id
from generator.maintenance.doctor.document_history import chosen
from generator.maintenance.doctor.port import MENDED, Finding, Flaw
from generator.maintenance.doctor.stores import Stores
from generator.maintenance.doctor.waiting import Waiting

STEP = 500
NEEDED = ("document_id", "run", "user", "type", "status", "created_at")


class DeliveryHistory:
    name = "delivery-history"
    title = "webhooks in the history"
    flaws = {"missing": Flaw("webhooks that history knows nothing of", "logged again as they stand")}

    def __init__(self, stores: Stores) -> None:
        self._stores = stores
        self._hashes: dict[str, dict[str, str]] = {}

    async def look(self, only: Collection[str] | None = None) -> AsyncIterator[Finding]:
        self._hashes = {}
        candidates = {member: fields async for member, fields in self._unknown(only)}
        if not candidates:
            return
        # First the stream, then history once more: what has left the one meanwhile is in the other.
        waiting = (await Waiting.read(self._stores)).deliveries
        for step in batched(candidates, STEP):
            ids = {member: delivery_id(candidates[member]) for member in step}
            known = await self._stores.history.deliveries_known(list(ids.values()))
            for member, id_ in ids.items():
                if id_ not in known and id_ not in waiting:
                    self._hashes[member] = candidates[member]
                    yield Finding("missing", member, candidates[member]["status"])

    async def mend(self, findings: Sequence[Finding]) -> list[str]:
        for finding in findings:
            fields = self._hashes[finding.subject]
            arguments = (f"delivery:{finding.subject}", fields.get("again", ""), "w", line_of(fields).model_dump_json())
            await self._stores.scripts.run("reship_row", *arguments)
        return [MENDED for _ in findings]

    async def _unknown(self, only: Collection[str] | None) -> AsyncIterator[tuple[str, dict[str, str]]]:
        """Go through the deliveries of Redis that history has no line of at this moment."""
        async for members in chosen(self._stores, only, "delivery"):
            for step in batched(members, STEP):
                hashes = await self._stores.redis.hashes([f"delivery:{member}" for member in step])
                whole = {m: fields for m, fields in zip(step, hashes, strict=True) if all(n in fields for n in NEEDED)}
                if not whole:
                    continue
                known = await self._stores.history.deliveries_known([delivery_id(f) for f in whole.values()])
                for member, fields in whole.items():
                    if delivery_id(fields) not in known:
                        yield member, fields


def delivery_id(fields: dict[str, str]) -> UUID:
    """Return a delivery's identity from its hash."""
    return webhook_id(UUID(fields["document_id"]), int(fields["run"]), fields["type"], endpoint_id(fields))


def endpoint_id(fields: dict[str, str]) -> UUID | None:
    """Return the endpoint that a delivery goes to; None for a callback."""
    return UUID(fields["endpoint"]) if "endpoint" in fields else None


def line_of(fields: dict[str, str]) -> DeliveryAttempt:
    """Write how a delivery stands as its attempt 0, from its hash."""
    created_at = int(fields["created_at"])
    return DeliveryAttempt(
        delivery_id=delivery_id(fields),
        attempt=0,
        document_id=UUID(fields["document_id"]),
        user_id=UUID(fields["user"]),
        run=int(fields["run"]),
        type=fields["type"],
        endpoint_id=endpoint_id(fields),
        url=shown_url(fields.get("callback", "")),
        status=fields["status"],
        at=created_at,
        created_at=created_at,
    )
