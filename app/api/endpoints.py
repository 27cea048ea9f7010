"""Webhook endpoints: receivers registered by type of event, their secrets, a ping, and what they have missed."""

from collections.abc import Sequence
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Query, Request, Response
from pydantic_core import to_json

from app.api import endpoint_schemas as shapes
from app.api import schemas
from app.api.access import EVERYONE, Caller, GuardedRoute, allow
from app.api.openapi import BODY, MISSING, errors, listing
from app.api.paging import Pager, list_response
from app.api.preconditions import etag, required_versions, unchanged
from app.api.schemas import epoch_ms
from app.api.users import services
from app.api.webhook_schemas import DeliveryView, delivery_view
from app.services.auth import Principal
from contracts.endpoints import EndpointRow
from contracts.ids import rfc3339

router = APIRouter(tags=["webhooks"], route_class=GuardedRoute)
ENDPOINTS = "/v1/webhooks/endpoints"
ONE = ENDPOINTS + "/{endpoint_id:uuid}"
TARGET = ("private_address", "invalid_url", "invalid_header")


@router.post(
    ENDPOINTS, status_code=201, response_model=shapes.EndpointView, responses=errors(*BODY, "too_many_endpoints")
)
@allow("admin", "member")
async def create_endpoint(request: Request, body: shapes.NewEndpoint, caller: Caller) -> Response:
    """Register an endpoint: it is called for what ends from now on."""
    row = await services(request).endpoints.create(caller, body.model_dump())
    return await _shown(request, caller, row, 201, {"Location": f"{ENDPOINTS}/{row.endpoint_id}"})


@router.get(ENDPOINTS, response_model=shapes.EndpointList, responses=listing())
@allow(*EVERYONE)
async def list_endpoints(request: Request, query: Annotated[shapes.EndpointQuery, Query()], caller: Caller) -> Response:
    """List endpoints, newest first."""
    owner = None if caller.sees_all() else caller.user.user_id
    pager = Pager.of(request.app.state.cursor_key, f"endpoints for {owner or 'all'}", {})
    rows, following = await services(request).endpoints.page(caller, pager.position(query.cursor), query.limit)
    return list_response(request, await _views(request, caller, rows), pager.cursor(following))


@router.get(
    ONE, response_model=shapes.EndpointView, responses=errors("not_found") | {304: {"description": "Unchanged"}}
)
@allow(*EVERYONE)
async def get_endpoint(request: Request, endpoint_id: UUID, caller: Caller) -> Response:
    """Read an endpoint. Its ETag is its version, which a pause does not change: while there is one, there is no 304."""
    row = await services(request).endpoints.get(caller, endpoint_id)
    if unchanged(request, etag(row.version)) and not await services(request).receivers.pauses([str(endpoint_id)]):
        return Response(status_code=304, headers={"ETag": etag(row.version)})
    return await _shown(request, caller, row)


@router.patch(ONE, response_model=shapes.EndpointView, responses=errors(*BODY, "not_found", "version_mismatch"))
@allow("admin", "member")
async def change_endpoint(
    request: Request, endpoint_id: UUID, body: shapes.EndpointChanges, caller: Caller
) -> Response:
    """Change an endpoint; `enabled` also brings back one that was disabled. It counts for the next call."""
    changes = body.model_dump(exclude_unset=True)
    row = await services(request).endpoints.change(caller, endpoint_id, changes, required_versions(request))
    return await _shown(request, caller, row)


@router.delete(ONE, status_code=204, responses=errors("not_found", "version_mismatch"))
@allow("admin", "member")
async def delete_endpoint(request: Request, endpoint_id: UUID, caller: Caller) -> Response:
    """Delete an endpoint: what is still due for it is given up."""
    await services(request).endpoints.delete(caller, endpoint_id, required_versions(request))
    return Response(status_code=204)


@router.get(ONE + "/secret", response_model=schemas.WebhookSecret, responses=errors("not_found"))
@allow("admin", "member")
async def get_endpoint_secret(request: Request, endpoint_id: UUID, caller: Caller) -> Response:
    """Show the secret that signs this endpoint's calls (Standard Webhooks)."""
    return _secret(request, await services(request).endpoints.get(caller, endpoint_id))


@router.post(ONE + "/secret/rotate", response_model=schemas.WebhookSecret, responses=errors("not_found"))
@allow("admin", "member")
async def rotate_endpoint_secret(request: Request, endpoint_id: UUID, caller: Caller) -> Response:
    """Replace the secret that signs this endpoint's calls; for 24 hours each call carries both signatures."""
    return _secret(request, await services(request).endpoints.rotate(caller, endpoint_id))


@router.post(
    ONE + "/test",
    response_model=DeliveryView,
    responses=errors("not_found", "queue_full") | {202: {"description": "Sent, no outcome yet", "model": DeliveryView}},
)
@allow("admin", "member")
async def test_endpoint(request: Request, endpoint_id: UUID, caller: Caller) -> Response:
    """Send a signed `ping` on the way that every webhook takes, and answer with what came of it."""
    delivery = await services(request).endpoints.ping(caller, endpoint_id)
    status = 202 if delivery.status == "pending" else 200
    return Response(to_json(delivery_view(delivery)), status, media_type="application/json")


@router.post(
    ONE + "/recover",
    status_code=202,
    response_model=shapes.RecoverAnswer,
    responses=errors(*BODY, *MISSING, "endpoint_disabled"),
)
@allow("admin", "member")
async def recover_endpoint(
    request: Request, endpoint_id: UUID, body: shapes.RecoverRequest, caller: Caller
) -> Response:
    """Make due again what failed for good since a moment, and what ended while the endpoint was disabled."""
    since = epoch_ms(body.since, "/since")
    assert since is not None
    recovered = await services(request).endpoints.recover(caller, endpoint_id, since)
    return Response(to_json(recovered), 202, media_type="application/json")


async def _shown(
    request: Request, caller: Principal, row: EndpointRow, status: int = 200, headers: dict[str, str] | None = None
) -> Response:
    [view] = await _views(request, caller, [row])
    body = to_json(view)
    return Response(body, status, {"ETag": etag(row.version), **(headers or {})}, "application/json")


async def _views(request: Request, caller: Principal, rows: Sequence[EndpointRow]) -> list[object]:
    """Show endpoints as they are now, those that are left alone with until when."""
    target = services(request).endpoints.target
    pauses = await services(request).receivers.pauses([str(row.endpoint_id) for row in rows])
    return [shapes.endpoint_view(row, *target(caller, row), pauses.get(str(row.endpoint_id))) for row in rows]


def _secret(request: Request, row: EndpointRow) -> Response:
    secret, previous_until = services(request).endpoints.secret(row)
    body = {"secret": secret, "previous_valid_until": rfc3339(previous_until)}
    return Response(to_json(body), headers={"Cache-Control": "no-store"}, media_type="application/json")
