"""Webhooks: what was sent and what is due, every attempt with what to do about it, sending one again, the secret."""

from dataclasses import dataclass, field
from typing import Annotated
from urllib.parse import urlencode
from uuid import UUID

from fastapi import APIRouter, Depends, Response

from contracts.ids import parse_id
from generator.admin.delivery_wait import Wait, waits
from generator.admin.delivery_words import Said, receiver, said, steps
from generator.admin.endpoint_words import pauses, without_query
from generator.admin.guard import CurrentVisit, PanelRoute, Visit
from generator.admin.live import live
from generator.admin.user_api import ApiRefused, JsonObject
from generator.admin.wording import Wording

router = APIRouter(route_class=PanelRoute)

PATH, API = "/webhooks", "/v1/webhooks/deliveries"
PAGE = 50
STATUSES = ("pending", "delivered", "dead")
#: A list of everything that is pending reads the whole log: not more often than anybody would notice.
LIST_EVERY_S = 2.0


@dataclass(frozen=True)
class Filters:
    """What the list is narrowed to, as it stands in the address."""

    status: str = ""
    document_id: str = ""
    endpoint_id: str = ""
    cursor: str = ""

    @classmethod
    def of(cls, visit: Visit) -> "Filters":
        given = visit.request.query_params
        status = given.get("status", "")
        document_id, endpoint_id = (given.get(name, "").strip() for name in ("document_id", "endpoint_id"))
        return cls(status if status in STATUSES else "", document_id, endpoint_id, given.get("cursor", ""))

    def query(self, **changes: str) -> str:
        values = {**vars(self), "cursor": "", **changes}
        text = urlencode({name: value for name, value in values.items() if value})
        return f"?{text}" if text else ""

    def address(self, **changes: str) -> str:
        """Return the list's address with other values; without `cursor` it is the first page."""
        return PATH + self.query(**changes)


@dataclass(frozen=True)
class Listing:
    """A page of the log. `flaw`: why there is none."""

    items: list[JsonObject] = field(default_factory=list)
    following: str = ""
    flaw: str = ""
    status: int = 200


async def _delivery_id(delivery_id: str) -> UUID:
    return parse_id(delivery_id, "delivery")


DeliveryId = Annotated[UUID, Depends(_delivery_id)]


@router.get(PATH)
async def webhooks(visit: CurrentVisit) -> Response:
    """List deliveries, latest due first; the first page is live."""
    filters = Filters.of(visit)
    listing = await listing_of(visit, filters)
    status = await visit.panel.board.status()
    return visit.page("webhooks.html", listing.status, status=status, **await _listed(visit, filters, listing))


@router.get("/live/webhooks")
async def live_webhooks(visit: CurrentVisit) -> Response:
    """Stream the first page of the list."""
    filters = Filters.of(visit)

    async def now() -> str:
        listing = await listing_of(visit, filters)
        return _text(visit.page("parts/webhooks_list.html", **await _listed(visit, filters, listing)))

    return live(visit, now, LIST_EVERY_S)


@router.get(PATH + "/secret")
async def secret(visit: CurrentVisit) -> Response:
    """Show the secret that signs this admin's own webhooks: the page of the list loads it when it is opened."""
    shown = (await visit.api.get("/v1/webhooks/secret")).json
    name = "parts/webhook_secret.html" if visit.partial else "webhook_secret.html"
    return visit.page(name, secret=shown["secret"])


@router.get(PATH + "/{delivery_id}")
async def webhook_page(visit: CurrentVisit, delivery_id: DeliveryId) -> Response:
    """Show a delivery with every attempt."""
    return visit.page("webhook.html", **await _one(visit, delivery_id))


@router.get("/live/webhooks/{delivery_id}")
async def live_webhook(visit: CurrentVisit, delivery_id: DeliveryId) -> Response:
    """Stream a delivery."""

    async def now() -> str:
        return _text(visit.page("parts/webhook_now.html", **await _one(visit, delivery_id)))

    return live(visit, now)


@router.post(PATH + "/{delivery_id}/resend")
async def resend(visit: CurrentVisit, delivery_id: DeliveryId) -> Response:
    """Make a delivery due now."""
    try:
        await visit.api.post(f"{API}/{delivery_id}/resend")
    except ApiRefused as refused:
        if refused.status != 409:
            raise
        return visit.page("webhook.html", 409, **{**await _one(visit, delivery_id), "problem": refused.detail})
    return visit.go(f"{PATH}/{delivery_id}")


async def listing_of(visit: Visit, filters: Filters) -> Listing:
    """Ask the API for a page; a filter that it refuses is part of the answer."""
    params = {name: value for name, value in vars(filters).items() if value}
    try:
        answer = await visit.api.get(API, {**params, "limit": str(PAGE)})
    except ApiRefused as refused:
        if refused.status != 422:
            raise
        return Listing(flaw=next(iter(refused.flaws().values()), refused.detail), status=422)
    return Listing(answer.items, answer.following)


async def _listed(visit: Visit, filters: Filters, listing: Listing) -> dict[str, object]:
    found = await waits(visit, listing.items)
    return {
        "filters": filters,
        "listing": listing,
        "rows": [Line.of(item, visit.words, found.get(str(item["id"]))) for item in listing.items],
        "pauses": pauses(visit.words),
        "tabs": tabs(visit.words),
    }


@dataclass(frozen=True)
class Line:
    """One delivery in the list. `wait`: of a pending one."""

    delivery: JsonObject
    receiver: str
    last: Said | None
    attempts: int
    wait: Wait | None = None

    @classmethod
    def of(cls, delivery: JsonObject, words: Wording, wait: Wait | None = None) -> "Line":
        attempts = attempts_of(delivery)
        last = said(attempts[-1], words) if attempts else None
        id_ = delivery["endpoint_id"]
        return cls(delivery, receiver(str(delivery["url"])) or f"…{str(id_)[-12:]}", last, len(attempts), wait)


async def _one(visit: Visit, delivery_id: UUID) -> dict[str, object]:
    delivery = (await visit.api.get(f"{API}/{delivery_id}")).json
    words = visit.words
    endpoint = await _endpoint(visit, delivery)
    url = str(delivery["url"]) or (without_query(str(endpoint["url"])) if endpoint else "")
    explained = [(one, said(one, words), steps(one.get("timings"), words)) for one in attempts_of(delivery)]
    return {
        "delivery": delivery,
        "attempts": explained,
        "url": url,
        "receiver": receiver(url),
        "endpoint": endpoint,
        "wait": (await waits(visit, [delivery])).get(str(delivery["id"])),
        "pauses": pauses(words),
        "problem": "",
    }


async def _endpoint(visit: Visit, delivery: JsonObject) -> JsonObject | None:
    """Return the endpoint that a delivery is for; None for a callback's, and for one that was deleted."""
    if delivery["endpoint_id"] is None:
        return None
    try:
        return (await visit.api.get(f"/v1/webhooks/endpoints/{delivery['endpoint_id']}")).json
    except ApiRefused as refused:
        if refused.status != 404:
            raise
        return None


def attempts_of(delivery: JsonObject) -> list[JsonObject]:
    """Return the attempts of a delivery as the API shows it."""
    attempts = delivery["attempts"]
    return attempts if isinstance(attempts, list) else []


def tabs(words: Wording) -> dict[str, tuple[str, str]]:
    """Name the states, and say what each means."""
    return {
        "": (words("All"), words("Everything that was sent or is due, latest first.")),
        "pending": (words("Pending"), words("Due now, or waiting for the next attempt.")),
        "delivered": (words("Delivered"), words("The receiver answered 2xx.")),
        "dead": (
            words("Dead"),
            words("Given up: every attempt failed, or the receiver answered 410. Resend it any time."),
        ),
    }


def _text(page: Response) -> str:
    return bytes(page.body).decode()
