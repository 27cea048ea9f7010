"""What a client once saw as ended stays so within its run, and in the end the API says what the log says."""

from collections.abc import Iterator

from tests.chaos.evidence import ENDINGS, Evidence
from tests.chaos.history import Call


def views(evidence: Evidence) -> Iterator[str]:
    """Find answers that later ones, or the log, take back."""
    seen: dict[str, list[Call]] = {}
    for call in evidence.calls("look", "cancel", "retry"):
        if call.outcome == "ok" and "run" in call.answer:
            seen.setdefault(call.about["id"], []).append(call)
    for id_, calls in seen.items():
        yield from _taken_back(evidence, id_, calls)
    yield from _last_looks(evidence)


def _taken_back(evidence: Evidence, id_: str, calls: list[Call]) -> Iterator[str]:
    for call in calls:
        run, status = call.answer["run"], call.answer["status"]
        if status in ENDINGS and status not in [row["event"] for row in evidence.endings.get((id_, run), [])]:
            yield f"run {run} of {id_} was seen {status}, which the log does not know: {call}"
        for later in calls:
            if later.began > call.ended and _is_older(later, call):
                yield f"{id_} was seen as {status} in run {run}, and later otherwise: {call}; {later}"


def _is_older(later: Call, earlier: Call) -> bool:
    """Tell whether `later`, which was asked after `earlier` was answered, shows an older state."""
    if later.answer["run"] != earlier.answer["run"]:
        return bool(later.answer["run"] < earlier.answer["run"])
    was = earlier.answer["status"]
    return was in ENDINGS and (later.answer["status"], later.answer.get("sha256")) != (
        was,
        earlier.answer.get("sha256"),
    )


def _last_looks(evidence: Evidence) -> Iterator[str]:
    for id_, view in evidence.views.items():
        row = evidence.documents.get(id_)
        if row is None or row["deleted"]:
            if view.status != 404:
                yield f"{id_} is deleted, and is answered {view.status}"
            continue
        shown = (
            view.status,
            view.body.get("status"),
            view.body.get("run"),
            view.body.get("delivery", {}).get("status"),
        )
        if shown != (200, row["status"], row["run"], row["delivery"]["status"]):
            logged = (row["status"], row["run"], row["delivery"]["status"])
            yield f"{id_} is {logged} in the log, and is answered {shown}"
