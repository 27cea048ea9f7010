"""SIGTERM: what runs finishes while requests are answered, the rest goes back at once, and the process ends with 0."""

import asyncio
import json
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager

import httpx2
import pytest
from redis.asyncio import Redis

from backends.redis import connect_redis
from tests.e2e.fleet import Fleet, Service, events_of, servers, simulated, status_of, until

pytestmark = pytest.mark.timeout(240)


@pytest.fixture(scope="module")
def fleet(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Fleet]:
    with servers(tmp_path_factory.mktemp("fleet")) as running:
        yield running


@pytest.fixture
async def api(fleet: Fleet) -> AsyncIterator[Service]:
    service = await fleet.start("app")
    yield service
    service.kill()


@pytest.fixture
async def generator(fleet: Fleet) -> AsyncIterator[Service]:
    service = await fleet.start("generator")
    yield service
    service.kill()


@pytest.fixture
async def client(fleet: Fleet, api: Service) -> AsyncIterator[httpx2.AsyncClient]:
    async with fleet.client(api) as http:
        yield http


async def requested(client: httpx2.AsyncClient, seconds: float, **more: object) -> str:
    answer = await client.post("/v1/documents", json=simulated(seconds, **more))
    assert answer.status_code == 202, answer.text
    return str(answer.json()["id"])


async def rendering(client: httpx2.AsyncClient, document_id: str) -> None:
    async def begun() -> bool:
        return await status_of(client, document_id) == "rendering"

    await until(begun, "the render has begun")


async def unready(service: Service) -> None:
    async def answers_503() -> bool:
        status = await service.readyz()
        assert status is not None, "the port is closed already"
        return status == 503

    await until(answers_503, "/readyz answers 503")


async def test_the_api_answers_who_waits_ends_its_streams_and_exits_with_0(
    client: httpx2.AsyncClient, api: Service, fleet: Fleet
) -> None:
    # Nobody renders: there is no generator.
    polled_id, streamed_id = await requested(client, 0), await requested(client, 0)
    async with asyncio.TaskGroup() as group, fleet.client(api) as other:
        polled = group.create_task(client.get(f"/v1/documents/{polled_id}", params={"wait": 55}))
        waited = group.create_task(
            client.post("/v1/documents", json=simulated(0), headers={"Prefer": "wait=55", "Accept": "application/pdf"})
        )
        stream = group.create_task(streamed(client, streamed_id))
        await until(lambda: documents_are_watched(fleet, 3), "all three wait")
        api.signal()
        await unready(api)
        late = await other.get("/v1/me")
    assert (polled.result().status_code, polled.result().json()["status"]) == (200, "queued")
    assert waited.result().status_code == 202
    assert "event: accepted" in stream.result()
    assert late.status_code == 200 and late.headers["Connection"] == "close"
    assert await api.ended() == 0


async def streamed(client: httpx2.AsyncClient, document_id: str) -> str:
    """Read an event stream to its end; a connection that breaks off raises."""
    headers = {"Accept": "text/event-stream"}
    async with client.stream("GET", f"/v1/documents/{document_id}/events", headers=headers) as answer:
        return "".join([text async for text in answer.aiter_text()])


async def documents_are_watched(fleet: Fleet, number: int) -> bool:
    """Tell whether the API has subscribed to the changes of so many documents, beside its channel `none`."""
    async with redis_of(fleet) as redis:
        return len(await redis.pubsub_channels("*changed:*")) == number + 1


@asynccontextmanager
async def redis_of(fleet: Fleet) -> AsyncIterator[Redis]:
    redis = connect_redis(fleet.redis.url)
    try:
        yield redis
    finally:
        await redis.aclose()


async def test_a_request_whose_body_is_on_its_way_is_accepted_while_the_api_stops(fleet: Fleet, api: Service) -> None:
    body = json.dumps(simulated(0)).encode()
    reader, writer = await asyncio.open_connection("127.0.0.1", api.port)
    writer.write(head(fleet.key, len(body)) + body[:10])
    await writer.drain()
    api.signal()
    await until(lambda: port_is_closed(api), "the port is closed")
    writer.write(body[10:])
    answer = await all_of(reader, writer)
    assert answer.startswith(b"HTTP/1.1 202 "), answer
    assert b"connection: close" in answer
    assert await api.ended() == 0


async def test_a_second_signal_cuts_a_request_off_with_503_and_the_api_still_exits_with_0(
    fleet: Fleet, api: Service
) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", api.port)
    writer.write(head(fleet.key, 100) + b"{")
    await writer.drain()
    api.signal()
    await unready(api)
    api.signal()
    answer = await all_of(reader, writer)
    assert answer.startswith(b"HTTP/1.1 503 "), answer
    assert b'"code":"stopped"' in answer and b"retry-after: 1" in answer
    assert await api.ended() == 0


def head(key: str, length: int) -> bytes:
    lines = (
        "POST /v1/documents HTTP/1.1",
        "Host: api.test",
        f"Authorization: Bearer {key}",
        "Content-Type: application/json",
        f"Content-Length: {length}",
    )
    return "\r\n".join((*lines, "", "")).encode()


async def all_of(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bytes:
    """Read what comes until the other side hangs up; hang up, too."""
    try:
        return await reader.read()
    finally:
        writer.close()
        await writer.wait_closed()


async def port_is_closed(service: Service) -> bool:
    return await service.readyz() is None


async def test_a_generator_finishes_its_renders_and_gives_back_what_it_has_not_begun(
    client: httpx2.AsyncClient, generator: Service, fleet: Fleet
) -> None:
    await requested(client, 0)  # quick ones make it claim ahead
    first = await requested(client, 6)
    await rendering(client, first)
    rest = [await requested(client, 0) for _ in range(3)]
    generator.signal()
    await unready(generator)
    other = await fleet.start("generator")
    for document_id in rest:
        await until(lambda id_=document_id: has_ended(client, id_), "another generator made what had not begun")
    assert await generator.ended() == 0
    assert await events_of(client, first) == ["accepted", "started", "completed"]
    await ended_in_order(other)


async def ended_in_order(service: Service) -> None:
    """End a process of this test; one that is killed leaves its roles to time."""
    service.signal()
    assert await service.ended() == 0


async def has_ended(client: httpx2.AsyncClient, document_id: str) -> bool:
    return await status_of(client, document_id) == "completed"


async def test_a_second_signal_gives_the_render_back_for_another_generator_to_take_at_once(
    client: httpx2.AsyncClient, fleet: Fleet
) -> None:
    generator, other = await fleet.start("generator", lease_s=600), fleet.service("generator")
    document_id = await requested(client, 4)
    await rendering(client, document_id)
    generator.signal()
    await unready(generator)
    generator.signal()
    assert await generator.ended() == 0
    assert await events_of(client, document_id) == ["accepted", "started", "released"]
    await other.start()
    await until(lambda: has_ended(client, document_id), "the other generator made it")
    await ended_in_order(other)


async def test_a_generator_that_ends_leaves_no_role_behind_and_no_event_unshipped(
    client: httpx2.AsyncClient, generator: Service, fleet: Fleet
) -> None:
    document_id = await requested(client, 0)
    await until(lambda: has_ended(client, document_id), "the document is made")
    generator.signal()
    assert await generator.ended() == 0
    async with redis_of(fleet) as redis:
        assert [key async for key in redis.scan_iter("*role:*")] == []
        assert await redis.xlen("{pw}:events") == 0
