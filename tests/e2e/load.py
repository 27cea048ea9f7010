"""Clients that keep asking for documents while things are restarted, and a receiver that counts their webhooks."""

import asyncio
import itertools
from collections import Counter, defaultdict
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any
from uuid import uuid4

import httpx2
from aiohttp import web

from tests.e2e.fleet import Service

#: What a client meets while a process starts again: refused, reset, or hung up before an answer.
GONE = (httpx2.ConnectError, httpx2.ReadError, httpx2.WriteError, httpx2.RemoteProtocolError)
SUBJECT = "under load"


@dataclass
class Receiver:
    """Receives webhooks: `ids` has the webhook-ids that came for each document."""

    url: str
    ids: dict[str, set[str]] = field(default_factory=lambda: defaultdict(set))

    async def take(self, request: web.Request) -> web.Response:
        body = await request.json()
        self.ids[body["data"]["id"]].add(request.headers["webhook-id"])
        return web.Response(status=204)


@asynccontextmanager
async def receiving() -> AsyncIterator[Receiver]:
    receiver = Receiver("")
    app = web.Application()
    app.router.add_post("/", receiver.take)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    receiver.url = f"http://127.0.0.1:{runner.addresses[0][1]}/"
    try:
        yield receiver
    finally:
        await runner.cleanup()


@dataclass
class Load:
    """`clients` loops of requests to several APIs. `answers` counts what came: by status and problem code."""

    apis: Sequence[Service]
    key: str
    callback_url: str
    accepted: list[str] = field(default_factory=list)
    answers: Counter[str] = field(default_factory=Counter)

    @asynccontextmanager
    async def running(self, clients: int) -> AsyncIterator[None]:
        stop = asyncio.Event()
        async with asyncio.TaskGroup() as group:
            for number in range(clients):
                group.create_task(self._client(number, stop))
            try:
                yield
            finally:
                stop.set()

    async def _client(self, number: int, stop: asyncio.Event) -> None:
        async with httpx2.AsyncClient(headers={"Authorization": f"Bearer {self.key}"}, timeout=60) as http:
            for turn in itertools.count(number):
                if stop.is_set():
                    return
                await self._one_document(http, turn)

    async def _one_document(self, http: httpx2.AsyncClient, turn: int) -> None:
        source = {"engine": "typst", "content": f"Document {turn}"}
        body = {"source": source, "format": "pdf", "data": {}, "subject": SUBJECT, "callback_url": self.callback_url}
        headers = {"Idempotency-Key": str(uuid4())}
        answer = await self.ask(http, turn, "POST", "/v1/documents", json=body, headers=headers)
        if answer.status_code != 202:
            await asyncio.sleep(0.2)
            return
        document_id = answer.json()["id"]
        self.accepted.append(document_id)
        await self.ask(http, turn, "GET", f"/v1/documents/{document_id}?wait=20")
        await self.ask(http, turn, "GET", "/v1/documents?limit=5")

    async def ask(self, http: httpx2.AsyncClient, turn: int, method: str, path: str, **what: Any) -> httpx2.Response:
        """Ask one API, and the next one if it is gone; only both being gone for a while is an error."""
        for attempt in range(turn, turn + 200):
            api = self.apis[attempt % len(self.apis)]
            try:
                answer = await http.request(method, api.url + path, **what)
            except GONE:
                self.answers["gone"] += 1
                await asyncio.sleep(0.05)
                continue
            self.answers[named(answer)] += 1
            return answer
        raise AssertionError(f"nobody answered {method} {path}")


def named(answer: httpx2.Response) -> str:
    """Name an answer: its status and, of a problem, its code; a 503 without Retry-After is named as one."""
    if answer.status_code < 400:
        return str(answer.status_code)
    hurried = " without Retry-After" if answer.status_code == 503 and "Retry-After" not in answer.headers else ""
    return f"{answer.status_code} {answer.json()['code']}{hurried}"
