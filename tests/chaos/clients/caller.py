"""Calls the API on either process and writes every call and what came of it into the history."""

import hashlib
import random
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import httpx2

from tests.chaos.history import Fields, History, Outcome

PATIENCE_S = 8.0
SAFE = frozenset({"GET", "HEAD"})


@dataclass(frozen=True)
class Request:
    """One call to make. `do` and `about` name it in the history."""

    do: str
    method: str
    path: str
    about: Fields
    body: Any = None
    headers: Mapping[str, str] | None = None


@dataclass(frozen=True)
class Reply:
    """What came back. `status` is None without an answer."""

    op: int
    outcome: Outcome
    status: int | None
    json: Any
    content: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict)


class Caller:
    """One client with one key. Which API process it asks is chance."""

    def __init__(self, name: str, key: str, apis: list[str], history: History, chance: random.Random) -> None:
        self.name = name
        self._apis = apis
        self._history = history
        self._chance = chance
        limits = httpx2.Limits(max_keepalive_connections=4)
        self._http = httpx2.AsyncClient(
            timeout=PATIENCE_S, limits=limits, headers={"Authorization": f"Bearer {key}"}, trust_env=False
        )

    async def close(self) -> None:
        await self._http.aclose()

    async def call(self, request: Request) -> Reply:
        """Make one call. Never raises: no answer is an outcome, too."""
        op = self._history.invoke(self.name, request.do, request.about)
        try:
            response = await self._http.request(
                request.method,
                self._chance.choice(self._apis) + request.path,
                json=request.body,
                headers=request.headers,
            )
        except httpx2.HTTPError as error:
            outcome = _unanswered(request.method, error)
            self._history.complete(op, outcome, None, {"error": type(error).__name__})
            return Reply(op, outcome, None, {})
        reply = _reply(op, request.method, response)
        self._history.complete(op, reply.outcome, reply.status, _abridged(reply))
        return reply


def _unanswered(method: str, error: httpx2.HTTPError) -> Outcome:
    """A refused connection carried nothing; whatever else ended without an answer may have been done."""
    return "fail" if method in SAFE or isinstance(error, httpx2.ConnectError) else "info"


def _reply(op: int, method: str, response: httpx2.Response) -> Reply:
    status = response.status_code
    outcome: Outcome = "ok" if status < 400 else "fail"
    if status >= 500 and method not in SAFE:
        outcome = "info"  # a server that gave up waiting for Redis does not know whether Redis did it
    body = response.json() if "json" in response.headers.get("content-type", "") else {}
    return Reply(op, outcome, status, body, response.content, response.headers)


def _abridged(reply: Reply) -> Fields:
    """Keep what the checker asks for."""
    found = reply.json if isinstance(reply.json, dict) else {}
    kept = {
        name: found[name] for name in ("id", "status", "run", "attempts", "code", "version", "attrs") if name in found
    }
    if isinstance(result := found.get("result"), dict):
        kept["sha256"] = result["sha256"]
    if isinstance(items := found.get("items"), list):
        kept["ids"] = [item["id"] for item in items if "id" in item]
    if "retry-after" in reply.headers:
        kept["retry_after"] = True
    if not found and reply.status == 200:
        kept |= {"digest": hashlib.sha256(reply.content).hexdigest(), "etag": reply.headers.get("etag", "").strip('"')}
    return kept
