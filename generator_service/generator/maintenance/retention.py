"""What may go, and when: pure rules over a blob and how its document stands. When unsure, it stays."""

from dataclasses import dataclass
from enum import StrEnum

from backends.blobs import StoredBlob
from contracts.standing import Standing

HOUR_MS = 3_600_000
DAY_MS = 24 * HOUR_MS
MONTH_MS = 31 * DAY_MS


class Reason(StrEnum):
    """Why a blob may go."""

    DELETED = "deleted"  # its document was deleted
    EXPIRED = "expired"  # its time has passed
    UNRECORDED = "unrecorded"  # no run that counts has made it: a zombie's, a cut-off attempt's, an earlier run's
    UNREFERENCED = "unreferenced"  # of a template version that nothing needs any more
    ORPHANED = "orphaned"  # neither Redis nor history knows its document


@dataclass(frozen=True)
class Retention:
    """How long blobs are kept, in milliseconds; None keeps them.

    `inputs_ms` counts from a document's end. `orphans_ms` counts from the writing of a blob whose document nobody
    knows: as long as a history that is put back could know it. `grace_ms`: what has just been written may be about to
    be recorded, and a download that began in time may be under way. `templates_ms` is how old a template source must
    be, `missed_ms` how long this process must have missed it. `assets_ms` counts from a user's last use of an asset.
    """

    inputs_ms: int | None = 7 * DAY_MS
    orphans_ms: int | None = 14 * MONTH_MS
    grace_ms: int = HOUR_MS
    templates_ms: int = 7 * DAY_MS
    missed_ms: int = DAY_MS
    assets_ms: int | None = 30 * DAY_MS

    @classmethod
    def of(cls, inputs_ttl_s: int | None, history_months: int | None, assets_days: int | None = 30) -> "Retention":
        """Translate settings. History drops whole months: what it still knows may be a month older than it says."""
        inputs_ms = None if inputs_ttl_s is None else inputs_ttl_s * 1000
        assets_ms = None if assets_days is None else assets_days * DAY_MS
        if inputs_ms is None or history_months is None:
            return cls(inputs_ms, orphans_ms=None, assets_ms=assets_ms)
        return cls(inputs_ms, orphans_ms=max(inputs_ms, (history_months + 1) * MONTH_MS), assets_ms=assets_ms)


def why_result_goes(blob: StoredBlob, standing: Standing | None, now: int, retention: Retention) -> Reason | None:
    """Judge a blob under results/. While its document is under way, nobody can tell what will be recorded."""
    if standing is None:
        return _orphaned(blob, now, retention)
    if standing.deleted:
        return Reason.DELETED
    if not standing.ended:
        return None
    if blob.key != standing.result_key:
        return Reason.UNRECORDED if now - blob.written_at > retention.grace_ms else None
    until = standing.bytes_until
    return Reason.EXPIRED if until is not None and now - until > retention.grace_ms else None


def why_input_goes(blob: StoredBlob, standing: Standing | None, now: int, retention: Retention) -> Reason | None:
    """Judge a blob under inputs/. One that owes a webhook keeps it, whose receiver stands in it."""
    if standing is None:
        return _orphaned(blob, now, retention)
    if standing.deleted:
        return Reason.DELETED
    if not standing.settled or standing.ended_at is None or retention.inputs_ms is None:
        return None
    return Reason.EXPIRED if now - standing.ended_at > retention.inputs_ms else None


def _orphaned(blob: StoredBlob, now: int, retention: Retention) -> Reason | None:
    kept_ms = retention.orphans_ms
    return Reason.ORPHANED if kept_ms is not None and now - blob.written_at > kept_ms else None
