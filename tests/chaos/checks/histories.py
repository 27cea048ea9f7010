"""ClickHouse has every event exactly once, and the newest row of each document is its last event."""

from collections import Counter
from collections.abc import Iterator

from tests.chaos.evidence import Evidence

#: What the newest row and the last event must agree on.
FIELDS = ("seq", "event", "status", "run", "attempt", "completed_at", "result", "error", "delivery", "deleted")


def events(evidence: Evidence) -> Iterator[str]:
    """Find events that are missing or there twice."""
    for id_, rows in evidence.by_document.items():
        numbers = Counter(row["seq"] for row in rows)
        twice = sorted(seq for seq, times in numbers.items() if times > 1)
        missing = sorted(set(range(1, max(numbers) + 1)) - set(numbers))
        if twice or missing:
            yield f"{id_} has of {max(numbers)} events {twice} more than once and {missing} not at all"


def documents(evidence: Evidence) -> Iterator[str]:
    """Find newest rows that are not the last event."""
    for id_ in evidence.by_document.keys() - evidence.documents.keys():
        yield f"{id_} has events and no row in documents"
    for id_, row in evidence.documents.items():
        last = evidence.by_document.get(id_, [{}])[-1]
        unlike = [f"{name} {row[name]!r} != {last.get(name)!r}" for name in FIELDS if row[name] != last.get(name)]
        if unlike:
            yield f"{id_} in documents is not its last event: {'; '.join(unlike)}"


def quarantine(evidence: Evidence) -> Iterator[str]:
    """Nothing that Presswork writes itself is unreadable."""
    for row in evidence.quarantined:
        yield f"event {row['entry_id']} is in quarantine: {row['reason']}"


def readable(evidence: Evidence) -> Iterator[str]:
    """Find tables that could not be read when all was quiet again."""
    yield from evidence.unreadable
