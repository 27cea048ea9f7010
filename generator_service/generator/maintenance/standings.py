"""How documents stand, wherever they are: Redis while they are live, history after that."""

from collections.abc import Collection
from uuid import UUID

from backends.standings import LiveStandings
from contracts.standing import Standing
from generator.repository import HistoryRepository


class Standings:
    """Raises QueueUnavailable, HistoryUnavailable: without both, nothing is known of a document."""

    def __init__(self, live: LiveStandings, history: HistoryRepository) -> None:
        self.live = live
        self._history = history

    async def of(self, document_ids: Collection[UUID]) -> dict[UUID, Standing]:
        """Return how these documents stand; those that nobody knows are left out.

        Redis first: what leaves it is in history by then. The other way round a document could be missed by both.
        """
        live = await self.live.of(document_ids)
        left = [document_id for document_id in document_ids if document_id not in live]
        return live | await self._history.standings(left) if left else live
