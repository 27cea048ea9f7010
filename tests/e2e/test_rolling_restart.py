"""Every process is restarted in turn while clients go on: nothing is lost or doubled, and nobody gets an error."""

import asyncio
import signal
from collections.abc import Iterator
from dataclasses import dataclass

import httpx2
import pytest

from tests.e2e.fleet import Fleet, Service, servers, until
from tests.e2e.load import SUBJECT, Load, Receiver, receiving
from tests.integration.history_servers import Server

pytestmark = pytest.mark.timeout(600)
CLIENTS = 4


@dataclass
class Stack:
    """Two of each service on their servers."""

    fleet: Fleet
    apis: list[Service]
    generators: list[Service]


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    with servers(tmp_path_factory.mktemp("fleet")) as fleet:
        apis, generators = ([fleet.service(module) for _ in range(2)] for module in ("app", "generator"))
        asyncio.run(all_started([*apis, *generators]))
        yield Stack(fleet, apis, generators)


async def all_started(services: list[Service]) -> None:
    await asyncio.gather(*(service.start() for service in services))


@pytest.mark.parametrize("rounds", [1, pytest.param(8, marks=pytest.mark.slow)])
async def test_restarting_every_service_under_load_costs_nobody_anything(stack: Stack, rounds: int) -> None:
    async with receiving() as receiver:
        load = Load(stack.apis, stack.fleet.key, receiver.url)
        async with load.running(CLIENTS):
            for pair in [*zip(stack.apis, stack.generators, strict=True)] * rounds:
                for service in pair:
                    assert await service.restart() == 0
                    await more_is_accepted(load)
        assert set(load.answers) <= {"200", "202", "gone"}, load.answers
        await everything_is_made_once(stack, load, receiver)


@pytest.mark.parametrize("name", ["redis", "clickhouse"])
async def test_restarting_a_server_under_load_is_answered_with_503_and_loses_nothing(stack: Stack, name: str) -> None:
    async with receiving() as receiver:
        load = Load(stack.apis, stack.fleet.key, receiver.url)
        async with load.running(CLIENTS):
            for _ in range(2):
                await restart(getattr(stack.fleet, name))
                await more_is_accepted(load)
        away = {"redis": {"503 queue_unavailable", "503 not_started"}, "clickhouse": {"503 history_unavailable"}}
        assert set(load.answers) <= {"200", "202"} | away[name], load.answers
        await everything_is_made_once(stack, load, receiver)


async def restart(server: Server) -> None:
    """Stop a server by SIGTERM and start it again."""
    assert server.process is not None
    server.process.send_signal(signal.SIGTERM)
    await asyncio.to_thread(server.process.wait, 60)
    server.spawn()
    await until(lambda: server.embedded.is_ready(server.process.pid), "the server is ready")


async def more_is_accepted(load: Load) -> None:
    enough = len(load.accepted) + 2 * CLIENTS

    async def accepted() -> bool:
        return len(load.accepted) >= enough

    await until(accepted, "documents are accepted")


async def everything_is_made_once(stack: Stack, load: Load, receiver: Receiver) -> None:
    """Check each accepted document: one end, one webhook-id, once in the list."""
    assert len(set(load.accepted)) == len(load.accepted)
    async with stack.fleet.client(stack.apis[0]) as client:
        for document_id in load.accepted:
            await until(
                lambda id_=document_id: is_settled(client, id_), "the document is made and its webhook delivered"
            )
            answer = await client.get(f"/v1/documents/{document_id}/events")
            events = [item["event"] for item in answer.json()["items"]]
            assert events.count("accepted") == events.count("completed") == 1, events
            assert len(receiver.ids[document_id]) == 1
        await until(lambda: all_are_listed(client, load.accepted), "history lists every document once")


async def is_settled(client: httpx2.AsyncClient, document_id: str) -> bool:
    document = (await client.get(f"/v1/documents/{document_id}")).json()
    return bool(document["status"] == "completed" and document["delivery"]["status"] == "delivered")


async def all_are_listed(client: httpx2.AsyncClient, accepted: list[str]) -> bool:
    found: list[str] = []
    query = {"subject": SUBJECT, "status": "completed", "limit": "200"}
    while True:
        page = (await client.get("/v1/documents", params=query)).json()
        found += [item["id"] for item in page["items"]]
        if not page.get("next_cursor"):
            return sorted(set(found) & set(accepted)) == sorted(accepted) and len(set(found)) == len(found)
        query["cursor"] = page["next_cursor"]
