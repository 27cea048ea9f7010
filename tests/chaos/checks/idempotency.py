"""Whoever repeats a request under the same Idempotency-Key gets the same document."""

from collections import defaultdict
from collections.abc import Iterator

from tests.chaos.evidence import Evidence


def idempotency(evidence: Evidence) -> Iterator[str]:
    """Find keys that were answered with two documents."""
    made = defaultdict(set)
    for id_, calls in evidence.accepted.items():
        for call in calls:
            if call.about["key"]:
                made[call.client, call.about["key"]].add(id_)
    for (client, key), ids in made.items():
        if len(ids) > 1:
            yield f"{key!r} of {client} was answered with {len(ids)} documents: {', '.join(sorted(ids))}"
