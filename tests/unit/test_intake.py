"""The gate in front of the API: too many requests are told so, and those that wait take no place."""

import asyncio
from collections.abc import MutableMapping
from typing import Any

import httpx2
from fastapi import FastAPI, Request

from app.api.intake import Intake, IntakeGate, only_waiting


class Busy:
    """An application that answers when its gate opens."""

    def __init__(self, max_requests: int) -> None:
        self.app, self.intake, self.open = FastAPI(), Intake(max_requests), asyncio.Event()
        self.app.state.intake = self.intake

        @self.app.get("/work")
        async def work() -> str:
            await self.open.wait()
            return "done"

        @self.app.get("/wait")
        async def wait(request: Request) -> str:
            with only_waiting(request):
                await self.open.wait()
            return "done"

        @self.app.get("/livez")
        async def livez() -> str:
            return "alive"

        transport = httpx2.ASGITransport(IntakeGate(self.app, self.intake))
        self.client = httpx2.AsyncClient(transport=transport, base_url="http://api.test")

    async def begin(self, path: str, count: int) -> list["asyncio.Task[httpx2.Response]"]:
        tasks = [asyncio.create_task(self.client.get(path)) for _ in range(count)]
        for _ in range(50):
            await asyncio.sleep(0)
        return tasks


async def test_a_request_too_many_is_refused_with_a_problem_and_the_others_are_answered() -> None:
    busy = Busy(3)
    tasks = await busy.begin("/work", 3)
    refused = await busy.client.get("/work")
    assert (refused.status_code, refused.json()["code"], refused.headers["Retry-After"]) == (503, "overloaded", "1")
    assert refused.headers["Content-Type"] == "application/problem+json"
    assert refused.json()["request_id"] == refused.headers["X-Request-Id"]
    busy.open.set()
    assert {answer.status_code for answer in await asyncio.gather(*tasks)} == {200}
    assert (await busy.client.get("/work")).status_code == 200
    assert (busy.intake.under_way, busy.intake.refused) == (0, 1)


async def test_requests_that_only_wait_take_no_place() -> None:
    busy = Busy(2)
    waiting = await busy.begin("/wait", 20)
    working = await busy.begin("/work", 2)
    assert (await busy.client.get("/work")).status_code == 503
    busy.open.set()
    answers = await asyncio.gather(*waiting, *working)
    assert {answer.status_code for answer in answers} == {200}
    assert busy.intake.under_way == 0


async def test_health_checks_always_pass() -> None:
    busy = Busy(1)
    tasks = await busy.begin("/work", 1)
    assert (await busy.client.get("/livez")).status_code == 200
    busy.open.set()
    await asyncio.gather(*tasks)


async def test_a_place_is_free_again_when_the_application_breaks() -> None:
    async def broken(scope: MutableMapping[str, Any], receive: object, send: object) -> None:
        raise RuntimeError("a defect")

    intake = Intake(1)
    for _ in range(3):
        try:
            await IntakeGate(broken, intake)({"type": "http", "path": "/"}, None, None)  # type: ignore[arg-type]
        except RuntimeError:
            assert intake.under_way == 0
    assert intake.refused == 0
