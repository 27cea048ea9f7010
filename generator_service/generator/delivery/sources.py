"""Where an attempt's parts come from: the document as its run left it, the user's sealed secret. All from Redis."""

from collections.abc import Callable, Mapping, Sequence
from uuid import UUID

from backends.accounts import Accounts
from backends.queue import DocumentQueue
from contracts.documents import TERMINAL
from contracts.errors import NotFound
from contracts.ids import now_ms
from contracts.views import Links, document_view


class QueuePayloads:
    """Shows documents from the live queue; each call signs `result.url` anew."""

    def __init__(self, queue: DocumentQueue, links: Links, *, clock: Callable[[], int] = now_ms) -> None:
        self._queue = queue
        self._links = links
        self._clock = clock

    async def document_payload(self, document_id: UUID, run: int) -> Mapping[str, object]:
        """Return the document as it was when this run ended, whatever later runs made of it. Raises NotFound."""
        rows = await self._queue.live_events(document_id)
        ended = [row for row in rows if row.run == run and row.event in TERMINAL]
        if not ended:
            raise NotFound("document")
        return document_view(ended[-1], self._links, self._clock())


class AccountSecrets:
    """Reads users' webhook secrets, sealed. A deleted user's stays as long as its webhooks may be due."""

    def __init__(self, accounts: Accounts) -> None:
        self._accounts = accounts

    async def webhook_secrets(self, user_id: UUID) -> Sequence[str]:
        """Return the sealed secrets, the current one first. Raises NotFound."""
        row = await self._accounts.user_or_deleted(user_id)
        if row is None:
            raise NotFound("user")
        return [row.webhook_secret]
