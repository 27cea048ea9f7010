"""What pending deliveries wait for: their time, a receiver that is left alone for a while, or only their turn."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from backends.receivers import Receivers
from contracts.endpoints import PING, Pause
from contracts.ids import now_ms, rfc3339
from generator.admin.delivery_words import receiver
from generator.admin.guard import Visit
from generator.admin.user_api import JsonObject


@dataclass(frozen=True)
class Wait:
    """`until` is RFC 3339, empty if it is due now; `because`: why its receiver is left alone (a PauseReason)."""

    until: str = ""
    because: str = ""


async def waits(visit: Visit, deliveries: Sequence[JsonObject]) -> dict[str, Wait]:
    """Return what those of these deliveries that are pending wait for, by their ids. Raises QueueUnavailable."""
    pending = [one for one in deliveries if one["status"] == "pending"]
    names = await asyncio.gather(*(_receiver(visit, one) for one in pending))
    pauses = await Receivers(visit.panel.generator.scripts).pauses({name for name in names if name})
    return {str(one["id"]): _wait(one, pauses.get(name)) for one, name in zip(pending, names, strict=True)}


def _wait(delivery: JsonObject, pause: Pause | None) -> Wait:
    due, now = str(delivery["next_attempt_at"] or ""), rfc3339(now_ms()) or ""
    until = rfc3339(pause.until) if pause else None
    if pause and until and until > max(due, now):
        return Wait(until, pause.because)
    return Wait(due if due > now else "")


async def _receiver(visit: Visit, delivery: JsonObject) -> str:
    """Name whom a delivery waits for; empty for a ping, which waits for nobody, and for a document that is gone."""
    if delivery["type"] == PING:
        return ""
    if delivery["endpoint_id"] is not None:
        return str(delivery["endpoint_id"])
    row = await visit.panel.generator.queue.live(UUID(str(delivery["document_id"])))
    return f"{row.user_id}/{receiver(str(delivery['url'])).lower()}" if row else ""
