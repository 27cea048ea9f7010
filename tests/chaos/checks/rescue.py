"""Rescue within 20 s: what a dead or frozen generator held runs again, while another one lives and Redis answers.

The clock stands still while nobody could have rescued: Redis was out or the blob store full, or every generator was out
or had its render process frozen. After some seconds without Redis or any generator it also does for one lease, in which
rescuers wait: nobody could renew meanwhile.

A document that was put back in time may be claimed by a generator that is lost as well before it starts it, which no
event tells: from a loss after the rescue the clock runs anew.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise

from tests.chaos.evidence import ENDINGS, Evidence, Row

PROMISED_MS = 20_000
LEASE_MS = 15_000
PAUSE_MS = 4_000
GENERATORS = ("generator", "generator-2")
#: By what a holder leaves its documents; a render process that dies is noticed at once.
FATAL = frozenset({"kill", "freeze", "restart"})

Span = tuple[int, int]
Loss = tuple[int, int]


@dataclass(frozen=True)
class Rescue:
    """A document whose holder was lost at `lost_at`; it ran again, or ended otherwise, `took_ms` later."""

    document_id: str
    lost_at: int
    took_ms: int
    #: The same without the time in which nobody could have rescued it; of several losses the longest.
    counted_ms: int


def rescue(evidence: Evidence) -> Iterator[str]:
    """Find rescues that took longer than promised."""
    for one in rescues(evidence):
        if one.counted_ms > PROMISED_MS:
            yield (
                f"{one.document_id} lost its generator at {one.lost_at} and ran again after {one.took_ms} ms, of which"
                f" {one.counted_ms} count"
            )


def rescues(evidence: Evidence) -> list[Rescue]:
    """Find every document that lost its holder in the middle of a render, each loss once."""
    helpless, losses = _helpless(evidence), sorted(_losses(evidence), key=lambda loss: loss[1])
    found: dict[tuple[str, int], Rescue] = {}
    for pid, lost_at in losses:
        for id_, rows in evidence.by_document.items():
            for held, following in zip(rows, rows[1:], strict=False):
                if held["event"] == "started" and held["at"] < lost_at < following["at"] and _is_of(held, pid):
                    found.setdefault((id_, held["seq"]), _rescue(rows, held, lost_at, losses, helpless))
    return [*found.values()]


def _helpless(evidence: Evidence) -> list[Span]:
    """Return when nobody could have rescued."""
    serving = [_spans(evidence, who) for who in GENERATORS]
    rendering = [_spans(evidence, who) + _acts(evidence, "freeze", "render", note=who) for who in GENERATORS]
    silent = _spans(evidence, "redis") + _both(*serving)
    return merged([_with_patience(span) for span in silent] + _both(*rendering) + _acts(evidence, "fill", "blobs"))


def _with_patience(outage: Span) -> Span:
    began, ended = outage
    return (began, ended + LEASE_MS) if ended - began >= PAUSE_MS else outage


def _rescue(rows: list[Row], held: Row, lost_at: int, losses: list[Loss], helpless: list[Span]) -> Rescue:
    later = [row for row in rows if row["seq"] > held["seq"]]
    again_at = next((row["at"] for row in later if row["event"] in ENDINGS | {"started", "attempt_failed"}), lost_at)
    put_back_at = next((row["at"] for row in later if row["event"] == "rescued"), again_at)
    ticks = [lost_at, *(at for _, at in losses if put_back_at < at < again_at), again_at]
    counted = [ended - began - overlap(helpless, (began, ended)) for began, ended in pairwise(ticks)]
    return Rescue(held["document_id"], lost_at, again_at - lost_at, max(counted))


def _losses(evidence: Evidence) -> Iterator[Loss]:
    """Yield the pids of generators that were lost, and when: by an act of ours or at a fault point."""
    for act in evidence.story.acts:
        if act.target in GENERATORS and act.name in FATAL and act.pid:
            yield act.pid, act.began
    for note in evidence.story.notes:
        if note["name"] == "ended" and note["who"] in GENERATORS and note["fault"]:
            yield note["pid"], note["at"]


def _is_of(row: Row, pid: int) -> bool:
    """Workers are named host-pid-random."""
    return bool(row["worker"].rsplit("-", 2)[-2:-1] == [str(pid)])


def _both(first: list[Span], second: list[Span]) -> list[Span]:
    """Return when spans of both lists lie over each other."""
    both = [(max(a[0], b[0]), min(a[1], b[1])) for a in merged(first) for b in merged(second)]
    return [span for span in both if span[0] < span[1]]


def _acts(evidence: Evidence, name: str, target: str, note: str = "") -> list[Span]:
    acts = evidence.story.acts
    return [(act.began, act.ended) for act in acts if (act.name, act.target, act.note) == (name, target, note)]


def _spans(evidence: Evidence, who: str) -> list[Span]:
    return [(outage.began, outage.ended) for outage in evidence.story.outages if outage.who == who]


def merged(spans: list[Span]) -> list[Span]:
    """Join spans that overlap."""
    joined: list[Span] = []
    for began, ended in sorted(spans):
        if joined and began <= joined[-1][1]:
            joined[-1] = (joined[-1][0], max(joined[-1][1], ended))
        else:
            joined.append((began, ended))
    return joined


def overlap(spans: list[Span], with_: Span) -> int:
    """Add up how long disjoint spans lie within another."""
    return sum(max(0, min(ended, with_[1]) - max(began, with_[0])) for began, ended in spans)
