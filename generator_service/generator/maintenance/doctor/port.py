"""What a check is: it looks, names what it found, and mends it."""

from collections.abc import AsyncIterator, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

#: What `Check.mend` returns for a finding that it mended.
MENDED = ""


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that is wrong. `evidence`: what it was judged by, so that what has moved meanwhile is not the same."""

    flaw: str
    subject: str
    evidence: str = ""


@dataclass(frozen=True)
class Flaw:
    """A kind of finding: what is wrong, and what the doctor does about it (empty: that is for a person)."""

    words: str
    remedy: str = ""


class Check(Protocol):
    """Raises QueueUnavailable, HistoryUnavailable and BlobUnavailable from both methods."""

    @property
    def name(self) -> str: ...

    @property
    def title(self) -> str: ...

    @property
    def flaws(self) -> Mapping[str, Flaw]: ...

    def look(self, only: Collection[str] | None = None) -> AsyncIterator[Finding]:
        """Go through everything, or through these subjects only, and yield what is wrong. Changes nothing."""

    async def mend(self, findings: Sequence[Finding]) -> list[str]:
        """Mend findings, each in one step that looks again first; returns MENDED or why not, for each."""
