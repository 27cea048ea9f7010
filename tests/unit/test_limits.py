"""Bodies that are too long or too slow: refused, and slow ones take no place from others."""

import asyncio
from collections.abc import MutableMapping
from typing import Any

import pytest
from starlette.exceptions import HTTPException

from app.api.intake import Intake
from app.api.limits import UPLOADS, Allowance, Counted

Message = MutableMapping[str, Any]


class Line:
    """A client that sends what the test puts in."""

    def __init__(self) -> None:
        self.messages: asyncio.Queue[Message] = asyncio.Queue()

    def send(self, body: bytes, *, more: bool) -> None:
        self.messages.put_nowait({"type": "http.request", "body": body, "more_body": more})

    async def receive(self) -> Message:
        return await self.messages.get()


async def test_a_request_whose_body_is_still_coming_takes_no_place() -> None:
    line, intake = Line(), Intake(5)
    intake.under_way = 1
    receiving = asyncio.create_task(Counted(line.receive, Allowance(100), intake)())
    await asyncio.sleep(0)
    assert intake.under_way == 0
    line.send(b"x", more=False)
    await receiving
    assert intake.under_way == 1


async def test_a_body_that_does_not_arrive_in_time_is_a_408() -> None:
    line, intake = Line(), Intake(5)
    receive = Counted(line.receive, Allowance(100, seconds=0.02), intake)
    line.send(b"{", more=True)
    await receive()
    with pytest.raises(HTTPException) as refused:
        await receive()
    assert refused.value.status_code == 408 and intake.under_way == 0


async def test_after_the_body_there_is_no_deadline() -> None:
    line = Line()
    line.send(b"{}", more=False)
    receive = Counted(line.receive, Allowance(100, seconds=0.01), None)
    assert (await receive())["body"] == b"{}"
    waiting = asyncio.create_task(receive())
    await asyncio.sleep(0.02)
    assert not waiting.done()
    line.messages.put_nowait({"type": "http.disconnect"})
    assert (await waiting)["type"] == "http.disconnect"


async def test_a_body_over_the_limit_is_a_413() -> None:
    line = Line()
    line.send(b"x" * 101, more=True)
    with pytest.raises(HTTPException) as refused:
        await Counted(line.receive, Allowance(100), None)()
    assert refused.value.status_code == 413


def test_files_have_an_allowance_of_their_own() -> None:
    assert all(UPLOADS.fullmatch(path) for path in ("/v1/templates", "/v1/templates/a/versions", "/v1/assets"))
    assert not any(
        UPLOADS.fullmatch(path) for path in ("/v1/documents", "/v1/templates/a", "/v1/templates/a/b/versions")
    )
