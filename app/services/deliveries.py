"""Webhook deliveries: who may see them, how they stand, and sending one again."""

from dataclasses import replace
from uuid import UUID, uuid4

import structlog

from app.repository.deliveries import DeliveryFilter, DeliveryPage, DeliveryRepository
from app.services.auth import Principal
from app.services.documents import DocumentService
from app.services.endpoints import must_be_enabled
from backends.deliveries import Deliveries
from backends.endpoints import EndpointStore
from contracts.cursors import Position
from contracts.deliveries import Delivery
from contracts.documents import DocumentRow
from contracts.errors import Conflict, NotFound

log = structlog.get_logger(__name__)


class DeliveryService:
    """Raises HistoryUnavailable from every method: which deliveries there are, only the log knows."""

    def __init__(
        self, live: Deliveries, endpoints: EndpointStore, history: DeliveryRepository, documents: DocumentService
    ) -> None:
        self._live = live
        self._endpoints = endpoints
        self._history = history
        self._documents = documents

    async def page(self, filter_: DeliveryFilter, position: Position | None, limit: int) -> DeliveryPage:
        """List deliveries, latest due first."""
        return await self._history.list(filter_, position, limit)

    async def get(self, caller: Principal, delivery_id: UUID) -> Delivery:
        """Read a delivery as it stands at this moment. Raises NotFound."""
        delivery = await self._known(caller, delivery_id)
        live = await self._live.live(delivery.member)
        return delivery if live is None else replace(delivery, **vars(live))

    async def resend(self, caller: Principal, delivery_id: UUID) -> Delivery:
        """Make a delivery due now under the same webhook-id, whatever became of it.

        Raises NotFound, Conflict `being_delivered`, `input_expired` or `endpoint_disabled`.
        """
        delivery = await self._known(caller, delivery_id)
        await self._has_endpoint(delivery)
        row = await self._document(caller, delivery)
        if row.run == delivery.run:
            await self._documents.restore(row)
        resend_id = uuid4().hex
        answer = await self._live.resend(delivery, "", resend_id)
        if answer == "unknown":
            answer = await self._live.resend(delivery, await self._callback(delivery), resend_id)
        if answer == "sending":
            raise Conflict("being_delivered", "An attempt is being made at this moment: wait for its outcome.")
        log.info("delivery.resent", delivery_id=str(delivery_id), document_id=str(delivery.document_id))
        return await self.get(caller, delivery_id)

    async def _known(self, caller: Principal, delivery_id: UUID) -> Delivery:
        delivery = await self._history.get(delivery_id)
        if delivery is None or not caller.sees(delivery.user_id):
            raise NotFound("delivery")
        return delivery

    async def _document(self, caller: Principal, delivery: Delivery) -> DocumentRow:
        try:
            return await self._documents.get(caller, delivery.document_id)
        except NotFound:
            raise Conflict("input_expired", "The document was deleted: there is nothing to send any more.") from None

    async def _has_endpoint(self, delivery: Delivery) -> None:
        if delivery.endpoint_id is None:
            return
        row = await self._endpoints.or_deleted(delivery.endpoint_id)
        if row is None or row.deleted:
            raise Conflict("endpoint_disabled", "The endpoint was deleted: nobody is there to be called.")
        must_be_enabled(row)

    async def _callback(self, delivery: Delivery) -> str:
        job = await self._documents.kept_job(delivery.document_id)
        if job is None or job.callback is None:
            raise Conflict("input_expired", "Where the webhook went is no longer kept.")
        return job.callback.model_dump_json()
