"""A client of documents: requests them, follows them, downloads, cancels, retries, deletes and lists them, for ever."""

import asyncio
import itertools
import random
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from tests.chaos.clients.caller import Caller, Reply, Request
from tests.chaos.clients.requests import document

ENDED = frozenset({"completed", "failed", "cancelled"})
REPEATS = 40
KNOWN = 60


@dataclass
class Mine:
    """A document of this client, as it last saw it."""

    id: str
    key: str
    status: str = "queued"
    deleted: bool = False


class DocumentClient:
    """Does one thing after another. `pause_s`: how long it rests between two, on average."""

    def __init__(self, caller: Caller, callback: str, chance: random.Random, pause_s: float, slow: float) -> None:
        self._caller = caller
        self._callback = callback
        self._chance = chance
        self._pause_s = pause_s
        self._slow = slow
        self._numbers = itertools.count(1)
        self._mine: list[Mine] = []
        self._doubtful: list[Request] = []

    async def live(self, stop: asyncio.Event) -> None:
        """Work until `stop` is set."""
        deeds: dict[Callable[[], Awaitable[None]], int] = {
            self._request: 40,
            self._look: 20,
            self._download: 12,
            self._list: 3,
            self._trace: 3,
            self._cancel: 5,
            self._retry: 4,
            self._delete: 2,
            self._repeat: 8,
        }
        while not stop.is_set():
            await self._chance.choices([*deeds], [*deeds.values()])[0]()
            await asyncio.sleep(self._chance.uniform(0, 2 * self._pause_s))

    async def resolve(self) -> None:
        """Repeat every keyed request whose answer was lost, until there is an answer."""
        for request in self._doubtful:
            for _ in range(REPEATS):
                if (await self._caller.call(request)).outcome == "ok":
                    break
                await asyncio.sleep(0.5)
        self._doubtful.clear()

    async def _request(self) -> None:
        request = document(f"{self._caller.name}-{next(self._numbers)}", self._callback, self._chance, self._slow)
        self._asked(request, await self._caller.call(request))

    async def _repeat(self) -> None:
        """Send a request again whose answer was lost, as clients with an Idempotency-Key do."""
        if self._doubtful:
            request = self._doubtful.pop(0)
            self._asked(request, await self._caller.call(request))

    def _asked(self, request: Request, reply: Reply) -> None:
        key = request.about["key"]
        if key and (reply.outcome == "info" or self._chance.random() < 0.1):
            self._doubtful.append(request)
        if reply.outcome == "ok" and reply.json["id"] not in {mine.id for mine in self._mine}:
            self._mine = [*self._mine[-KNOWN:], Mine(reply.json["id"], key)]

    async def _look(self) -> None:
        if mine := self._some(lambda _: True):
            wait = self._chance.choice(["", "", "?wait=2"])
            await self._on(mine, "look", "GET", wait)

    async def _download(self) -> None:
        if mine := self._some(lambda mine: mine.status == "completed"):
            await self._caller.call(Request("download", "GET", f"/v1/documents/{mine.id}/content", {"id": mine.id}))

    async def _trace(self) -> None:
        if mine := self._some(lambda _: True):
            await self._caller.call(Request("trace", "GET", f"/v1/documents/{mine.id}/events", {"id": mine.id}))

    async def _list(self) -> None:
        await self._caller.call(Request("list", "GET", "/v1/documents?limit=20", {}))

    async def _cancel(self) -> None:
        if mine := self._some(lambda mine: mine.status not in ENDED):
            await self._on(mine, "cancel", "POST", "/cancel")

    async def _retry(self) -> None:
        if mine := self._some(lambda mine: mine.status in ENDED):
            await self._on(mine, "retry", "POST", "/retry")

    async def _delete(self) -> None:
        """Delete a document that was requested without a key: with one, deleting frees the key."""
        if mine := self._some(lambda mine: not mine.key):
            mine.deleted = True
            await self._on(mine, "delete", "DELETE", "")

    async def _on(self, mine: Mine, do: str, method: str, rest: str) -> None:
        reply = await self._caller.call(Request(do, method, f"/v1/documents/{mine.id}{rest}", {"id": mine.id}))
        if reply.outcome == "ok" and reply.json:
            mine.status = reply.json["status"]

    def _some(self, wanted: Callable[[Mine], bool]) -> Mine | None:
        found = [mine for mine in self._mine if not mine.deleted and wanted(mine)]
        return self._chance.choice(found) if found else None
