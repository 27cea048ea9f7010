"""The HTTP client for webhooks: one guarded call, and nothing a receiver does holds us up or fills our memory."""

import asyncio
import ssl
import time
from collections.abc import Mapping, Sequence
from contextlib import nullcontext, suppress
from dataclasses import dataclass, field, replace

from contracts.targets import Address, AllowList, BadTarget, Target, remedy
from generator.delivery.connections import Connection, Connections, trusting
from generator.delivery.exchange import AnswerLimits, BrokenAnswer, Exchange, Head, HungUp
from generator.delivery.guard import Blocked, Guard, Lookup, SystemLookup
from generator.delivery.network_words import error_class, in_words
from generator.delivery.timings import Timings, ms_since

USER_AGENT = "Presswork/0.1 (+webhooks)"
EXCERPT_CHARACTERS = 1000


@dataclass(frozen=True)
class DialLimits:
    """Seconds to connect (TCP and TLS), for everything, for the body in it; how much of the answer is read."""

    connect_s: float = 5.0
    total_s: float = 20.0
    body_s: float = 5.0
    answer: AnswerLimits = AnswerLimits()


@dataclass(frozen=True)
class Answer:
    """What came of one call. `error` is a class of DeliveryAttempt.error; `blocked_address` is for the log only."""

    http_status: int | None = None
    error: str = ""
    error_detail: str = ""
    blocked_address: str = ""
    retry_after: str = ""
    excerpt: str = ""
    duration_ms: int = 0
    timings: Timings = field(default_factory=Timings)

    @property
    def ok(self) -> bool:
        return self.http_status is not None and 200 <= self.http_status < 300


class NoConnection(Exception):
    """No connection in time."""


class Dialer:
    """Posts to receivers. `lookup` resolves names; `tls` replaces the system's certificate authorities."""

    def __init__(
        self,
        allow: AllowList,
        limits: DialLimits | None = None,
        *,
        lookup: Lookup | None = None,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        self._allow = allow
        self._limits = limits or DialLimits()
        self._lookup = lookup or SystemLookup()
        self._connections = Connections(tls or trusting(), self._limits.answer)

    async def post(self, url: str, headers: Mapping[str, str], body: bytes) -> Answer:
        """Make one call; whatever goes wrong becomes an Answer, within `total_s`."""
        started, timings = time.monotonic(), Timings()
        answer = await self._answer(url, headers, body, timings)
        return replace(answer, duration_ms=ms_since(started), timings=timings)

    def close(self) -> None:
        """Hang up where a connection waits for the next call."""
        self._connections.close()

    async def _answer(self, url: str, headers: Mapping[str, str], body: bytes, timings: Timings) -> Answer:
        try:
            async with asyncio.timeout(self._limits.total_s) as deadline:
                target = Target.parse(url)
                return await self._call(target, request(target, headers, body), deadline, timings)
        except BadTarget as error:
            return Answer(error="blocked", error_detail=error.message)
        except Blocked as error:
            detail = f"{error.target.origin} leads to {error.reason}. {remedy(error.target.host, error.target.port)}"
            return Answer(error="blocked", error_detail=detail, blocked_address=str(error.address))
        except NoConnection:
            return Answer(error="timeout", error_detail=f"No connection within {self._limits.connect_s:g} s.")
        except TimeoutError:
            return Answer(error="timeout", error_detail=f"No response within {self._limits.total_s:g} s.")
        except BrokenAnswer as error:
            return Answer(error="protocol", error_detail=str(error))
        except OSError as error:
            return Answer(error=error_class(error), error_detail=in_words(error))

    async def _call(self, target: Target, sent: bytes, deadline: asyncio.Timeout, timings: Timings) -> Answer:
        guard = Guard(target, self._allow, self._lookup)
        with nullcontext() if target.fixed else timings.step("dns"):
            addresses = await guard.addresses()
        if kept := self._connections.kept(target, addresses):
            try:
                return await self._exchanged(kept, sent, deadline, timings)
            except HungUp as error:
                # Without a word: it hung up while the connection waited, which has nothing to do with this call.
                if not error.silent:
                    raise
        return await self._exchanged(await self._made(guard, target, addresses, timings), sent, deadline, timings)

    async def _made(self, guard: Guard, target: Target, addresses: Sequence[Address], timings: Timings) -> Connection:
        try:
            async with asyncio.timeout(self._limits.connect_s):
                return await self._connections.made(guard, target, addresses, timings)
        except TimeoutError as error:
            raise NoConnection from error

    async def _exchanged(
        self, connection: Connection, sent: bytes, deadline: asyncio.Timeout, timings: Timings
    ) -> Answer:
        exchange = connection.exchange
        try:
            head = await exchange.send(sent)
            excerpt = await self._excerpt(exchange, deadline)
        except BaseException:
            exchange.close()
            raise
        finally:
            timings.first_byte = exchange.first_byte_ms
        self._connections.keep(connection)
        error, detail = _verdict(head)
        return Answer(head.status, error, detail, "", head.headers.get("retry-after", ""), excerpt)

    async def _excerpt(self, exchange: Exchange, deadline: asyncio.Timeout) -> str:
        """Read the start of the body. The status has decided: a body that drips or breaks off changes nothing."""
        now, end = asyncio.get_running_loop().time(), deadline.when()
        # A little before the deadline, which would otherwise turn a received 200 into a timeout.
        until = now + self._limits.body_s if end is None else min(now + self._limits.body_s, end - 0.1)
        with suppress(TimeoutError):  # what has come by then is shown
            async with asyncio.timeout_at(until):
                await exchange.read()
        broken = b" [broken off]" if exchange.broken else b""
        return _readable(bytes(exchange.body[: 4 * EXCERPT_CHARACTERS]) + broken)


def request(target: Target, headers: Mapping[str, str], body: bytes) -> bytes:
    """Write the request; our own headers go above the caller's. Raises BadTarget for one that would forge another."""
    ours = {
        "Host": target.origin,
        "Content-Type": "application/json",
        "User-Agent": USER_AGENT,
        "Accept-Encoding": "identity",
        "Content-Length": str(len(body)),
    }
    taken = {name.lower() for name in ours}
    more = [(name, value) for name, value in headers.items() if name.lower() not in taken]
    lines = [f"POST {target.resource} HTTP/1.1", *(f"{name}: {value}" for name, value in [*ours.items(), *more])]
    if any(not line.isascii() or not line.isprintable() for line in lines):
        raise BadTarget("A header has characters in it that are not printable ASCII.")
    return "\r\n".join([*lines, "", ""]).encode() + body


def _verdict(head: Head) -> tuple[str, str]:
    """Class and words of what an answer's head says; both empty for a success. `webhook-delivery` is heeded."""
    wish = head.headers.get("webhook-delivery", "").strip().lower()
    words = _status_in_words(head.status)
    if wish == "disable":
        return "unwanted", f"HTTP {head.status}: the receiver asks for no more calls (webhook-delivery: disable)"
    if wish == "abort-message" and words:
        return "aborted", f"{words}: the receiver does not want this call (webhook-delivery: abort-message)"
    return ("status" if words else ""), words


def _status_in_words(status: int) -> str:
    """Name a status that is no success."""
    if 200 <= status < 300:
        return ""
    return f"HTTP {status}: redirects are not followed" if 300 <= status < 400 else f"HTTP {status}"


def _readable(raw: bytes) -> str:
    text = raw.decode("utf-8", "replace")[:EXCERPT_CHARACTERS]
    return "".join(one if one.isprintable() or one == "\n" else "\N{REPLACEMENT CHARACTER}" for one in text)
