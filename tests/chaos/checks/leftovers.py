"""Nothing is left behind: no undeclared key that stays, no counter above zero, no bytes that nobody records."""

from collections.abc import Iterator

from backends.key_map import Lifetime, lifetime_of
from tests.chaos.evidence import Evidence

#: Bytes of attempts that were cut off wait for the pruner, which leaves those of the last hour alone (seconds).
OLDEST_ORPHAN_S = 2 * 3600.0
#: Collections that living processes keep filled.
KEPT_FILLED = ("wake:", "workers")


def settled(evidence: Evidence) -> Iterator[str]:
    """Find what was still under way when all faults had long been over."""
    for name, left in evidence.unsettled.items():
        yield f"{name}: {left}"


def leftovers(evidence: Evidence) -> Iterator[str]:
    """Find keys, counts and blobs that should be gone."""
    for key in evidence.keys:
        lifetime = lifetime_of(key.name)
        if lifetime is None:
            yield f"the key {key.name} is not in the key map"
        elif lifetime in (Lifetime.EXPIRES, Lifetime.SETTLES) and key.ttl_s is None:
            yield f"the key {key.name} should expire by now, and stays for ever"
        elif lifetime is Lifetime.EMPTIES and key.ttl_s is None and not key.name.startswith(KEPT_FILLED):
            yield f"the key {key.name} should be gone by now"
    for name, count in evidence.counters.items():
        if count != "0":
            yield f"the counter {name} of open documents is {count}"
    yield from _blobs(evidence)


def orphans(evidence: Evidence) -> list[str]:
    """List results that no document records: what zombies and cut-off attempts left to the pruner."""
    recorded = {row["result"]["key"] for row in evidence.documents.values() if row["result"] and not row["deleted"]}
    return sorted(key for key in evidence.blobs if key.startswith("results/") and key not in recorded)


def _blobs(evidence: Evidence) -> Iterator[str]:
    for key in orphans(evidence):
        if evidence.blobs[key] > OLDEST_ORPHAN_S:
            yield f"{key} is recorded by no document, and {evidence.blobs[key]:.0f} s old"
    for id_, row in evidence.documents.items():
        if not row["deleted"] and f"inputs/{id_}" not in evidence.blobs:
            yield f"the input of {id_} is not kept: it could be neither retried nor rebuilt"
