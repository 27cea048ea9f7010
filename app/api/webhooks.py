"""Webhooks: the secret that signs callbacks, the log of deliveries, sending one again."""

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
from contracts.ids import parse_id, rfc3339
from contracts.users import UserRow

router = APIRouter(tags=["webhooks"], route_class=GuardedRoute)
DELIVERIES = "/v1/webhooks/deliveries"


@router.get("/v1/webhooks/secret", response_model=schemas.WebhookSecret, responses=errors())
@allow(*EVERYONE)
async def get_webhook_secret(request: Request, caller: Caller) -> Response:
    """Show the secret that signs the caller's webhooks (Standard Webhooks)."""
    return _secret_shown(request, caller.user)


@router.post("/v1/webhooks/secret/rotate", response_model=schemas.WebhookSecret, responses=errors())
@allow("admin", "member")
async def rotate_webhook_secret(request: Request, caller: Caller) -> Response:
    """Replace the secret that signs the caller's webhooks; for 24 hours each call carries both signatures."""
    return _secret_shown(request, await services(request).users.rotate_webhook_secret(caller.user.user_id))


@router.get(DELIVERIES, response_model=shapes.DeliveryList, responses=listing("history_unavailable"))
@allow(*EVERYONE)
async def list_deliveries(
    request: Request, query: Annotated[shapes.DeliveryQuery, Query()], caller: Caller
) -> Response:
    """List deliveries, latest due first; one shows at most 1 s after it became due, and so does each attempt."""
    owner = None if caller.sees_all() else caller.user.user_id
    filters = {"status": query.status, "document_id": query.document_id, "endpoint_id": query.endpoint_id}
    pager = Pager.of(request.app.state.cursor_key, f"deliveries for {owner or 'all'}", filters)
    position = pager.position(query.cursor)
    filter_ = DeliveryFilter(
        query.status, _id("document_id", query.document_id), owner, _id("endpoint_id", query.endpoint_id)
    )
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
    responses=errors(*MISSING, "being_delivered", "input_expired", "endpoint_disabled"),
)
@allow("admin", "member")
async def resend_delivery(request: Request, delivery_id: UUID, caller: Caller) -> Response:
    """Send a webhook again now, under the same `webhook-id`, also one that was delivered or given up."""
    return _shown(await services(request).deliveries.resend(caller, delivery_id), 202)


def _id(name: str, value: str | None) -> UUID | None:
    """Read an id that a list is narrowed to. Raises Invalid."""
    try:
        return None if value is None else parse_id(value, name.removesuffix("_id"))
    except NotFound:
        raise Invalid.at(f"/{name}", "This is not an id (UUID).") from None


def _secret_shown(request: Request, user: UserRow) -> Response:
    secret, previous_until = services(request).users.webhook_secret(user)
    body = {"secret": secret, "previous_valid_until": rfc3339(previous_until)}
    return Response(to_json(body), headers={"Cache-Control": "no-store"}, media_type="application/json")


def _shown(delivery: Delivery, status: int) -> Response:
    return Response(to_json(shapes.delivery_view(delivery)), status, media_type="application/json")
