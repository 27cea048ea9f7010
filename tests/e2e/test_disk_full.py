"""`presswork up` whose disk is full for a while: what it accepted is made, what it cannot accept is 503."""

import signal
from collections.abc import Iterator
from pathlib import Path

import httpx2
import pytest

from tests.e2e.fleet import Fleet, events_of, servers, until
from tests.e2e.test_up import Up, free_ports, process_table, wait_until
from tests.integration.small_disk import SmallDisk, small_disk

pytestmark = pytest.mark.timeout(240)

BODY = {"source": {"engine": "typst", "content": "Hello"}, "format": "pdf", "data": {}}
SLOW = BODY | {"options": {"simulate": {"seconds": 2}}}


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[SmallDisk]:
    with small_disk(tmp_path / "disk", 200) as disk:
        yield disk


@pytest.fixture
def up(disk: SmallDisk) -> Iterator[Up]:
    stack = Up(disk.folder, free_ports()).start()
    yield stack
    if not stack.ended:
        stack.signal(signal.SIGTERM)
        stack.wait(30)


def test_what_was_accepted_is_made_when_there_is_room_again_and_nothing_needs_help(up: Up, disk: SmallDisk) -> None:
    headers = {"Authorization": f"Bearer {up.facts['admin_key']}"}
    redis = up.facts["pids"]["redis"]
    with httpx2.Client(base_url=up.facts["api_url"], headers=headers, timeout=30) as client:
        accepted = [client.post("/v1/documents", json=SLOW).json()["id"] for _ in range(3)]
        disk.fill()
        accepted += refused_or_accepted(client, redis)
        disk.free()
        wait_until(lambda: readyz(client) == 200, 60, lambda: up.output[-3000:])
        ended = {document_id: ending(client, document_id) for document_id in accepted}
        assert set(ended.values()) == {"completed"}, ended
        assert not up.ended


def refused_or_accepted(client: httpx2.Client, redis: int) -> list[str]:
    """Ask for documents until Redis has ended and many were refused; return those that were accepted all the same."""
    accepted, refused = [], 0
    while exists(redis) or refused < 30:
        answer = client.post("/v1/documents", json=BODY)
        assert answer.status_code in (202, 503), answer.text
        if answer.status_code == 202:
            accepted.append(answer.json()["id"])
        else:
            assert int(answer.headers["Retry-After"]) > 0
            refused += 1
    return accepted


def exists(pid: int) -> bool:
    return str(pid) in process_table()


def readyz(client: httpx2.Client) -> int:
    return client.get("/readyz").status_code


def ending(client: httpx2.Client, document_id: str) -> str:
    for _ in range(3):
        document = client.get(f"/v1/documents/{document_id}", params={"wait": 30}).json()
        if document.get("status") in ("completed", "failed", "cancelled"):
            break
    return str(document.get("status"))


@pytest.fixture
def fleet(tmp_path: Path) -> Iterator[Fleet]:
    with servers(tmp_path) as running:
        yield running


async def test_documents_wait_for_a_blob_store_that_is_full_however_long_and_do_not_fail(
    fleet: Fleet, tmp_path: Path
) -> None:
    with small_disk(tmp_path / "blobs", 16) as blobs:
        api, _ = await fleet.start("app"), await fleet.start("generator")
        blobs.fill()
        async with fleet.client(api) as client:
            once = BODY | {"options": {"max_attempts": 1}}
            document_id = (await client.post("/v1/documents", json=once)).json()["id"]
            await until(lambda: is_put_off(client, document_id, times=3), "it is put off again and again")
            blobs.free()
            document = (await client.get(f"/v1/documents/{document_id}", params={"wait": 55})).json()
            assert document["status"] == "completed", document


async def is_put_off(client: httpx2.AsyncClient, document_id: str, times: int) -> bool:
    events = await events_of(client, document_id)
    assert "failed" not in events
    return events.count("started") >= times
