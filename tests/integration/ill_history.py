"""A ClickHouse behind a proxy that falls ill: it refuses, breaks, hangs, dawdles, and loses answers of what it did."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from io import BytesIO
from typing import Literal, get_args

from aiohttp import ClientSession, web

from backends.clickhouse import ClickHouse
from backends.read_back import LOGS, key_of

Illness = Literal[
    "gone",  # closes the connection and does nothing
    "overloaded",  # answers TOO_MANY_SIMULTANEOUS_QUERIES
    "out_of_memory",  # answers MEMORY_LIMIT_EXCEEDED
    "proxy_error",  # a proxy's own page with 502
    "hangs",  # takes the statement and never answers
    "hangs_after",  # applies it and never answers
    "closes_after",  # applies it and closes the connection
    "breaks_after",  # applies it and answers half of an error
    "loses_rows",  # applies it, remembers its token, loses the rows, and answers NOT_ENOUGH_SPACE
    "slow",  # applies it after a while
]
ILLNESSES: tuple[Illness, ...] = get_args(Illness)
CODES = {"overloaded": 202, "out_of_memory": 241, "loses_rows": 243}


@dataclass
class IllHistory:
    """The plan of its illnesses, one for each insert; healthy when the plan is over. Reads always work."""

    target: ClickHouse
    plan: Sequence[Illness]
    inserts: int = 0
    applied: list[str] = field(default_factory=list)

    @property
    def cured(self) -> bool:
        return self.inserts > len(self.plan)

    async def answer(self, request: web.Request) -> web.StreamResponse:
        body = await request.read()
        if "insert_deduplication_token" not in request.query:
            return await self._forward(request, body)
        self.inserts += 1
        illness = self.plan[self.inserts - 1] if self.inserts <= len(self.plan) else None
        if illness == "slow":
            await asyncio.sleep(0.1)
        if illness == "loses_rows":
            await self._forward(request, body)
            await self._delete(request.query["query"].split()[2], body.splitlines())
        if illness in (None, "slow", "hangs_after", "closes_after", "breaks_after"):
            response = await self._forward(request, body)
            self.applied.append(request.query["insert_deduplication_token"])
            return response if illness in (None, "slow") else await self._lose(request, illness)
        return await self._refuse(request, illness)

    async def _forward(self, request: web.Request, body: bytes) -> web.Response:
        url = f"{self.target.address.url}?{request.query_string}"
        headers = {"Authorization": request.headers["Authorization"]}
        async with ClientSession() as session, session.post(url, data=BytesIO(body), headers=headers) as answer:
            passed = {name: value for name, value in answer.headers.items() if name.startswith("X-ClickHouse")}
            return web.Response(body=await answer.read(), status=answer.status, headers=passed)

    async def _delete(self, table: str, lines: list[bytes]) -> None:
        log = LOGS[table]
        keys = [key for line in lines if (key := key_of(table, line))]
        rows = ",".join(f"({','.join(repr(part) for part in key)})" for key in keys)
        ids = ",".join(repr(key[1]) for key in keys)
        for of, condition in ((table, f"({','.join(log.key)}) IN ({rows})"), (log.target, f"{log.key[1]} IN ({ids})")):
            if of:
                await self.target.command(f"ALTER TABLE {of} DELETE WHERE {condition} SETTINGS mutations_sync = 1")

    async def _refuse(self, request: web.Request, illness: Illness) -> web.StreamResponse:
        if illness in CODES:
            code = str(CODES[illness])
            return web.Response(text=f"Code: {code}. No.", status=500, headers={"X-ClickHouse-Exception-Code": code})
        if illness == "proxy_error":
            return web.Response(text="<html>Bad gateway</html>", status=502)
        return await self._lose(request, illness)

    async def _lose(self, request: web.Request, illness: Illness | None) -> web.StreamResponse:
        if illness in ("hangs", "hangs_after"):
            await asyncio.Event().wait()
        if illness == "breaks_after":
            half = web.StreamResponse(status=500, headers={"Content-Length": "1000"})
            await half.prepare(request)
            await half.write(b"Code: ")
        assert request.transport is not None
        request.transport.close()
        return web.Response()


@asynccontextmanager
async def ill_history(
    target: ClickHouse, plan: Sequence[Illness], *, insert_timeout_s: float = 130
) -> AsyncIterator[tuple[IllHistory, ClickHouse]]:
    """Put an ill server in front of `target`; yields it and a client of it."""
    ill = IllHistory(target, plan)
    app = web.Application(client_max_size=1 << 30)
    app.router.add_post("/", ill.answer)
    runner = web.AppRunner(app, shutdown_timeout=0.1, handler_cancellation=True)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    address = target.address
    host = f"127.0.0.1:{runner.addresses[0][1]}"
    client = ClickHouse(
        f"http://{address.user}:{address.password}@{host}/{address.database}", insert_timeout_s=insert_timeout_s
    )
    try:
        yield ill, client
    finally:
        await client.close()
        await runner.cleanup()
