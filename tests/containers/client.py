"""A small HTTP client on the standard library: what `make try-compose` asks the containers with."""

import http.client
import json
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from email.message import Message
from pathlib import Path
from typing import Any, TypeVar
from uuid import uuid4

SAMPLE = json.loads(
    (Path(__file__).parents[2] / "generator_service/templates/invoice/sample.json").read_text(encoding="utf-8")
)
BUSY = (429, 502, 503)
T = TypeVar("T")


class TrialFailed(Exception):
    """What was tried did not turn out as promised."""


@dataclass(frozen=True)
class Answer:
    status: int
    headers: Message
    body: bytes

    def json(self) -> Any:
        return json.loads(self.body)


class _StayHere(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *_: Any) -> None:
        """Follow nothing: a login answers 303."""


OPENER = urllib.request.build_opener(_StayHere, urllib.request.ProxyHandler({}))


def request(method: str, url: str, body: bytes | None = None, headers: Mapping[str, str] | None = None) -> Answer:
    """Send one request. Raises OSError when nothing answers; any status is an answer."""
    asked = urllib.request.Request(url, data=body, headers=dict(headers or {}), method=method)
    try:
        with OPENER.open(asked, timeout=70) as response:
            return Answer(response.status, response.headers, response.read())
    except urllib.error.HTTPError as error:
        with error:
            return Answer(error.code, error.headers, error.read())
    except (OSError, http.client.HTTPException) as error:
        raise OSError(str(error)) from error


@dataclass(frozen=True)
class Api:
    """The User API, in the admin's name."""

    key: str
    url: str = "http://127.0.0.1:8000"

    def call(self, method: str, path: str, body: object = None, **headers: str) -> Answer:
        """Send one request; header names are written with `_`."""
        sent = {name.replace("_", "-"): value for name, value in headers.items()}
        sent |= {"Authorization": f"Bearer {self.key}", "Content-Type": "application/json"}
        return request(method, self.url + path, None if body is None else json.dumps(body).encode(), sent)

    def patiently(
        self, method: str, path: str, body: object = None, *, within_s: float = 120, **headers: str
    ) -> Answer:
        """Send it again while nobody answers or somebody is busy, as a good client does."""
        return until(lambda: self._definite(method, path, body, headers), f"{method} {path}", within_s)

    def _definite(self, method: str, path: str, body: object, headers: Mapping[str, str]) -> Answer | None:
        try:
            answer = self.call(method, path, body, **headers)
        except OSError:
            return None
        return None if answer.status in BUSY else answer

    def accept(self, format_: str = "pdf", callback: str = "") -> str:
        """Request an invoice until it is accepted, with one Idempotency-Key; return its id."""
        body = {"template": "invoice", "format": format_, "data": SAMPLE}
        if callback:
            body["callback_url"] = callback
        answer = self.patiently("POST", "/v1/documents", body, Idempotency_Key=str(uuid4()))
        require(answer.status == 202, f"a document was answered {answer.status}: {answer.body[:300]!r}")
        return str(answer.json()["id"])

    def bytes_of(self, format_: str) -> bytes:
        """Make an invoice and return it."""
        document_id = self.accept(format_)
        self.ended(document_id)
        return self.patiently("GET", f"/v1/documents/{document_id}/content").body

    def ended(self, document_id: str) -> dict[str, Any]:
        """Wait for the end of a document; it must be `completed`."""
        document: dict[str, Any] = until(lambda: self._if_ended(document_id), f"the end of {document_id}", 180)
        require(document["status"] == "completed", f"{document_id} ended {document['status']}: {document.get('error')}")
        return document

    def _if_ended(self, document_id: str) -> dict[str, Any] | None:
        answer = self.patiently("GET", f"/v1/documents/{document_id}?wait=30")
        require(answer.status == 200, f"{document_id} is answered {answer.status}: it is lost")
        document: dict[str, Any] = answer.json()
        return document if document["status"] in ("completed", "failed", "cancelled") else None

    def listed(self) -> list[str]:
        """Return the ids of all documents that history lists."""
        found, cursor = [], ""
        while True:
            page = self.patiently("GET", f"/v1/documents?limit=100{cursor}").json()
            found += [str(item["id"]) for item in page["items"]]
            if not page.get("next_cursor"):
                return found
            cursor = f"&cursor={urllib.parse.quote(page['next_cursor'])}"


def require(held: bool, otherwise: str) -> None:
    """Raise TrialFailed unless it held."""
    if not held:
        raise TrialFailed(otherwise)


def until(probe: Callable[[], T | None], what: str, within_s: float, every_s: float = 0.3) -> T:
    """Ask until something comes. Raises TrialFailed after `within_s` seconds."""
    deadline = time.monotonic() + within_s
    while True:
        found = probe()
        if found:
            return found
        require(time.monotonic() < deadline, f"waited {within_s:g} s for {what}")
        time.sleep(every_s)
