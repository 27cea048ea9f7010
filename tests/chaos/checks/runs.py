"""A 202 is a promise: the document exists, and each of its runs ends in exactly one terminal state."""

from collections import defaultdict
from collections.abc import Iterator

from contracts.documents import TRANSITIONS, Status
from tests.chaos.evidence import ENDINGS, Evidence


def lost(evidence: Evidence) -> Iterator[str]:
    """Find documents that were accepted and are in no history."""
    for id_, calls in evidence.accepted.items():
        if id_ not in evidence.by_document:
            yield f"{id_} was accepted and is gone: {calls[0]}"


def ends(evidence: Evidence) -> Iterator[str]:
    """Find runs that did not end, or more than once."""
    for id_, rows in evidence.by_document.items():
        for run in range(1, max(row["run"] for row in rows) + 1):
            found = [row["event"] for row in evidence.endings.get((id_, run), [])]
            if len(found) != 1:
                yield f"run {run} of {id_} ended {len(found)} times {found}: {_story(rows)}"


def doubled(evidence: Evidence) -> Iterator[str]:
    """Find requests that made two documents, and documents that nobody requested."""
    made = defaultdict(list)
    for id_, row in evidence.documents.items():
        made[row["metadata"].get("number", "")].append(id_)
    for number, ids in made.items():
        if number not in evidence.numbers:
            yield f"nobody requested {', '.join(ids)} ({number!r})"
        elif len(ids) > 1:
            yield f"request {number} made {len(ids)} documents: {', '.join(ids)}"


def order(evidence: Evidence) -> Iterator[str]:
    """Find transitions that the states do not allow, and work on a run after its end."""
    for id_, rows in evidence.by_document.items():
        for before, after in zip(rows, rows[1:], strict=False):
            old, new = Status(before["status"]), Status(after["status"])
            if new != old and new not in TRANSITIONS[old]:
                yield f"{id_} went from {old} to {new} at seq {after['seq']}: {_story(rows)}"
            if after["run"] != before["run"] + (after["event"] == "retried"):
                yield f"{id_} went from run {before['run']} to run {after['run']} by {after['event']}: {_story(rows)}"
            if old in ENDINGS and after["event"] in ENDINGS | {"started"}:
                yield f"{id_} had {after['event']} after its end: {_story(rows)}"


def _story(rows: list[dict[str, object]]) -> str:
    return " ".join(f"{row['seq']}:{row['event']}/{row['run']}" for row in rows)
