"""What webhooks say, where they go and what signs them: the document as it was when its run ended, sealed secrets."""

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

#: So many users are kept at hand.
USERS_KEPT = 10_000


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
        self._users: dict[UUID, UserRow] = {}

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
            return await self._endpoint(leased.endpoint_id, leased.version, even_disabled=leased.type == PING)
        callback = Callback.model_validate_json(leased.callback)
        secrets = await self.webhook_secrets(leased.user_id, leased.version)
        return Receiver(callback.url, callback.headers, secrets, shown_url(leased.callback))

    async def _endpoint(self, endpoint_id: UUID, version: int, *, even_disabled: bool) -> Receiver:
        row = await self._endpoints.of_version(endpoint_id, version)
        if row is None:
            raise Disabled("The endpoint was deleted.", shown="")
        shown = Target.parse(row.url).shown
        if row.deleted:
            raise Disabled("The endpoint was deleted.", shown)
        if not row.enabled and not even_disabled:
            raise Disabled("The endpoint is disabled.", shown)
        headers = from_json(self._open_secret(row.headers)) if row.headers else {}
        secrets = SecretRing.parse(row.secret).signing(now_ms())
        return Receiver(row.url, headers, secrets, shown)

    async def webhook_secrets(self, user_id: UUID, version: int) -> list[str]:
        """Return the user's sealed webhook secrets that sign now, the current one first. `version`: the user's."""
        user = self._users.get(user_id)
        if user is None or user.version != version:
            user = await self._accounts.user_or_deleted(user_id)
            if user is None:
                raise NotFound("user")
            if len(self._users) >= USERS_KEPT:
                self._users.clear()
            self._users[user_id] = user
        return SecretRing.parse(user.webhook_secret).signing(now_ms())


def end_of_run(rows: list[DocumentRow], run: int) -> DocumentRow | None:
    """Find the row with which a run ended."""
    return next((row for row in rows if row.run == run and row.status in TERMINAL), None)
