"""What webhooks say, where they go and what signs them: the document as it was when its run ended, sealed secrets."""

import time
from collections.abc import Callable
from uuid import UUID

from pydantic_core import from_json

from backends.accounts import Accounts
from backends.deliveries import LeasedDelivery
from backends.endpoints import EndpointStore
from backends.queue import DocumentQueue
from contracts.deliveries import shown_url
from contracts.documents import TERMINAL, DocumentRow
from contracts.endpoints import PING
from contracts.errors import NotFound
from contracts.ids import now_ms
from contracts.jobs import Callback
from contracts.secret_ring import SecretRing
from contracts.targets import Target
from contracts.users import UserRow
from contracts.views import Links, document_view
from generator.delivery.attempt import Disabled, Receiver
from generator.repository import HistoryRepository

#: Each call of a user's is signed with what was read at most so long ago; of so many users.
FRESH_S, USERS_KEPT = 1.0, 10_000


class DeliveryData:
    """Reads Redis first, then history. Raises NotFound, QueueUnavailable, HistoryUnavailable."""

    def __init__(
        self,
        queue: DocumentQueue,
        history: HistoryRepository,
        accounts: Accounts,
        endpoints: EndpointStore,
        links: Links,
        open_secret: Callable[[str], str],
    ) -> None:
        self._queue = queue
        self._history = history
        self._accounts = accounts
        self._endpoints = endpoints
        self._open_secret = open_secret
        self._links = links
        self._users: dict[UUID, tuple[UserRow, float]] = {}

    async def document_payload(self, document_id: UUID, run: int, known: str = "") -> dict[str, object]:
        """Return the document as the API shows it, as it was when this run ended; its links are signed anew.

        `known`: the JSON of the row with which the run ended, if it is at hand.
        """
        row = end_of_run([DocumentRow.model_validate_json(known)] if known else [], run)
        row = row or end_of_run(await self._queue.live_events(document_id), run)
        row = row or end_of_run(await self._history.events(document_id), run)
        if row is None:
            raise NotFound("document")
        return document_view(row, self._links, now_ms())

    async def receiver(self, leased: LeasedDelivery) -> Receiver:
        """Say where a delivery goes and what signs it. Raises NotFound, Disabled."""
        if leased.endpoint_id is not None:
            return await self._endpoint(leased.endpoint_id, even_disabled=leased.type == PING)
        callback = Callback.model_validate_json(leased.callback)
        secrets = await self.webhook_secrets(leased.user_id)
        return Receiver(callback.url, callback.headers, secrets, shown_url(leased.callback))

    async def _endpoint(self, endpoint_id: UUID, *, even_disabled: bool) -> Receiver:
        row = await self._endpoints.recent(endpoint_id)
        if row is None or row.deleted:
            raise Disabled("The endpoint was deleted.")
        if not row.enabled and not even_disabled:
            raise Disabled("The endpoint is disabled.")
        headers = from_json(self._open_secret(row.headers)) if row.headers else {}
        secrets = SecretRing.parse(row.secret).signing(now_ms())
        return Receiver(row.url, headers, secrets, Target.parse(row.url).shown)

    async def webhook_secrets(self, user_id: UUID) -> list[str]:
        """Return the user's sealed webhook secrets that sign now, the current one first; at most a second old."""
        user, read_at = self._users.get(user_id, (None, 0.0))
        if user is None or time.monotonic() - read_at > FRESH_S:
            user = await self._accounts.user_or_deleted(user_id)
            if user is None:
                raise NotFound("user")
            if len(self._users) >= USERS_KEPT:
                self._users.clear()
            self._users[user_id] = user, time.monotonic()
        return SecretRing.parse(user.webhook_secret).signing(now_ms())


def end_of_run(rows: list[DocumentRow], run: int) -> DocumentRow | None:
    """Find the row with which a run ended."""
    return next((row for row in rows if row.run == run and row.status in TERMINAL), None)
