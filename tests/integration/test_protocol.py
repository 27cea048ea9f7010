"""What is no HTTP request is answered like every other error."""

import asyncio
import json
from collections.abc import AsyncIterator

import pytest
import uvicorn

from app.__main__ import server_config
from app.main import create_app
from app.settings import ApiSettings
from tests.unit.test_reference import SETTINGS


@pytest.fixture
async def port() -> AsyncIterator[int]:
    """The User API behind its real HTTP server, without the servers it talks to."""
    settings = ApiSettings.model_validate(SETTINGS)
    config = server_config(settings, create_app(settings))
    config.port, config.lifespan = 0, "off"
    server = uvicorn.Server(config)
    serving = asyncio.create_task(server.serve())
    async with asyncio.timeout(10):
        while not server.started:
            await asyncio.sleep(0.01)
    yield int(server.servers[0].sockets[0].getsockname()[1])
    server.should_exit = True
    await serving


async def answer(port: int, sent: bytes) -> tuple[str, dict[str, str], bytes]:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(sent)
    head, _, body = (await asyncio.wait_for(reader.read(), 10)).partition(b"\r\n\r\n")
    writer.close()
    await writer.wait_closed()
    status, *lines = head.decode().split("\r\n")
    return status, {name.lower(): value for name, _, value in (line.partition(": ") for line in lines)}, body


@pytest.mark.parametrize(
    "line", ["GET /v1/documents?subject=ä HTTP/1.1".encode(), b"GET /v1/users/\xff HTTP/1.1", b"\x16\x03\x01\x02\x00"]
)
async def test_bytes_that_are_no_http_get_a_problem(port: int, line: bytes) -> None:
    status, headers, body = await answer(port, line + b"\r\nHost: api.test\r\n\r\n")
    problem = json.loads(body)
    assert status == "HTTP/1.1 400 Bad Request" and headers["content-type"] == "application/problem+json"
    assert (problem["code"], problem["status"], problem["retryable"]) == ("malformed_request", 400, False)
    assert problem["request_id"] == headers["x-request-id"] and headers["connection"] == "close"
    assert int(headers["content-length"]) == len(body)


async def test_http_is_answered_as_before(port: int) -> None:
    status, _, body = await answer(port, b"GET /livez HTTP/1.1\r\nHost: api.test\r\nConnection: close\r\n\r\n")
    assert status == "HTTP/1.1 200 OK" and json.loads(body)["status"] == "ok"
