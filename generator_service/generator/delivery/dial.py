"""The HTTP client for webhooks: one guarded call, and nothing a receiver does holds us up or fills our memory."""

import asyncio
import ssl
import time
from collections.abc import Mapping
from dataclasses import dataclass, replace

import aiohttp
from multidict import CIMultiDict
from yarl import URL

from contracts.targets import AllowList, BadTarget, Target, remedy
from generator.delivery.guard import Blocked, Guard, Lookup, SystemLookup

USER_AGENT = "Presswork/0.1 (+webhooks)"
EXCERPT_CHARACTERS = 1000


@dataclass(frozen=True)
class DialLimits:
    """Seconds to connect (TCP and TLS), for everything, for the body in it; bytes of the response that are read."""

    connect_s: float = 5.0
    total_s: float = 20.0
    body_s: float = 5.0
    response_bytes: int = 16 * 1024
    response_headers: int = 100


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
        self._tls = tls or ssl.create_default_context()

    async def post(self, url: str, headers: Mapping[str, str], body: bytes) -> Answer:
        """Make one call; whatever goes wrong becomes an Answer, within `total_s`."""
        started = time.monotonic()
        answer = await self._answer(url, headers, body)
        return replace(answer, duration_ms=round((time.monotonic() - started) * 1000))

    async def _answer(self, url: str, headers: Mapping[str, str], body: bytes) -> Answer:
        try:
            async with asyncio.timeout(self._limits.total_s) as deadline:
                return await self._call(Target.parse(url), headers, body, deadline)
        except BadTarget as error:
            return Answer(error="blocked", error_detail=error.message)
        except Blocked as error:
            detail = f"{error.target.origin} leads to {error.reason}. {remedy(error.target.host, error.target.port)}"
            return Answer(error="blocked", error_detail=detail, blocked_address=str(error.address))
        except aiohttp.ServerTimeoutError:
            return Answer(error="timeout", error_detail=f"No connection within {self._limits.connect_s:g} s.")
        except TimeoutError:
            return Answer(error="timeout", error_detail=f"No response within {self._limits.total_s:g} s.")
        except (aiohttp.ClientError, OSError, ValueError) as error:
            return Answer(error=_error_class(error), error_detail=_in_words(error))

    async def _call(self, target: Target, headers: Mapping[str, str], body: bytes, deadline: asyncio.Timeout) -> Answer:
        async with self._session(target) as session:
            url = URL(target.url, encoded=True)
            async with session.post(url, data=body, headers=_with_ours(headers), allow_redirects=False) as response:
                excerpt = await self._excerpt(response, deadline)
                detail = _status_in_words(response.status)
                retry_after = response.headers.get("Retry-After", "")
                return Answer(response.status, "status" if detail else "", detail, "", retry_after, excerpt)

    def _session(self, target: Target) -> aiohttp.ClientSession:
        """Make a session for one call: no cookie, socket or cached name goes from one receiver to another.

        And every call dials, so every call is judged.
        """
        guard = Guard(target, self._allow, self._lookup)
        connector = aiohttp.TCPConnector(
            resolver=guard, socket_factory=guard.open_socket, use_dns_cache=False, force_close=True, ssl=self._tls
        )
        return aiohttp.ClientSession(
            connector=connector,
            cookie_jar=aiohttp.DummyCookieJar(),
            timeout=aiohttp.ClientTimeout(total=None, sock_connect=self._limits.connect_s),
            trust_env=False,
            auto_decompress=False,
            max_headers=self._limits.response_headers,
        )

    async def _excerpt(self, response: aiohttp.ClientResponse, deadline: asyncio.Timeout) -> str:
        """Read the start of the body. The status has decided: a body that drips or breaks off changes nothing."""
        read = bytearray()
        now, end = asyncio.get_running_loop().time(), deadline.when()
        # A little before the deadline, which would otherwise turn a received 200 into a timeout.
        until = now + self._limits.body_s if end is None else min(now + self._limits.body_s, end - 0.1)
        try:
            async with asyncio.timeout_at(until):
                while len(read) < self._limits.response_bytes:
                    chunk = await response.content.read(self._limits.response_bytes - len(read))
                    if not chunk:
                        break
                    read += chunk
        except (aiohttp.ClientError, OSError, ValueError):
            read += b" [broken off]"
        return _readable(bytes(read[: 4 * EXCERPT_CHARACTERS]))


def _with_ours(headers: Mapping[str, str]) -> CIMultiDict[str]:
    """Put our own headers on top, whatever the caller asked for."""
    merged = CIMultiDict(headers)
    merged.update({"Content-Type": "application/json", "User-Agent": USER_AGENT, "Accept-Encoding": "identity"})
    return merged


def _error_class(error: Exception) -> str:
    match error:
        case aiohttp.ClientConnectorDNSError():
            return "dns"
        case aiohttp.ClientSSLError() | ssl.SSLError():
            return "tls"
        case aiohttp.ClientConnectorError() | aiohttp.ServerDisconnectedError() | OSError():
            return "connect"
    return "protocol"


def _in_words(error: Exception) -> str:
    """Describe a network error without the URL (it may hold a secret) and without what the receiver sent."""
    words = getattr(getattr(error, "os_error", error), "strerror", None)
    return f"{type(error).__name__}: {words}" if words else type(error).__name__


def _status_in_words(status: int) -> str:
    """Name a status that is no success."""
    if 200 <= status < 300:
        return ""
    return f"HTTP {status}: redirects are not followed" if 300 <= status < 400 else f"HTTP {status}"


def _readable(raw: bytes) -> str:
    text = raw.decode("utf-8", "replace")[:EXCERPT_CHARACTERS]
    return "".join(one if one.isprintable() or one == "\n" else "\N{REPLACEMENT CHARACTER}" for one in text)
