"""Fonts that users have uploaded, named by sources that come with the request."""

import asyncio
import io
from collections.abc import AsyncIterator

import httpx2
import pikepdf
import pytest
from prometheus_client import CollectorRegistry

from backends.asks import Asks
from contracts.fonts import font_use_key
from generator.bundles import Bundles
from generator.guests import GuestPool
from generator.sandbox import RenderPool, SandboxLimits
from generator.workbench import AskMetrics, WorkbenchServer
from generator.worker import Worker, WorkerSettings
from generator.worker_metrics import WorkerMetrics
from tests.integration.conftest import Api
from tests.unit.test_typst_fonts_and_standards import fonts_of, renamed

OTF = {"Content-Type": "font/otf"}
BODY: dict[str, object] = {"source": {"engine": "typst", "content": '#set text(font: "Xnter")\nHello'}, "data": {}}


@pytest.fixture(autouse=True)
async def generator(api: Api) -> AsyncIterator[None]:
    pool, stop, metrics = RenderPool(SandboxLimits(workers=1, spare=0)), asyncio.Event(), CollectorRegistry()
    await pool.start()
    server = WorkbenchServer(Asks(api.scripts), GuestPool(pool), api.blobs, AskMetrics(metrics), drain_s=1)
    settings, bundles = WorkerSettings("w", drain_s=1), Bundles(api.blobs)
    worker = Worker(api.queue, pool, api.blobs, bundles, settings, WorkerMetrics(metrics))
    running = asyncio.gather(server.run(stop, asyncio.Event()), worker.run(stop))
    yield
    stop.set()
    await asyncio.wait_for(running, 10)
    await pool.close()


async def upload(client: httpx2.AsyncClient, family: str = "Xnter") -> str:
    answer = await client.post("/v1/fonts", content=renamed(family), headers=OTF)
    assert answer.status_code == 201, answer.text
    return str(answer.json()["font"]["sha256"])


def prints_with(answer: httpx2.Response, family: str = "Xnter") -> bool:
    assert answer.status_code == 200, answer.text
    with pikepdf.open(io.BytesIO(answer.content)) as pdf:
        return any(family in name for name in fonts_of(pdf))


async def test_a_render_on_the_spot_uses_the_fonts_of_who_asks(api: Api) -> None:
    ann, _ = await api.user(email="ann@example.com")
    before = await ann.post("/v1/render", json=BODY)
    assert not prints_with(before) and "unknown font family" in before.headers["Presswork-Warnings"]
    await upload(ann)
    for _ in range(2):
        after = await ann.post("/v1/render", json=BODY)
        assert prints_with(after) and "Presswork-Warnings" not in after.headers
    other = await api.admin.post("/v1/render", json=BODY)
    assert not prints_with(other) and "unknown font family" in other.headers["Presswork-Warnings"]


async def test_a_document_keeps_the_fonts_that_it_found_when_it_was_accepted(api: Api) -> None:
    digest = await upload(api.admin)
    accepted = (await api.admin.post("/v1/documents", json=BODY)).json()
    assert await api.blobs.size(font_use_key(accepted["id"], digest)) == 0
    assert (await api.admin.delete(f"/v1/fonts/{digest}")).status_code == 204
    await api.admin.get(f"/v1/documents/{accepted['id']}?wait=10")
    assert prints_with(await api.admin.get(f"/v1/documents/{accepted['id']}/content"))
    await api.blobs.delete_prefix(f"font-uses/{accepted['id']}")
    assert (await api.admin.post(f"/v1/documents/{accepted['id']}/retry")).status_code == 200
    assert await api.blobs.size(font_use_key(accepted["id"], digest)) == 0, "held again before it runs again"
    again = (await api.admin.get(f"/v1/documents/{accepted['id']}?wait=10")).json()
    assert (again["status"], again["run"]) == ("completed", 2)
    assert not prints_with(await api.admin.post("/v1/render", json=BODY)), "new requests do not find it"


async def test_a_refused_document_holds_no_fonts(api: Api) -> None:
    await upload(api.admin)
    headers = {"Idempotency-Key": "k"}
    accepted = await api.admin.post("/v1/documents", json=BODY, headers=headers)
    for body in (BODY, {**BODY, "subject": "x"}):
        await api.admin.post("/v1/documents", json=body, headers=headers)
    held = [blob.key async for blobs in api.blobs.listing("font-uses") for blob in blobs]
    assert [key.split("/")[1] for key in held] == [accepted.json()["id"]]


async def test_a_font_that_is_lost_fails_the_document_that_needs_it(api: Api) -> None:
    digest = await upload(api.admin)
    await api.blobs.delete(f"fonts/{digest}")
    refused = (await api.admin.post("/v1/render", json=BODY)).json()
    assert (refused["code"], digest in refused["detail"]) == ("input_lost", True)
