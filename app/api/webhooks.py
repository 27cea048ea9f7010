"""Webhooks: the secret that signs them, the log of deliveries, sending one again. Endpoints are a later capability."""

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Query, Request, Response
from pydantic_core import to_json

from app.api import schemas
from app.api import webhook_schemas as shapes
from app.api.access import EVERYONE, Caller, GuardedRoute, allow
from app.api.openapi import MISSING, errors, listing
from app.api.paging import Pager, list_response
from app.api.users import services
from app.repository.deliveries import DeliveryFilter
from contracts.deliveries import Delivery
from contracts.errors import Invalid, NotFound
from contracts.ids import parse_id

router = APIRouter(tags=["webhooks"], route_class=GuardedRoute)
DELIVERIES = "/v1/webhooks/deliveries"


@router.get("/v1/webhooks/secret", response_model=schemas.WebhookSecret, responses=errors())
@allow(*EVERYONE)
async def get_webhook_secret(request: Request, caller: Caller) -> Response:
    """Show the secret that signs the caller's webhooks (Standard Webhooks)."""
    body = {"secret": services(request).users.webhook_secret(caller.user), "previous_valid_until": None}
    return Response(to_json(body), headers={"Cache-Control": "no-store"}, media_type="application/json")


@router.get(DELIVERIES, response_model=shapes.DeliveryList, responses=listing("history_unavailable"))
@allow(*EVERYONE)
async def list_deliveries(
    request: Request, query: Annotated[shapes.DeliveryQuery, Query()], caller: Caller
) -> Response:
    """List deliveries, latest due first; one shows at most 1 s after it became due, and so does each attempt."""
    owner = None if caller.sees_all() else caller.user.user_id
    filters = {"status": query.status, "document_id": query.document_id}
    pager = Pager.of(request.app.state.cursor_key, f"deliveries for {owner or 'all'}", filters)
    position = pager.position(query.cursor)
    try:
        document_id = None if query.document_id is None else parse_id(query.document_id, "document")
    except NotFound:
        raise Invalid.at("/document_id", "This is not an id (UUID).") from None
    filter_ = DeliveryFilter(query.status, document_id, owner)
    deliveries, following = await services(request).deliveries.page(filter_, position, query.limit)
    items: list[object] = [shapes.delivery_view(delivery) for delivery in deliveries]
    return list_response(request, items, pager.cursor(following))


@router.get(DELIVERIES + "/{delivery_id:uuid}", response_model=shapes.DeliveryView, responses=errors(*MISSING))
@allow(*EVERYONE)
async def get_delivery(request: Request, delivery_id: UUID, caller: Caller) -> Response:
    """Read a delivery with every attempt."""
    return _shown(await services(request).deliveries.get(caller, delivery_id), 200)


@router.post(
    DELIVERIES + "/{delivery_id:uuid}/resend",
    status_code=202,
    response_model=shapes.DeliveryView,
    responses=errors(*MISSING, "being_delivered", "input_expired"),
)
@allow("admin", "member")
async def resend_delivery(request: Request, delivery_id: UUID, caller: Caller) -> Response:
    """Send a webhook again now, under the same `webhook-id`, also one that was delivered or given up."""
    return _shown(await services(request).deliveries.resend(caller, delivery_id), 202)


def _shown(delivery: Delivery, status: int) -> Response:
    return Response(to_json(shapes.delivery_view(delivery)), status, media_type="application/json")
