"""Webhook endpoints: the list, one with its newest deliveries, and the forms that register, change and delete it."""

import asyncio
from dataclasses import dataclass
from typing import Annotated
from urllib.parse import urlencode
from uuid import UUID

from fastapi import APIRouter, Depends, Response

from contracts.ids import parse_id
from generator.admin.delivery_words import Said, receiver, said
from generator.admin.endpoint_forms import BadHeaders, EndpointForm
from generator.admin.endpoint_words import pauses, reasons, types, without_query
from generator.admin.guard import CurrentVisit, PanelRoute, Visit
from generator.admin.pages.webhooks import Filters, Line, attempts_of
from generator.admin.user_api import ApiAway, ApiRefused, JsonObject, page_at
from generator.admin.user_forms import Trouble
from generator.admin.user_names import user_names
from generator.admin.wording import Wording

router = APIRouter(route_class=PanelRoute)

PATH, API = "/webhooks/endpoints", "/v1/webhooks/endpoints"
DELIVERIES = "/v1/webhooks/deliveries"
PAGE, NEWEST = 50, 10
FIELDS = ("/url", "/types", "/headers", "/description")
#: The page does not wait longer than this for the list of deliveries.
LISTED_WITHIN_S = 3.0


async def _endpoint_id(endpoint_id: str) -> UUID:
    return parse_id(endpoint_id, "endpoint")


EndpointId = Annotated[UUID, Depends(_endpoint_id)]


@dataclass(frozen=True)
class Recovery:
    """What stands in the form that recovers; `found`: the API's answer; `trouble`: why there is none."""

    since: str = ""
    found: JsonObject | None = None
    trouble: Trouble = Trouble()


@router.get(PATH)
async def endpoints(visit: CurrentVisit) -> Response:
    """List everyone's endpoints, newest first."""
    cursor = visit.request.query_params.get("cursor", "")
    answer = await visit.api.get(API, page_at(cursor, PAGE))
    names = await user_names(visit, answer.items)
    return visit.page(
        "endpoints.html",
        status=await visit.panel.board.status(),
        rows=[(one, without_query(str(one["url"])), _owner(one, names)) for one in answer.items],
        first=PATH if cursor else "",
        following=f"{PATH}?{urlencode({'cursor': answer.following})}" if answer.following else "",
        **_labels(visit.words),
    )


@router.get(PATH + "/new")
async def new_endpoint(visit: CurrentVisit) -> Response:
    """Show an empty form."""
    return _new(visit, EndpointForm(), Trouble())


@router.post(PATH)
async def create_endpoint(visit: CurrentVisit) -> Response:
    """Register an endpoint and go to its page; what is wrong is shown at the fields, which keep their values."""
    form = EndpointForm.sent(await visit.form())
    try:
        answer = await visit.api.post(API, form.body())
    except (BadHeaders, ApiRefused) as error:
        return _new(visit, form, _trouble(error, visit.words))
    return visit.go(f"{PATH}/{answer.json['id']}")


@router.get(PATH + "/{endpoint_id}")
async def endpoint_page(visit: CurrentVisit, endpoint_id: EndpointId) -> Response:
    """Show an endpoint, what it was sent last, and what can be done with it."""
    return await page_of(visit, endpoint_id)


@router.get(PATH + "/{endpoint_id}/edit")
async def edit_endpoint(visit: CurrentVisit, endpoint_id: EndpointId) -> Response:
    """Show the form with the endpoint as it is, whole URL and headers included."""
    endpoint = (await visit.api.get(f"{API}/{endpoint_id}")).json
    return _edit(visit, endpoint, EndpointForm.of(endpoint), Trouble())


@router.post(PATH + "/{endpoint_id}")
async def change_endpoint(visit: CurrentVisit, endpoint_id: EndpointId) -> Response:
    """Save the form, unless somebody has changed the endpoint since it was shown."""
    form = EndpointForm.sent(await visit.form())
    endpoint = (await visit.api.get(f"{API}/{endpoint_id}")).json
    try:
        await visit.api.call("PATCH", f"{API}/{endpoint_id}", body=form.changes(endpoint), headers=form.if_match)
    except (BadHeaders, ApiRefused) as error:
        trouble = _trouble(error, visit.words)
        return _edit(visit, endpoint, EndpointForm.of(endpoint) if trouble.outrun else form, trouble)
    return visit.go(f"{PATH}/{endpoint_id}")


@router.post(PATH + "/{endpoint_id}/enabled")
async def enable_endpoint(visit: CurrentVisit, endpoint_id: EndpointId) -> Response:
    """Enable or disable an endpoint, whatever else of it was changed meanwhile."""
    enabled = (await visit.form()).get("enabled") == "yes"
    try:
        await visit.api.call("PATCH", f"{API}/{endpoint_id}", body={"enabled": enabled})
    except ApiRefused as refused:
        return await page_of(visit, endpoint_id, trouble=Trouble.of(refused, ()))
    visit.panel.board.forget()
    return visit.go(f"{PATH}/{endpoint_id}")


@router.post(PATH + "/{endpoint_id}/delete")
async def delete_endpoint(visit: CurrentVisit, endpoint_id: EndpointId) -> Response:
    """Delete an endpoint."""
    try:
        await visit.api.call("DELETE", f"{API}/{endpoint_id}")
    except ApiRefused as refused:
        return await page_of(visit, endpoint_id, trouble=Trouble.of(refused, ()))
    visit.panel.board.forget()
    return visit.go(PATH)


async def page_of(
    visit: Visit,
    endpoint_id: UUID,
    *,
    trouble: Trouble | None = None,
    recovery: Recovery | None = None,
    ping: JsonObject | None = None,
) -> Response:
    """Show the endpoint as it is now, with what came of what was just asked for. `ping`: the one that was sent."""
    endpoint = (await visit.api.get(f"{API}/{endpoint_id}")).json
    names, lines = await asyncio.gather(user_names(visit, [endpoint]), _newest(visit, endpoint_id))
    trouble, recovery = trouble or Trouble(), recovery or Recovery()
    return visit.page(
        "endpoint.html",
        max(trouble.status, recovery.trouble.status),
        endpoint=endpoint,
        url=without_query(str(endpoint["url"])),
        receiver=receiver(str(endpoint["url"])),
        owner=_owner(endpoint, names),
        rows=lines,
        filters=Filters(endpoint_id=str(endpoint_id)),
        ping=ping,
        outcome=_outcome(ping, visit.words) if ping else None,
        trouble=trouble,
        recovery=recovery,
        **_labels(visit.words),
    )


async def _newest(visit: Visit, endpoint_id: UUID) -> list[Line] | None:
    """Return what was sent last; None while ClickHouse, which lists it, is away."""
    params = {"endpoint_id": str(endpoint_id), "limit": str(NEWEST)}
    try:
        answer = await visit.api.call("GET", DELIVERIES, params=params, timeout_s=LISTED_WITHIN_S)
    except (ApiRefused, ApiAway):
        return None
    return [Line.of(one, visit.words) for one in answer.items]


def _outcome(delivery: JsonObject, words: Wording) -> Said | None:
    """Explain the last attempt of a delivery; None before there is one."""
    attempts = attempts_of(delivery)
    return said(attempts[-1], words) if attempts else None


def _owner(endpoint: JsonObject, names: dict[str, str]) -> str:
    """Return the name of an endpoint's owner; the id itself where there is none."""
    id_ = str(endpoint["user_id"])
    return names.get(id_, id_)


def _new(visit: Visit, form: EndpointForm, trouble: Trouble) -> Response:
    return visit.page("endpoint_new.html", trouble.status, form=form, trouble=trouble, **_labels(visit.words))


def _edit(visit: Visit, endpoint: JsonObject, form: EndpointForm, trouble: Trouble) -> Response:
    shown = {"endpoint": endpoint, "receiver": receiver(str(endpoint["url"])), "form": form, "trouble": trouble}
    return visit.page("endpoint_edit.html", trouble.status, **shown, **_labels(visit.words))


def _labels(words: Wording) -> dict[str, object]:
    return {"types": types(words), "reasons": reasons(words), "pauses": pauses(words)}


def _trouble(error: BadHeaders | ApiRefused, words: Wording) -> Trouble:
    if isinstance(error, ApiRefused):
        return Trouble.of(error, FIELDS)
    told = words("Line %(line)s: write a name, a colon and a value, and each name once.", line=error.line)
    return Trouble(flaws={"/headers": told}, status=422)
