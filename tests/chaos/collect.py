"""Gathers the evidence after a run, from every store itself; of the API only the final looks at documents."""

import asyncio
import hashlib
import json
import random
import time
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from urllib.parse import unquote, urlsplit

import httpx2
from redis.asyncio import Redis

from backends.scripts import PREFIX
from tests.chaos.evidence import Evidence, RedisKey, Row, View
from tests.chaos.history import read_story
from tests.chaos.stack import Ground

#: More documents than this are not all looked at through the API: a random choice is.
MOST_VIEWS = 3000
VIEWS_AT_ONCE = 8
Restart = Callable[[], Awaitable[None]]
JSON_COLUMNS = ("result", "error", "delivery", "detail")


async def collect(
    ground: Ground, unsettled: dict[str, object], admin_key: str, seed: int, restart_clickhouse: Restart
) -> Evidence:
    """Read everything there is. The stack must be up and quiet."""
    async with httpx2.AsyncClient(timeout=60, trust_env=False) as http:
        history = ClickHouseReader(ground.clickhouse_url, http, restart_clickhouse)
        documents = [_decoded(row) for row in await history.rows("SELECT * FROM documents FINAL")]
        chosen = random.Random(seed).sample(documents, min(MOST_VIEWS, len(documents)))
        keys, counters = await _redis(ground.redis_url)
        return Evidence(
            story=read_story(ground.home / "history.jsonl"),
            events=[_decoded(row) for row in await history.rows("SELECT * FROM document_events ORDER BY at")],
            documents={row["document_id"]: row for row in documents},
            attempts=await history.rows("SELECT * FROM webhook_deliveries"),
            deliveries={row["delivery_id"]: row for row in await history.rows("SELECT * FROM deliveries FINAL")},
            users=await history.rows("SELECT * FROM users FINAL"),
            endpoints=await history.rows("SELECT * FROM endpoints FINAL"),
            quarantined=await history.rows("SELECT * FROM events_quarantine FINAL"),
            received=list(_received(ground.home / "received.jsonl")),
            views=await _views([row["document_id"] for row in chosen], ground.apis, admin_key, http),
            keys=keys,
            counters=counters,
            blobs=_blobs(ground.disks["blobs"]),
            unreadable=history.unreadable,
            unsettled=unsettled,
        )


class ClickHouseReader:
    """Asks ClickHouse directly, with no code of the product in between.

    What cannot be read is a violation, kept in `unreadable`; after a restart the rest of it may be read still.
    """

    def __init__(self, url: str, http: httpx2.AsyncClient, restart: Restart) -> None:
        parts = urlsplit(url)
        self._url = f"http://{parts.hostname}:{parts.port}/?database={parts.path.strip('/')}"
        self._login = (parts.username or "", unquote(parts.password or ""))
        self._http = http
        self._restart = restart
        self.unreadable: list[str] = []

    async def rows(self, sql: str) -> list[Row]:
        """Ask, and once more after a restart. Raises RuntimeError if that does not help."""
        answer = await self._ask(sql)
        if answer.status_code != 200:
            self.unreadable.append(f"{sql}: {answer.text[:500]}")
            await self._restart()
            answer = await self._ask(sql)
        if answer.status_code != 200:
            raise RuntimeError(f"ClickHouse cannot answer {sql}, not even after a restart: {answer.text}")
        return [json.loads(line) for line in answer.text.splitlines()]

    async def _ask(self, sql: str) -> httpx2.Response:
        settings = "SETTINGS output_format_json_quote_64bit_integers = 0, max_result_rows = 0, max_execution_time = 60"
        return await self._http.post(self._url, content=f"{sql} {settings} FORMAT JSONEachRow", auth=self._login)


async def _redis(url: str) -> tuple[list[RedisKey], dict[str, str]]:
    async with Redis.from_url(url, decode_responses=True) as redis:
        keys = []
        async for name in redis.scan_iter(count=1000):
            seconds = await redis.ttl(name)
            if seconds != -2:  # gone since it was listed
                keys.append(RedisKey(name.removeprefix(PREFIX), None if seconds == -1 else seconds))
        counters = await redis.hgetall(f"{PREFIX}open")
        return keys, {str(name): str(count) for name, count in counters.items()}


async def _views(ids: list[str], apis: list[str], key: str, http: httpx2.AsyncClient) -> dict[str, View]:
    gate = asyncio.Semaphore(VIEWS_AT_ONCE)

    async def look(number: int, id_: str) -> View:
        async with gate:
            return await _view(f"{apis[number % len(apis)]}/v1/documents/{id_}", key, http)

    found = await asyncio.gather(*(look(number, id_) for number, id_ in enumerate(ids)))
    return dict(zip(ids, found, strict=True))


async def _view(url: str, key: str, http: httpx2.AsyncClient) -> View:
    headers = {"Authorization": f"Bearer {key}"}
    shown = await http.get(url, headers=headers)
    if shown.status_code != 200 or shown.json()["status"] != "completed":
        return View(shown.status_code, shown.json())
    content = await http.get(f"{url}/content", headers=headers)
    return View(200, shown.json(), content.status_code, hashlib.sha256(content.content).hexdigest())


def _received(file: Path) -> Iterator[Row]:
    for line in file.read_text(encoding="utf-8").splitlines():
        yield json.loads(line)


def _blobs(root: Path) -> dict[str, float]:
    """List documents' blobs by key, with their ages in seconds."""
    found = {}
    for kind in ("results", "inputs"):
        for path in (root / kind).glob("*/*"):
            found["/".join((kind, *path.name.split("~")))] = time.time() - path.stat().st_mtime
    return found


def _decoded(row: Row) -> Row:
    return row | {name: json.loads(row[name] or "null") for name in JSON_COLUMNS}
