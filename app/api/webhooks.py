"""Webhooks: the secret that signs them. Endpoints and the delivery log are a later capability."""

from fastapi import APIRouter, Request, Response
from pydantic_core import to_json

from app.api import schemas
from app.api.access import EVERYONE, Caller, GuardedRoute, allow
from app.api.openapi import errors
from app.api.users import services

router = APIRouter(tags=["webhooks"], route_class=GuardedRoute)


@router.get("/v1/webhooks/secret", response_model=schemas.WebhookSecret, responses=errors())
@allow(*EVERYONE)
async def get_webhook_secret(request: Request, caller: Caller) -> Response:
    """Show the secret that signs the caller's webhooks (Standard Webhooks)."""
    body = {"secret": services(request).users.webhook_secret(caller.user), "previous_valid_until": None}
    return Response(to_json(body), headers={"Cache-Control": "no-store"}, media_type="application/json")
