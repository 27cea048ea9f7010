"""The panel as a client of the User API: what admins change goes through the one contract, in their own name.

See docs/adr/0005-panel-is-a-client.md. What only the panel shows (a document's data, workers) it reads by itself.
"""

import io
import json
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, field

import aiohttp

Params = Mapping[str, str] | Sequence[tuple[str, str]]
JsonObject = dict[str, object]

#: The API itself answers or refuses well within this; a request that waits for a document says so by itself.
TIMEOUT_S = 30
CHUNK = 256 * 1024


class ApiAway(Exception):
    """The User API does not answer."""


@dataclass(frozen=True)
class ApiRefused(Exception):
    """The User API answered with a problem (RFC 9457)."""

    status: int
    problem: JsonObject

    @property
    def code(self) -> str:
        return str(self.problem.get("code", "internal_error"))

    @property
    def detail(self) -> str:
        return str(self.problem.get("detail") or self.problem.get("title") or f"HTTP {self.status}")

    def flaws(self) -> dict[str, str]:
        """Return what is wrong by JSON pointer (`/email`), for the fields of a form."""
        errors = self.problem.get("errors")
        found = errors if isinstance(errors, list) else []
        return {str(flaw.get("pointer", "")): str(flaw.get("detail", "")) for flaw in found if isinstance(flaw, dict)}


@dataclass(frozen=True)
class ApiAnswer:
    status: int
    headers: Mapping[str, str]
    body: bytes = field(repr=False)

    @property
    def json(self) -> JsonObject:
        parsed = json.loads(self.body)
        return parsed if isinstance(parsed, dict) else {}

    @property
    def items(self) -> list[JsonObject]:
        items = self.json.get("items")
        return [item for item in items if isinstance(item, dict)] if isinstance(items, list) else []

    @property
    def following(self) -> str:
        """The cursor of the list's next page; empty after the last."""
        return str(self.json.get("next_cursor") or "")


def page_at(cursor: str, limit: int) -> dict[str, str]:
    """Return the parameters that ask for one page of a list, the first where there is no cursor."""
    return {"limit": str(limit), **({"cursor": cursor} if cursor else {})}


@dataclass(frozen=True)
class ApiStream:
    """An answer whose body is read piece by piece: iterate `chunks`, which hangs up at its end."""

    headers: Mapping[str, str]
    _response: aiohttp.ClientResponse = field(repr=False)

    async def chunks(self) -> AsyncIterator[bytes]:
        try:
            async for chunk in self._response.content.iter_chunked(CHUNK):
                yield chunk
        finally:
            self._response.close()


class UserApi:
    """Calls the API with one bearer token. Raises ApiRefused and ApiAway from every method."""

    def __init__(self, http: aiohttp.ClientSession, base_url: str, token: str, request_id: str) -> None:
        self._http = http
        self._base_url = base_url.rstrip("/")
        self._headers = {"Authorization": f"Bearer {token}", "X-Request-Id": request_id}

    async def get(self, path: str, params: Params | None = None) -> ApiAnswer:
        return await self.call("GET", path, params=params)

    async def post(self, path: str, body: object | None = None, headers: Mapping[str, str] | None = None) -> ApiAnswer:
        return await self.call("POST", path, body=body, headers=headers)

    async def call(
        self,
        method: str,
        path: str,
        *,
        params: Params | None = None,
        body: object | None = None,
        headers: Mapping[str, str] | None = None,
        timeout_s: float = TIMEOUT_S,
    ) -> ApiAnswer:
        """Send one request; `body` goes as JSON."""
        timeout = aiohttp.ClientTimeout(total=timeout_s)
        try:
            async with self._http.request(
                method,
                self._base_url + path,
                params=params,
                data=None if body is None else _json(body),
                headers={**self._headers, **(headers or {})},
                timeout=timeout,
            ) as response:
                answer = ApiAnswer(response.status, dict(response.headers), await response.read())
        except (aiohttp.ClientError, OSError) as error:
            raise ApiAway(str(error)) from error
        if answer.status >= 400:
            raise ApiRefused(answer.status, _problem(answer))
        return answer

    async def stream(self, path: str) -> ApiStream:
        """Begin a download; only its beginning is bounded in time, and silence in between."""
        timeout = aiohttp.ClientTimeout(connect=TIMEOUT_S, sock_read=TIMEOUT_S)
        try:
            response = await self._http.get(self._base_url + path, headers=self._headers, timeout=timeout)
            if response.status >= 400:
                async with response:
                    answer = ApiAnswer(response.status, dict(response.headers), await response.read())
                raise ApiRefused(answer.status, _problem(answer))
        except (aiohttp.ClientError, OSError) as error:
            raise ApiAway(str(error)) from error
        return ApiStream(response.headers, response)


def _json(body: object) -> aiohttp.Payload:
    """Write a body in pieces: aiohttp warns of one that is longer than a MiB, as a document's data may be."""
    return aiohttp.BytesIOPayload(io.BytesIO(json.dumps(body).encode()), content_type="application/json")


def _problem(answer: ApiAnswer) -> JsonObject:
    try:
        return answer.json
    except ValueError:
        return {"code": "internal_error", "detail": f"The User API answered {answer.status} without a problem."}
