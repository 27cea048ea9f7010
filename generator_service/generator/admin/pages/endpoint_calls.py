"""What can be asked of a webhook endpoint: a ping, what it has missed, its secret, and a new secret."""

from fastapi import APIRouter, Response

from generator.admin.delivery_words import receiver
from generator.admin.endpoint_forms import since_body
from generator.admin.guard import CurrentVisit, PanelRoute
from generator.admin.pages.endpoints import API, PATH, EndpointId, Recovery, page_of
from generator.admin.user_api import ApiRefused
from generator.admin.user_forms import Trouble

router = APIRouter(route_class=PanelRoute)

#: The API waits 25 s for a ping's outcome; recovering thousands takes a while, too.
CALL_S = 60.0


@router.post(PATH + "/{endpoint_id}/test")
async def ping(visit: CurrentVisit, endpoint_id: EndpointId) -> Response:
    """Send a ping, and show what came of it: the log, where it could be looked up, learns of it a second later."""
    try:
        sent = (await visit.api.call("POST", f"{API}/{endpoint_id}/test", timeout_s=CALL_S)).json
    except ApiRefused as refused:
        return await page_of(visit, endpoint_id, trouble=Trouble.of(refused, ()))
    return await page_of(visit, endpoint_id, ping=sent)


@router.post(PATH + "/{endpoint_id}/recover")
async def recover(visit: CurrentVisit, endpoint_id: EndpointId) -> Response:
    """Make due again what the endpoint has missed since a moment, and say how much that is."""
    since = str((await visit.form()).get("since", "")).strip()
    try:
        body = since_body(since)
        found = (await visit.api.call("POST", f"{API}/{endpoint_id}/recover", body=body, timeout_s=CALL_S)).json
    except ApiRefused as refused:
        recovery = Recovery(since, trouble=Trouble.of(refused, ("/since",)))
    else:
        recovery = Recovery(since, found)
    return await page_of(visit, endpoint_id, recovery=recovery)


@router.get(PATH + "/{endpoint_id}/test")
@router.get(PATH + "/{endpoint_id}/recover")
async def back(visit: CurrentVisit, endpoint_id: EndpointId) -> Response:
    """Lead whoever comes back to the address of a call, as a change of the language does, to the endpoint."""
    return visit.go(f"{PATH}/{endpoint_id}")


@router.get(PATH + "/{endpoint_id}/secret")
async def secret(visit: CurrentVisit, endpoint_id: EndpointId) -> Response:
    """Show the secret that signs this endpoint's calls: its page loads it when it is opened."""
    shown = (await visit.api.get(f"{API}/{endpoint_id}/secret")).json
    if visit.partial:
        return visit.page("parts/endpoint_secret.html", shown=shown)
    endpoint = (await visit.api.get(f"{API}/{endpoint_id}")).json
    known = {"endpoint": endpoint, "receiver": receiver(str(endpoint["url"]))}
    return visit.page("endpoint_secret.html", shown=shown, **known)


@router.post(PATH + "/{endpoint_id}/secret/rotate")
async def rotate(visit: CurrentVisit, endpoint_id: EndpointId) -> Response:
    """Replace the secret, and show the new one: the receiver has to learn it."""
    await visit.api.post(f"{API}/{endpoint_id}/secret/rotate")
    return visit.go(f"{PATH}/{endpoint_id}/secret")
