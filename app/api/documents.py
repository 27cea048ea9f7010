"""Documents: request, read, list, cancel, retry, delete. 202 is sent once Redis has the job on disk, never before."""

from functools import partial
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Body, Query, Request, Response
from pydantic_core import to_json
from starlette.datastructures import QueryParams

from app.api import document_schemas as schemas
from app.api.access import EVERYONE, Caller, GuardedRoute, allow, authenticate, takes_map
from app.api.content import content_response
from app.api.document_requests import BYTES_WAIT_S, idempotency_of, job_of, preferred_wait, wants_bytes
from app.api.errors import DOCUMENT_FAILED, failure_code, problem
from app.api.event_stream import EventStream, last_event_id, settled
from app.api.examples import DOCUMENT_REQUESTS, EVENT_STREAM
from app.api.intake import only_waiting
from app.api.openapi import BODY, BYTES, MISSING, errors, listing
from app.api.paging import Pager, list_response
from app.api.schemas import epoch_ms
from app.api.users import services
from app.repository.documents import DocumentFilter
from app.services.auth import Principal
from contracts.documents import DocumentRow, Status
from contracts.errors import Invalid
from contracts.ids import now_ms
from contracts.views import Links, document_view, event_view

router = APIRouter(tags=["documents"], route_class=GuardedRoute)
DOCUMENTS = "/v1/documents"
FULL = ("too_many_documents", "queue_full")
ACCEPT = ("invalid_header", "not_acceptable", "expired", "idempotency_mismatch", *FULL, "storage_unavailable")
RETRY = ("not_ended", "input_expired", *FULL, "storage_unavailable")
STREAM = {"text/event-stream": {"schema": {"type": "string"}, "examples": {"example": {"value": EVENT_STREAM}}}}


@router.post(
    DOCUMENTS,
    status_code=202,
    response_model=schemas.AcceptedDocument,
    responses=errors(*BODY, *MISSING, *ACCEPT, *DOCUMENT_FAILED)
    | {200: {"description": "The document, or its bytes", "model": schemas.Document, "content": BYTES}},
)
@allow("admin", "member")
async def create_document(
    request: Request,
    body: Annotated[schemas.DocumentRequest, Body(openapi_examples=DOCUMENT_REQUESTS)],
    caller: Caller,
) -> Response:
    """Request a document. It is on disk when 202 is answered; `Prefer: wait` or `Accept` waits for it."""
    job = job_of(body, caller, request.app.state.settings, request.state.request_id)
    as_bytes, wait = wants_bytes(request, body.format), preferred_wait(request)
    idempotent = idempotency_of(request, await request.json())
    accepted = await services(request).documents.accept(job, body.template, idempotent)
    request.state.document_id = accepted.document_id
    headers = {"Location": f"{DOCUMENTS}/{accepted.document_id}"}
    if accepted.replayed:
        headers["Idempotency-Replayed"] = "true"
    if wait is not None:
        headers["Preference-Applied"] = f"wait={wait}"
    if wait is None and not as_bytes:
        return _accepted(request, accepted.document_id, accepted.status, headers)
    seconds = BYTES_WAIT_S if wait is None else wait
    with only_waiting(request):
        row = await services(request).documents.wait(
            caller, accepted.document_id, seconds, partial(authenticate, request)
        )
    return await _ended(request, row, headers, as_bytes=as_bytes)


async def _ended(request: Request, row: DocumentRow, headers: dict[str, str], *, as_bytes: bool) -> Response:
    if row.status == Status.FAILED and row.error:
        more = {"document_id": str(row.document_id), "error": row.error.model_dump()}
        return problem(request, failure_code(row.error.code), row.error.message, headers=headers, **more)
    if row.status != Status.COMPLETED:
        return _accepted(request, row.document_id, row.status, headers)
    if as_bytes:
        return await content_response(request, row, extra=headers)
    return _document(request, row, 200, headers)


def _accepted(request: Request, document_id: UUID, status: str, headers: dict[str, str]) -> Response:
    body = {"id": str(document_id), "status": status, "links": links(request).document(document_id)}
    return Response(to_json(body), 202, headers, media_type="application/json")


@router.get(DOCUMENTS, response_model=schemas.DocumentList, responses=listing("history_unavailable"))
@allow(*EVERYONE)
@takes_map("metadata")
async def list_documents(
    request: Request, query: Annotated[schemas.DocumentQuery, Query()], caller: Caller
) -> Response:
    """List documents, newest first; a document shows at most 1 s after its 202. `metadata[key]=value` filters too."""
    metadata = metadata_filter(request.query_params)
    filters = query.model_dump(mode="json", exclude={"cursor", "limit"}) | {"metadata": metadata}
    pager = Pager.of(request.app.state.cursor_key, f"documents for {_scope(caller)}", filters)
    position = pager.position(query.cursor)
    filter_ = _filter(query, metadata, caller)
    if filter_ is None:
        return list_response(request, [], None)
    rows, following = await services(request).documents.page(caller, filter_, position, query.limit)
    now = now_ms()
    items: list[object] = [document_view(row, links(request), now) for row in rows]
    return list_response(request, items, pager.cursor(following))


def metadata_filter(params: QueryParams) -> dict[str, str]:
    """Collect `metadata[k]=v` parameters."""
    return {name[9:-1]: value for name, value in params.items() if name.startswith("metadata[") and name.endswith("]")}


def _scope(caller: Principal) -> str:
    return "all" if caller.sees_all() else str(caller.user.user_id)


def _filter(query: schemas.DocumentQuery, metadata: dict[str, str], caller: Principal) -> DocumentFilter | None:
    """Build the repository's filter; None if it can match nothing that the caller sees."""
    wanted = _uuid(query.user_id, "/user_id")
    if not caller.sees_all():
        if wanted not in (None, caller.user.user_id):
            return None
        wanted = caller.user.user_id
    return DocumentFilter(
        status=query.status,
        template=query.template,
        format=query.format,
        user_id=wanted,
        lane=query.lane,
        subject=query.subject,
        metadata=metadata,
        created_after=epoch_ms(query.created_after, "/created_after"),
        created_before=epoch_ms(query.created_before, "/created_before"),
        batch_id=_uuid(query.batch_id, "/batch_id"),
    )


def _uuid(text: str | None, pointer: str) -> UUID | None:
    if text is None:
        return None
    try:
        return UUID(text)
    except ValueError:
        raise Invalid.at(pointer, "This is not an id (UUID).") from None


@router.get(DOCUMENTS + "/{document_id:uuid}", response_model=schemas.Document, responses=errors(*MISSING))
@allow(*EVERYONE)
async def get_document(
    request: Request, document_id: UUID, query: Annotated[schemas.WaitQuery, Query()], caller: Caller
) -> Response:
    """Read a document; `?wait=N` waits up to N seconds for it to end."""
    with only_waiting(request):
        row = await services(request).documents.wait(caller, document_id, query.wait, partial(authenticate, request))
    return _document(request, row)


@router.get(
    DOCUMENTS + "/{document_id:uuid}/events",
    response_model=schemas.EventList,
    responses=errors(*MISSING) | {200: {"content": STREAM}, 204: {"description": "Last-Event-ID was the last event"}},
)
@allow(*EVERYONE)
async def get_events(request: Request, document_id: UUID, caller: Caller) -> Response:
    """List a document's transitions, oldest first; `Accept: text/event-stream` follows them as they come."""
    rows = await services(request).documents.events(caller, document_id)
    if "text/event-stream" in request.headers.get("accept", ""):
        if settled(rows[-1]) and last_event_id(request) >= rows[-1].seq:
            return Response(status_code=204)  # an EventSource that comes again for more: there will be none
        return EventStream(request, services(request).documents, caller, document_id)
    return Response(to_json({"items": [event_view(row) for row in rows]}), media_type="application/json")


@router.post(
    DOCUMENTS + "/{document_id:uuid}/cancel",
    response_model=schemas.Document,
    responses=errors(*MISSING, "already_ended"),
)
@allow("admin", "member")
async def cancel_document(request: Request, document_id: UUID, caller: Caller) -> Response:
    """Cancel a document that has not ended."""
    row = await services(request).documents.cancel(caller, document_id)
    return _document(request, row)


@router.post(
    DOCUMENTS + "/{document_id:uuid}/retry", response_model=schemas.Document, responses=errors(*BODY, *MISSING, *RETRY)
)
@allow("admin", "member")
async def retry_document(
    request: Request, document_id: UUID, caller: Caller, body: schemas.RetryRequest | None = None
) -> Response:
    """Run an ended document again, optionally on another template version."""
    reference = body.template if body else None
    row = await services(request).documents.retry(caller, document_id, reference, request.state.request_id)
    return _document(request, row)


@router.delete(DOCUMENTS + "/{document_id:uuid}", status_code=204, responses=errors(*MISSING, "storage_unavailable"))
@allow("admin", "member")
async def delete_document(request: Request, document_id: UUID, caller: Caller) -> Response:
    """Delete a document: a running one is cancelled; its data and bytes go, the log row stays."""
    await services(request).documents.delete(caller, document_id)
    return Response(status_code=204)


def links(request: Request) -> Links:
    found: Links = request.app.state.links
    return found


def _document(request: Request, row: DocumentRow, status: int = 200, headers: dict[str, str] | None = None) -> Response:
    view = document_view(row, links(request), now_ms())
    return Response(to_json(view), status, headers, media_type="application/json")
