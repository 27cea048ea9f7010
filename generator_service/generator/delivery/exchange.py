"""One HTTP/1.1 exchange over a connection that is there: a request out, an answer in, and both within limits.

llhttp (through httptools) parses, as it does for Node. Nothing is followed, unpacked or kept beyond the limits.
"""

import asyncio
import time
from dataclasses import dataclass, field
from typing import cast

import httptools

from generator.delivery.timings import ms_since

#: Interim answers (100, 103) before the real one; more of them are no HTTP any more.
MAX_INTERIM = 8
#: What each answer begins with.
HTTP = b"HTTP/"
#: Bytes on the wire for each byte of the body that is read: chunks of one byte are six, and an extension has no end.
FRAMING = 6


class BrokenAnswer(Exception):
    """What came back is no HTTP, or more of it than is read."""


class HungUp(ConnectionError):
    """The receiver closed the connection before it answered. `silent`: not a byte had come."""

    def __init__(self, *, silent: bool) -> None:
        super().__init__("The receiver hung up before it answered.")
        self.silent = silent


@dataclass(frozen=True)
class AnswerLimits:
    """How much of an answer is read: bytes of its head, headers, bytes of its body."""

    head_bytes: int = 32 * 1024
    headers: int = 100
    body_bytes: int = 16 * 1024


@dataclass
class Head:
    """The answer's status and headers; names in lower case, the first of equal ones."""

    status: int = 0
    headers: dict[str, str] = field(default_factory=dict)


class Exchange(asyncio.Protocol):
    """A connection: one exchange at a time, and the next one only if `reusable` says so.

    `body` is what came of the body, `broken` says that it ended before its end, `first_byte_ms` how long the receiver
    took to say anything.
    """

    def __init__(self, limits: AnswerLimits) -> None:
        self._limits = limits
        self._loop = asyncio.get_running_loop()
        self._transport: asyncio.Transport | None = None
        self._parser: httptools.HttpResponseParser | None
        self._lost = False
        self._idle = False
        self._reset()

    def _reset(self) -> None:
        self.body = bytearray()
        self.whole = self.broken = False
        self._idle = False
        self._head = Head()
        self._received = self._headers_seen = self._header_bytes = self._interim = 0
        self._parser = None
        self._start = b""
        self._sent_at = 0.0
        self.first_byte_ms: int | None = None
        self._head_came: asyncio.Future[Head] = self._loop.create_future()
        self._body_came: asyncio.Future[None] = self._loop.create_future()

    @property
    def reusable(self) -> bool:
        """Whether the next request may go over this connection: an answer may come before the request has left."""
        written = self._transport is not None and self._transport.get_write_buffer_size() == 0
        return self._idle and not self._lost and written

    async def send(self, request: bytes) -> Head:
        """Send a request and wait for the answer's head. Raises BrokenAnswer, HungUp or what the socket says."""
        assert self._transport is not None
        self._reset()
        self._parser = httptools.HttpResponseParser(self)
        self._sent_at = time.monotonic()
        self._transport.write(request)
        return await self._head_came

    async def read(self) -> None:
        """Wait until the body is in `body`: `whole`, or as much as is read of it, or what came before it broke off."""
        await self._body_came

    def close(self) -> None:
        """Hang up at once: what the receiver still wants to say is not waited for."""
        self._lost = True
        if self._transport is not None:
            self._transport.abort()

    # asyncio's side

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)  # uvloop's is one, but no subclass

    def data_received(self, data: bytes) -> None:
        if self._parser is None or self._body_came.done():
            return self.close()  # nobody has asked, or nobody reads on
        if self.first_byte_ms is None:
            self.first_byte_ms = ms_since(self._sent_at)
        self._received += len(data)
        if len(self._start) < len(HTTP):  # the parser takes RTSP, too
            self._start = (self._start + data).lstrip(b"\r\n")[: len(HTTP)]
            if not HTTP.startswith(self._start):
                return self._break(BrokenAnswer("What came back is no HTTP: it does not begin with HTTP/1.1."))
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserUpgrade:
            self._idle = False
            self._end_body()
        except httptools.HttpParserCallbackError as error:
            self._break(error.__context__ if isinstance(error.__context__, BrokenAnswer) else _no_http(error))
        except httptools.HttpParserError as error:
            self._break(_no_http(error))
        self._stop_reading()

    def _stop_reading(self) -> None:
        """End what is longer than is read of it: the head, or a body whose chunks are mostly not body."""
        if not self._head_came.done() and self._received > self._limits.head_bytes:
            self._break(BrokenAnswer("The answer's headers are too many or too long."))
        if self._received > self._limits.head_bytes + FRAMING * self._limits.body_bytes:
            self._end_body()

    def connection_lost(self, exc: Exception | None) -> None:
        self._lost = True
        # Without a length the end of the connection is the end of the body (RFC 9112, 6.3).
        self.whole = self.whole or not {"content-length", "transfer-encoding"} & self._head.headers.keys()
        self._break(HungUp(silent=self._received == 0))

    # llhttp's side

    def on_header(self, name: bytes, value: bytes) -> None:
        if self._head_came.done():
            return  # a trailer, which is no header (RFC 9110, 6.5.1)
        self._headers_seen += 1
        self._header_bytes += len(name) + len(value)
        if self._headers_seen > self._limits.headers or self._header_bytes > self._limits.head_bytes:
            raise BrokenAnswer("The answer's headers are too many or too long.")
        self._head.headers.setdefault(name.decode("latin-1").lower(), value.decode("latin-1"))

    def on_headers_complete(self) -> None:
        assert self._parser is not None
        if self.whole:
            raise BrokenAnswer("The receiver answers twice.")
        status = self._parser.get_status_code()
        if 100 <= status < 200 and status != 101:
            self._interim += 1
            if self._interim > MAX_INTERIM:
                raise BrokenAnswer("The receiver sends interim answers without end.")
            self._head = Head()
            return
        self._head.status = status
        if not self._head_came.done():
            self._head_came.set_result(self._head)

    def on_body(self, data: bytes) -> None:
        room = self._limits.body_bytes - len(self.body)
        self.body += data[:room]
        if len(self.body) >= self._limits.body_bytes:
            self._end_body()

    def on_message_complete(self) -> None:
        assert self._parser is not None
        if not self._head_came.done():
            return  # an interim answer
        self.whole = True
        self._idle = self._parser.should_keep_alive()
        self._end_body()

    def _end_body(self) -> None:
        if not self._body_came.done():
            self._body_came.set_result(None)

    def _break(self, error: BaseException) -> None:
        self._idle = False
        self.broken = not self.whole and not self._body_came.done()
        if not self._head_came.done():
            self._head_came.set_exception(error)
            self._head_came.exception()  # it may be that nobody waits for it any more
        self._end_body()


#: What llhttp says when it stumbles, as far as that is not for whoever has to mend a receiver.
_STUMBLES = {
    "Expected HTTP/, RTSP/ or ICE/": "it does not begin with HTTP/1.1",
    "Expected HTTP/": "it does not begin with HTTP/1.1",
    "Expected dot": "it does not begin with HTTP/1.1",
    "Invalid HTTP version": "it does not begin with HTTP/1.1",
    "Invalid header token": "a header's name has a character that it may not have",
    "Invalid header value char": "a header's value has a character that it may not have",
}


def _no_http(error: httptools.HttpParserError) -> BrokenAnswer:
    """Say what is wrong with an answer; nothing of it is quoted."""
    said = str(error)
    words = _STUMBLES.get(said) or (said[:1].lower() + said[1:] if said[1:2].islower() else said)
    return BrokenAnswer(f"What came back is no HTTP: {words}.")
