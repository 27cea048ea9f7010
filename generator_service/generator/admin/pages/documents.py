"""The list of documents: every filter of the API, in the address; its first page is live."""

import asyncio
import time
from dataclasses import dataclass, field
from uuid import UUID

from fastapi import APIRouter, Response

from contracts.documents import CONTENT_TYPES, Status
from generator.admin.document_filters import PATH, Filters, for_input
from generator.admin.guard import CurrentVisit, PanelRoute, Visit
from generator.admin.live import live
from generator.admin.user_api import ApiRefused, JsonObject
from generator.admin.user_names import user_names
from generator.admin.wording import Wording

router = APIRouter(route_class=PanelRoute)

PAGE = 50
#: How long a row that came while somebody looks is marked.
FRESH_S = 2.5
#: Templates offered in the filter; beyond them the address takes any name.
TEMPLATES_OFFERED = 200


@dataclass(frozen=True)
class Listing:
    """A page of documents. `refused`: why there is none."""

    items: list[JsonObject] = field(default_factory=list)
    following: str = ""
    names: dict[str, str] = field(default_factory=dict)
    refused: ApiRefused | None = None


@router.get(PATH)
async def documents(visit: CurrentVisit) -> Response:
    """List documents. A filled form leads to its clean address, a searched id to its document."""
    filters = Filters.read(visit.request.query_params.multi_items())
    found = search(visit.request.query_params.get("find", ""), filters)
    if found:
        return visit.go(found)
    if visit.request.query_params.multi_items() != filters.stated:
        return visit.go(filters.address)
    listing, templates = await asyncio.gather(listing_of(visit, filters), template_names(visit))
    status = listing.refused.status if listing.refused else 200
    offered = choices(filters, templates, visit.words)
    return visit.page("documents.html", status, choices=offered, **_shown(filters, listing, visit.words))


@router.get("/live/documents")
async def live_documents(visit: CurrentVisit) -> Response:
    """Stream the first page of a list."""
    filters = Filters.read(visit.request.query_params.multi_items()).at("")
    arrivals = Arrivals()

    async def now() -> str:
        listing = await listing_of(visit, filters)
        fresh = arrivals.fresh([str(item["id"]) for item in listing.items], time.monotonic())
        answer = visit.page("parts/documents_list.html", **_shown(filters, listing, visit.words, fresh))
        return bytes(answer.body).decode()

    return live(visit, now)


def search(text: str, filters: Filters) -> str:
    """Return where a search leads: a document by its id, else the documents about this subject; empty for nothing."""
    text = text.strip()
    if not text:
        return ""
    try:
        return f"{PATH}/{UUID(text)}"
    except ValueError:
        return Filters({**filters.values, "subject": text}, filters.metadata).address


class Arrivals:
    """Tells which documents came while somebody looks at the list."""

    def __init__(self) -> None:
        self._came: dict[str, float] | None = None

    def fresh(self, ids: list[str], now_s: float) -> frozenset[str]:
        """Return those that first stood in the list less than FRESH_S ago; at the first look none is new."""
        first = self._came is None
        known = self._came or {}
        self._came = {id_: known.get(id_, now_s - FRESH_S if first else now_s) for id_ in ids}
        return frozenset(id_ for id_, came in self._came.items() if now_s - came < FRESH_S)


async def listing_of(visit: Visit, filters: Filters) -> Listing:
    """Ask the API for a page; a filter that it refuses and a history that is away are part of the answer."""
    try:
        answer = await visit.api.get("/v1/documents", [*filters.asked, ("limit", str(PAGE))])
    except ApiRefused as refused:
        if refused.status not in (422, 503):
            raise
        return Listing(refused=refused)
    return Listing(answer.items, answer.following, await user_names(visit, answer.items))


async def template_names(visit: Visit) -> list[str]:
    """Return the names of the templates, for the filter."""
    answer = await visit.api.get("/v1/templates", {"limit": str(TEMPLATES_OFFERED)})
    return sorted({str(item["name"]) for item in answer.items})


def _shown(
    filters: Filters, listing: Listing, words: Wording, fresh: frozenset[str] = frozenset()
) -> dict[str, object]:
    return {
        "fresh": fresh,
        "filters": filters,
        "listing": listing,
        "labels": labels(words),
        "statuses": statuses(words),
        "for_input": for_input,
    }


def choices(filters: Filters, templates: list[str], words: Wording) -> dict[str, list[tuple[str, str]]]:
    """Return what the lists of the filters offer: values with their labels, the first of which filters nothing."""
    named = filters["template"]
    known = [named] * (named not in templates and named != "") + templates
    return {
        "status": [("", words("Any status")), *statuses(words).items()],
        "template": [("", words("Any template")), *((name, name) for name in known)],
        "format": [("", words("Any format")), *((name, name) for name in CONTENT_TYPES)],
    }


def statuses(words: Wording) -> dict[str, str]:
    """Name a document's states."""
    return {
        Status.SCHEDULED: words("Scheduled"),
        Status.QUEUED: words("Queued"),
        Status.RENDERING: words("Rendering"),
        Status.COMPLETED: words("Completed"),
        Status.FAILED: words("Failed"),
        Status.CANCELLED: words("Cancelled"),
    }


def labels(words: Wording) -> dict[str, str]:
    """Name the filters."""
    return {
        "status": words("Status"),
        "template": words("Template"),
        "format": words("Format"),
        "subject": words("Subject"),
        "user_id": words("User"),
        "lane": words("Lane"),
        "batch_id": words("Batch"),
        "created_after": words("Made after"),
        "created_before": words("Made before"),
    }
