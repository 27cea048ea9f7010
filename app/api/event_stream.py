"""A document's transitions as server-sent events: what has happened, then what happens, until all has settled.

When the process ends, so does the stream: the client connects again and goes on after its Last-Event-ID.
"""

import asyncio
from uuid import UUID

import structlog
from fastapi import Request, Response
from pydantic_core import to_json

from app.api.access import authenticate
from app.api.intake import only_waiting
from app.services.auth import Principal
from app.services.documents import DocumentService
from backends.telemetry import Receive, Scope, Send
from contracts.documents import DocumentRow
from contracts.errors import PermanentError, TransientError
from contracts.views import event_view

log = structlog.get_logger(__name__)

#: A comment this often keeps proxies from closing the connection.
ALIVE_S = 15
HEADERS = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}


class EventStream(Response):
    def __init__(self, request: Request, documents: DocumentService, caller: Principal, document_id: UUID) -> None:
        super().__init__(headers=HEADERS, media_type="text/event-stream")
        del self.headers["content-length"]
        self._request = request
        self._documents = documents
        self._caller = caller
        self._document_id = document_id

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})
        gone = asyncio.create_task(_disconnected(receive))
        try:
            with only_waiting(self._request):
                await self._follow(send, gone)
        except (PermanentError, TransientError) as error:
            # The status is sent: revoked, deleted, or a server away. The client connects again and learns why.
            log.info("stream.ended", document_id=str(self._document_id), error=error.message)
        finally:
            gone.cancel()
        await send({"type": "http.response.body", "body": b""})

    async def _follow(self, send: Send, gone: asyncio.Task[None]) -> None:
        seen, clock = last_event_id(self._request), asyncio.get_running_loop().time
        spoken = clock()
        async with self._documents.watching(self._document_id) as watch:
            while not gone.done():
                self._caller = await authenticate(self._request)
                rows = await self._documents.events(self._caller, self._document_id)
                fresh = [row for row in rows if row.seq > seen]
                if fresh or clock() - spoken > ALIVE_S:
                    await send({"type": "http.response.body", "body": _lines(fresh), "more_body": True})
                    seen, spoken = rows[-1].seq, clock()
                if settled(rows[-1]) or watch.over:
                    return
                await watch.changed(ALIVE_S)


def settled(row: DocumentRow) -> bool:
    """Tell whether nothing more will happen by itself: the run has ended and owes no webhook."""
    return row.terminal and row.delivery.status != "pending"


def last_event_id(request: Request) -> int:
    """Return the last event that the client has seen: it connected again and goes on from there."""
    given = request.headers.get("last-event-id", "")
    return int(given) if given.isascii() and given.isdigit() and len(given) < 10 else 0


def _lines(rows: list[DocumentRow]) -> bytes:
    events = [
        b"id: %d\nevent: %s\ndata: %s\n\n" % (row.seq, row.event.encode(), to_json(event_view(row))) for row in rows
    ]
    return b"".join(events) or b": alive\n\n"


async def _disconnected(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        continue
