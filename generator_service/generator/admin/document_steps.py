"""A document's way as a timeline: its events in words, with the time between them. Pure."""

from dataclasses import dataclass
from datetime import datetime

from generator.admin.user_api import JsonObject
from generator.admin.wording import Wording, moment

#: The colour of a step's mark.
MARKS = {
    "started": "busy",
    "completed": "good",
    "delivered": "good",
    "failed": "bad",
    "attempt_failed": "bad",
    "rescued": "bad",
    "delivery_dead": "bad",
}


@dataclass(frozen=True)
class Step:
    """One transition. `after_ms`: since the step before; None for the first. `detail`: what the event adds."""

    title: str
    mark: str
    at: str
    after_ms: int | None
    run: int
    attempt: int
    worker: str
    detail: str


def steps_of(events: list[JsonObject], words: Wording) -> list[Step]:
    """Put the events of `/v1/documents/{id}/events` into words, oldest first."""
    titles = _titles(words)
    before: datetime | None = None
    steps = []
    for event in events:
        name, at = str(event["event"]), moment(str(event["at"]))
        after_ms = round((at - before).total_seconds() * 1000) if at and before else None
        steps.append(
            Step(
                title=titles.get(name, name),
                mark=MARKS.get(name, ""),
                at=str(event["at"]),
                after_ms=after_ms,
                run=int(str(event["run"])),
                attempt=int(str(event["attempt"])),
                worker=str(event.get("worker") or ""),
                detail=_detail(event.get("detail"), words),
            )
        )
        before = at
    return steps


def _titles(words: Wording) -> dict[str, str]:
    return {
        "accepted": words("Accepted"),
        "queued": words("Queued at its time"),
        "started": words("Rendering began"),
        "attempt_failed": words("The attempt failed"),
        "rescued": words("Rescued from a worker that died or froze"),
        "released": words("Given back to the queue"),
        "retried": words("Requested again"),
        "readmitted": words("Put back after the queue was lost"),
        "completed": words("Completed"),
        "failed": words("Failed"),
        "cancelled": words("Cancelled"),
        "delivered": words("Webhook delivered"),
        "delivery_dead": words("Webhook given up"),
        "delivery_resent": words("Webhook due once more"),
    }


def _detail(detail: object, words: Wording) -> str:
    if not isinstance(detail, dict):
        return ""
    told = [str(detail[name]) for name in ("code", "message") if detail.get(name)]
    if isinstance(detail.get("retry_in_ms"), int):
        told.append(words("again in %(time)s", time=words.milliseconds(detail["retry_in_ms"])))
    return " · ".join(told)
