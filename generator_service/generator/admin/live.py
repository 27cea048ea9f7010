"""Live parts of pages: server-sent events whose data is HTML that htmx puts in place.

A stream looks at the session again with every event, and ends after a while: the browser asks anew.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable

from starlette.responses import StreamingResponse

from contracts.errors import PressworkError
from generator.admin.guard import Visit
from generator.admin.user_api import ApiAway, ApiRefused
from generator.admin.view import PAGE_HEADERS

EVERY_S = 1.0
#: A dead connection is noticed at the next write; a quiet stream writes a comment this often.
BEAT_S = 10.0
LONGEST_S = 600.0


def live(
    visit: Visit,
    fragment: Callable[[], Awaitable[str]],
    every_s: float = EVERY_S,
    ended: Callable[[], bool] = lambda: False,
) -> StreamingResponse:
    """Send `fragment()` (HTML) whenever it has changed, looking every `every_s` seconds.

    Once `ended()` nothing changes any more: the event `ended` follows (`hx-sse:close="ended"` hangs up then).
    """
    headers = {**PAGE_HEADERS, "X-Accel-Buffering": "no"}
    return StreamingResponse(_events(visit, fragment, every_s, ended), media_type="text/event-stream", headers=headers)


async def _events(
    visit: Visit, fragment: Callable[[], Awaitable[str]], every_s: float, ended: Callable[[], bool]
) -> AsyncIterator[bytes]:
    began = sent_at = time.monotonic()
    last = ""
    while time.monotonic() - began < LONGEST_S and not visit.panel.generator.shutdown.asked.is_set():
        try:
            if await visit.panel.session_of(visit.request) is None:
                return
            text = await fragment()
        except (PressworkError, ApiRefused, ApiAway):
            text = last  # the page says by itself what is away; the stream lives on
        if text != last:
            last, sent_at = text, time.monotonic()
            yield _event(text)
        elif time.monotonic() - sent_at > BEAT_S:
            sent_at = time.monotonic()
            yield b": still here\n\n"
        if ended():
            yield b"event: ended\ndata:\n\n"
            return
        await asyncio.sleep(every_s)


def _event(text: str) -> bytes:
    return "".join(f"data: {line}\n" for line in text.splitlines() if line.strip()).encode() + b"\n"
