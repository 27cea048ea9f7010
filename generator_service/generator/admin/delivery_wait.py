"""What a pending delivery waits for: its time, a receiver that is left alone for a while, or only its turn."""

from dataclasses import dataclass

from backends.receivers import Receivers
from contracts.endpoints import PING
from contracts.ids import now_ms, rfc3339
from generator.admin.delivery_words import receiver
from generator.admin.guard import Visit
from generator.admin.user_api import JsonObject


@dataclass(frozen=True)
class Wait:
    """`until` is RFC 3339, empty if it is due now; `because`: why its receiver is left alone (a PauseReason)."""

    until: str = ""
    because: str = ""


async def wait_of(visit: Visit, delivery: JsonObject, endpoint: JsonObject | None) -> Wait:
    """Tell what a pending delivery waits for. A ping does not wait for its endpoint: it finds out how that is."""
    due, now = str(delivery["next_attempt_at"] or ""), rfc3339(now_ms()) or ""
    until, because = ("", "") if delivery["type"] == PING else await _pause(visit, delivery, endpoint)
    if until > max(due, now):
        return Wait(until, because)
    return Wait(due if due > now else "")


async def _pause(visit: Visit, delivery: JsonObject, endpoint: JsonObject | None) -> tuple[str, str]:
    """Return until when the receiver is left alone and why, both empty if it is not. The API tells of endpoints."""
    if endpoint is not None:
        return str(endpoint["paused_until"] or ""), str(endpoint["paused_because"] or "")
    if delivery["endpoint_id"] is not None:
        return "", ""
    name = receiver(str(delivery["url"])).lower()
    pause = (await Receivers(visit.panel.generator.scripts).pauses([name])).get(name)
    return (rfc3339(pause.until) or "", pause.because) if pause else ("", "")
