"""What webhooks say and how they are signed: the document as it was when its run ended, the user's sealed secret."""

from uuid import UUID

from backends.accounts import Accounts
from backends.queue import DocumentQueue
from contracts.documents import TERMINAL, DocumentRow
from contracts.errors import NotFound
from contracts.ids import now_ms
from contracts.views import Links, document_view
from generator.repository import HistoryRepository


class DeliveryData:
    """Reads Redis first, then history. Raises NotFound, QueueUnavailable, HistoryUnavailable."""

    def __init__(self, queue: DocumentQueue, history: HistoryRepository, accounts: Accounts, links: Links) -> None:
        self._queue = queue
        self._history = history
        self._accounts = accounts
        self._links = links

    async def document_payload(self, document_id: UUID, run: int) -> dict[str, object]:
        """Return the document as the API shows it, as it was when this run ended; its links are signed anew."""
        row = end_of_run(await self._queue.live_events(document_id), run)
        row = row or end_of_run(await self._history.events(document_id), run)
        if row is None:
            raise NotFound("document")
        return document_view(row, self._links, now_ms())

    async def webhook_secrets(self, user_id: UUID) -> list[str]:
        """Return the user's sealed webhook secrets, the current one first."""
        user = await self._accounts.user_or_deleted(user_id)
        if user is None:
            raise NotFound("user")
        return [user.webhook_secret]


def end_of_run(rows: list[DocumentRow], run: int) -> DocumentRow | None:
    """Find the row with which a run ended."""
    return next((row for row in rows if row.run == run and row.status in TERMINAL), None)
