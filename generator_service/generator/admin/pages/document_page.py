"""One document: what became of it and why, its pages, its data; retry, cancel, delete."""

from fastapi import APIRouter, Response

from contracts.ids import parse_id
from generator.admin.document_filters import PATH
from generator.admin.document_sight import SMALL_PAGES, Data, Sight, data_of, sight_of
from generator.admin.document_steps import steps_of
from generator.admin.guard import CurrentVisit, PanelRoute, Visit
from generator.admin.live import live
from generator.admin.previews import LARGE, SMALL
from generator.admin.user_api import ApiRefused

router = APIRouter(route_class=PanelRoute)
#: Refusals that are told on the document's own page: its state, or a template that cannot be used.
TOLD = (409, 422, 429)


@router.get(PATH + "/{document_id}")
async def document_page(visit: CurrentVisit, document_id: str) -> Response:
    """Show a document."""
    return await _page(visit, document_id)


@router.get("/live/documents/{document_id}")
async def live_document(visit: CurrentVisit, document_id: str) -> Response:
    """Stream what changes of a document, until nothing will change any more."""
    sight, data = await sight_of(visit, document_id), await data_of(visit, document_id)

    async def now() -> str:
        nonlocal sight
        sight = await sight_of(visit, document_id)
        answer = visit.page("parts/document_now.html", **_shown(visit, sight, data))
        return bytes(answer.body).decode()

    return live(visit, now, ended=lambda: sight.settled)


@router.post(PATH + "/{document_id}/retry")
async def retry(visit: CurrentVisit, document_id: str) -> Response:
    """Run an ended document again, on the template version of the form if it names one."""
    template = str((await visit.form()).get("template", ""))
    return await _done(visit, document_id, "retry", {"template": template} if template else {})


@router.post(PATH + "/{document_id}/cancel")
async def cancel(visit: CurrentVisit, document_id: str) -> Response:
    """Cancel a document that has not ended."""
    return await _done(visit, document_id, "cancel", {})


@router.post(PATH + "/{document_id}/delete")
async def delete(visit: CurrentVisit, document_id: str) -> Response:
    """Delete a document's data and bytes."""
    await visit.api.call("DELETE", f"/v1/documents/{parse_id(document_id, 'document')}")
    return visit.go(PATH)


async def _done(visit: Visit, document_id: str, action: str, body: dict[str, str]) -> Response:
    identity = parse_id(document_id, "document")
    try:
        await visit.api.post(f"/v1/documents/{identity}/{action}", body)
    except ApiRefused as refused:
        if refused.status not in TOLD:
            raise
        told = "; ".join(refused.flaws().values()) or refused.detail
        return await _page(visit, document_id, refused.status, told)
    return visit.go(f"{PATH}/{identity}")


async def _page(visit: Visit, document_id: str, status: int = 200, problem: str = "") -> Response:
    sight = await sight_of(visit, document_id)
    data = await data_of(visit, document_id)
    return visit.page("document_page.html", status, problem=problem, **_shown(visit, sight, data))


def _shown(visit: Visit, sight: Sight, data: Data) -> dict[str, object]:
    return {
        "sight": sight,
        "document": sight.document,
        "steps": steps_of(sight.events, visit.words),
        "data": data,
        "sizes": {"large": LARGE, "small": SMALL},
        "small_pages": SMALL_PAGES,
    }
