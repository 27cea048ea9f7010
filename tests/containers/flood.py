"""A flood of documents with webhooks, and services that stop in the middle: nothing that got a 202 may be lost."""

import collections
import itertools
import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from contracts.webhooks import verify
from tests.containers.client import Api, TrialFailed, request, require, until
from tests.containers.docker import SERVICES, Project, await_healthy

CALLBACK = "http://receiver:9000/hook"


class Flood:
    """Threads that request documents, one after another, until told to stop. `accepted` holds what got a 202."""

    def __init__(self, api: Api, threads: int, pause_s: float) -> None:
        self.accepted: list[str] = []
        self.failures: list[BaseException] = []
        self._api = api
        self._pause_s = pause_s
        self._stop = threading.Event()
        self._threads = [threading.Thread(target=self._pour, daemon=True) for _ in range(threads)]

    @contextmanager
    def pouring(self) -> Iterator[None]:
        """Run while the body runs. Raises what went wrong in a thread."""
        for thread in self._threads:
            thread.start()
        try:
            yield
        finally:
            self._stop.set()
            for thread in self._threads:
                thread.join()
        if self.failures:
            raise self.failures[0]

    def _pour(self) -> None:
        try:
            for format_ in itertools.cycle(("pdf", "pdf", "docx")):
                if self._stop.wait(self._pause_s):
                    return
                self.accepted.append(self._api.accept(format_, CALLBACK))
        except TrialFailed as failure:
            self.failures.append(failure)


def disturb(project: Project) -> None:
    """Restart every service in turn, then kill every service in turn; each must become healthy again."""
    for service in SERVICES:
        _timed(project, service, "restart", ["restart", service])
    for service in SERVICES:
        _timed(project, service, "kill -9", ["kill", "-s", "SIGKILL", service], ["start", service])


def _timed(project: Project, service: str, what: str, *commands: list[str]) -> None:
    started_at = time.monotonic()
    for command in commands:
        project.compose(*command)
    await_healthy(project.container(service))
    print(f"  {what} {service}: healthy after {time.monotonic() - started_at:.1f} s", flush=True)


def require_nothing_lost(api: Api, accepted: list[str], receiver_url: str) -> None:
    """Check that every accepted document is completed, in history once, and announced under one `webhook-id`."""
    require(len(set(accepted)) == len(accepted), "two requests were answered with the same document")
    for document_id in accepted:
        api.ended(document_id)
    until(lambda: _all_announced(accepted, receiver_url), "every webhook", 420, every_s=1)
    until(lambda: set(accepted) <= set(api.listed()), "every document in history", 120, every_s=2)
    times = collections.Counter(api.listed())
    require(max(times.values()) == 1, "history lists a document twice")
    _require_signed(api, receiver_url)


def _all_announced(accepted: list[str], receiver_url: str) -> bool:
    ids_of = collections.defaultdict(set)
    for call in _calls(receiver_url):
        ids_of[json.loads(call["body"])["data"]["id"]].add(_lower(call["headers"])["webhook-id"])
    require(all(len(ids) == 1 for ids in ids_of.values()), "a document was announced under two webhook-ids")
    return set(accepted) <= set(ids_of)


def _require_signed(api: Api, receiver_url: str) -> None:
    secret = api.patiently("GET", "/v1/webhooks/secret").json()["secret"]
    for call in _calls(receiver_url):
        headers = _lower(call["headers"])
        verify(secret, headers, call["body"].encode(), now=int(headers["webhook-timestamp"]))


def _calls(receiver_url: str) -> list[dict[str, Any]]:
    calls: list[dict[str, Any]] = request("GET", f"{receiver_url}/calls").json()
    return calls


def _lower(headers: dict[str, str]) -> dict[str, str]:
    return {name.lower(): value for name, value in headers.items()}
