"""POST /v1/render and POST /v1/assets: bytes now, nothing kept, the same rules as for documents."""

import asyncio
import hashlib
import json
import zlib
from collections.abc import AsyncIterator
from struct import pack
from uuid import UUID

import httpx2
import pytest
from prometheus_client import CollectorRegistry
from redis.asyncio import Redis

from app.api.renders import WARNINGS_BYTES, warnings_header
from backends.asks import AskLimits, Asks
from contracts.assets import asset_key, owner_key, use_key
from contracts.documents import Warned
from generator.bundles import Bundles
from generator.guests import GuestPool
from generator.sandbox import RenderPool, SandboxLimits
from generator.workbench import AskMetrics, WorkbenchServer
from generator.worker import Worker, WorkerSettings
from generator.worker_metrics import WorkerMetrics
from tests.integration.conftest import Api

SOURCE = {"engine": "typst", "content": '= Hello #json("data.json").name'}
HELLO = {"source": SOURCE, "data": {"name": "Ada"}}


def png(width: int = 2, height: int = 2) -> bytes:
    """Make a black PNG."""

    def chunk(kind: bytes, content: bytes) -> bytes:
        return pack(">I", len(content)) + kind + content + pack(">I", zlib.crc32(kind + content))

    header = pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    rows = zlib.compress(bytes((width + 1) * height))
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", rows) + chunk(b"IEND", b"")


@pytest.fixture
async def generator(api: Api) -> AsyncIterator[RenderPool]:
    """A generator's workbench with real render processes."""
    pool, stop = RenderPool(SandboxLimits(workers=1, spare=0)), asyncio.Event()
    await pool.start()
    server = WorkbenchServer(Asks(api.scripts), GuestPool(pool), api.blobs, AskMetrics(CollectorRegistry()), drain_s=1)
    serving = asyncio.create_task(server.run(stop, asyncio.Event()))
    yield pool
    stop.set()
    await asyncio.wait_for(serving, 10)
    await pool.close()


async def render(client: httpx2.AsyncClient, **changes: object) -> httpx2.Response:
    return await client.post("/v1/render", json={**HELLO, **changes})


def problem_of(response: httpx2.Response, status: int) -> dict[str, object]:
    assert response.status_code == status, response.text
    assert response.headers["Content-Type"] == "application/problem+json"
    return dict(response.json())


def flaw_of(problem: dict[str, object]) -> tuple[str, str]:
    """Return pointer and code of the first thing wrong."""
    errors = problem["errors"]
    assert isinstance(errors, list)
    return errors[0]["pointer"], errors[0]["code"]


def stored(api: Api) -> list[str]:
    return sorted(str(path.relative_to(api.blobs.root)) for path in api.blobs.root.rglob("*") if path.is_file())


async def test_the_bytes_are_the_answer_and_nothing_is_stored(api: Api, generator: RenderPool, redis: Redis) -> None:
    for made, start in (("pdf", b"%PDF-"), ("png", b"\x89PNG"), ("svg", b"<svg")):
        response = await render(api.admin, format=made)
        assert response.status_code == 200 and response.content.startswith(start), response.text
        assert response.headers["Content-Disposition"].startswith(f'attachment; filename="document.{made}"')
        assert response.headers["Presswork-Pages"] == "1" and "Presswork-Warnings" not in response.headers
    assert response.headers["Content-Type"] == "image/svg+xml"
    assert stored(api) == [] and await redis.xlen("{pw}:events") <= 3  # those of the user and its keys
    assert [key async for key in redis.scan_iter(match="{pw}:doc:*")] == []


async def test_an_error_has_the_documents_fields(api: Api, generator: RenderPool) -> None:
    problem = problem_of(await render(api.admin, data={}), 422)
    error = problem["error"]
    assert isinstance(error, dict)
    assert (problem["code"], error["line"], error["data_path"]) == ("data_missing", 1, "name")


async def test_warnings_are_in_a_header_or_refuse(api: Api, generator: RenderPool) -> None:
    response = await render(api.admin, data={"name": "\u4e2d"})
    [warned] = json.loads(response.headers["Presswork-Warnings"])
    assert warned["code"] == "missing_glyphs" and "\u4e2d" in warned["message"]
    refused = problem_of(await render(api.admin, data={"name": "\u4e2d"}, options={"strict": True}), 422)
    assert refused["code"] == "missing_glyphs"


def test_many_warnings_are_cut_to_what_a_header_takes() -> None:
    warnings = tuple(Warned(code="missing_glyphs", message=f"{number} \u4e2d" * 20) for number in range(50))
    text = warnings_header(warnings)
    shown = json.loads(text)
    assert len(text) <= WARNINGS_BYTES and text.isascii()
    assert shown[-1] == {"code": "more", "message": f"{50 - len(shown) + 1} more warnings are left out."}


@pytest.mark.parametrize(
    ("changes", "pointer", "code"),
    [
        ({"template": "letter"}, "", "template_or_source"),
        ({"format": "docx"}, "/format", "unsupported_format"),
        ({"source": None, "template": "nothing"}, "/template", "unknown_template"),
        ({"source": None, "template": "letter", "data": {}}, "/data/to", "data_missing"),
        ({"options": {"timeout_s": 9999}}, "/options/timeout_s", "too_large"),
        ({"callback_url": "https://example.com"}, "/callback_url", "unknown_field"),
        ({"data": {"logo": {"$asset": f"sha256:{'ab' * 32}"}}}, "/data/logo/$asset", "unknown_asset"),
    ],
)
async def test_the_rules_of_documents_hold(api: Api, changes: dict[str, object], pointer: str, code: str) -> None:
    problem = problem_of(await render(api.admin, **changes), 422)
    assert flaw_of(problem) == (pointer, code)


async def test_without_a_generator_it_says_so_and_when_to_come_again(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(api.app.state.workbench._asks, "limits", AskLimits(wait_ms=500))
    response = await render(api.admin)
    assert problem_of(response, 503)["code"] == "no_generator" and int(response.headers["Retry-After"]) > 0


async def test_a_viewer_renders_nothing_and_uploads_nothing(api: Api) -> None:
    viewer, _ = await api.user("viewer")
    assert (await render(viewer)).status_code == 403
    upload = await viewer.post("/v1/assets", content=png(), headers={"Content-Type": "image/png"})
    assert upload.status_code == 403


async def test_who_hangs_up_is_not_served(api: Api, redis: Redis) -> None:
    body, sent = json.dumps(HELLO).encode(), list[dict[str, object]]()
    headers = [(b"authorization", f"Bearer {api.key}".encode()), (b"content-type", b"application/json")]
    scope = {
        "type": "http",
        "method": "POST",
        "path": "/v1/render",
        "raw_path": b"/v1/render",
        "query_string": b"",
        "headers": headers,
        "http_version": "1.1",
        "scheme": "http",
        "server": ("api.test", 80),
        "client": ("127.0.0.1", 1),
        "root_path": "",
    }
    hang_up, arrived = asyncio.Event(), iter([{"type": "http.request", "body": body, "more_body": False}])

    async def receive() -> dict[str, object]:
        for message in arrived:
            return message
        await hang_up.wait()
        return {"type": "http.disconnect"}

    async def send(message: dict[str, object]) -> None:
        sent.append(message)

    request = asyncio.create_task(api.app(scope, receive, send))  # type: ignore[arg-type]
    async with asyncio.timeout(5):
        while not [key async for key in redis.scan_iter(match="{pw}:ask:*")]:
            await asyncio.sleep(0.01)
        hang_up.set()
        await request
    assert [key async for key in redis.scan_iter(match="{pw}:ask:*")] == []
    assert await Asks(api.scripts).take() is None
    assert api.app.state.intake.under_way == 0


# Assets


async def upload(client: httpx2.AsyncClient, content: bytes, media_type: str = "image/png") -> httpx2.Response:
    return await client.post("/v1/assets", content=content, headers={"Content-Type": media_type})


async def test_an_asset_is_uploaded_once_and_named_in_data(api: Api, generator: RenderPool) -> None:
    name = f"sha256:{hashlib.sha256(png()).hexdigest()}"
    for _ in range(2):
        response = await upload(api.admin, png())
        assert (response.status_code, response.json()) == (201, {"asset": name})
    source = {"engine": "typst", "content": '#image(json("data.json").logo, width: 2cm)'}
    response = await render(api.admin, source=source, data={"logo": {"$asset": name}}, format="pdf")
    assert response.status_code == 200, response.text
    assert len(response.content) > len((await render(api.admin)).content) or b"/Image" in response.content


async def test_an_asset_belongs_to_who_has_uploaded_it(api: Api) -> None:
    ann, _ = await api.user(email="ann@example.com")
    bob, bob_id = await api.user(email="bob@example.com")
    name = (await upload(ann, png())).json()["asset"]
    data = {"to": {"name": "Ada"}, "logo": {"$asset": name}}
    document = {"template": "letter", "data": data}
    problem = problem_of(await bob.post("/v1/documents", json=document), 422)
    assert flaw_of(problem) == ("/data/logo/$asset", "unknown_asset")
    await upload(bob, png())
    assert (await bob.post("/v1/documents", json=document)).status_code == 202
    assert await api.blobs.size(owner_key(name.removeprefix("sha256:"), UUID(bob_id)))


async def test_a_document_holds_its_assets_and_a_refused_one_does_not(api: Api) -> None:
    name = (await upload(api.admin, png())).json()["asset"]
    digest = name.removeprefix("sha256:")
    document = {"template": "letter", "data": {"to": {"name": "Ada"}, "logo": {"$asset": name}}}
    headers = {"Idempotency-Key": "k"}
    accepted = (await api.admin.post("/v1/documents", json=document, headers=headers)).json()
    assert await api.blobs.size(use_key(accepted["id"], digest)) == 0
    replayed = await api.admin.post("/v1/documents", json=document, headers=headers)
    assert replayed.headers["Idempotency-Replayed"] == "true"
    other = await api.admin.post("/v1/documents", json={**document, "subject": "x"}, headers=headers)
    assert problem_of(other, 422)["code"] == "idempotency_mismatch"
    assert len([path for path in stored(api) if path.startswith("asset-uses")]) == 1


async def test_what_is_no_asset_is_refused(api: Api) -> None:
    assert flaw_of(problem_of(await upload(api.admin, b"MZ\x90\0"), 422)) == ("", "invalid_asset")
    assert problem_of(await upload(api.admin, b"", "image/png"), 422)["code"] == "invalid_request"
    problem_of(await upload(api.admin, b"<html>", "text/html"), 415)
    too_large = api.app.state.settings.max_asset_bytes + 1
    assert problem_of(await upload(api.admin, png() + bytes(too_large)), 413)["code"] == "body_too_large"
    assert stored(api) == []


async def test_hostile_pictures_fail_their_own_document_only(api: Api, generator: RenderPool) -> None:
    source = {"engine": "typst", "content": '#image(json("data.json").logo, width: 2cm)'}
    bombs = [png()[:20], png()[:16] + pack(">II", 65_000, 65_000) + png()[24:], b"\xff\xd8\xff" + bytes(100)]
    for bomb in bombs:
        name = (await upload(api.admin, bomb, "application/octet-stream")).json()["asset"]
        response = await render(api.admin, source=source, data={"logo": {"$asset": name}})
        assert problem_of(response, 422)["error"], response.text
    assert (await render(api.admin)).status_code == 200


async def test_assets_are_stored_under_their_hash(api: Api) -> None:
    name = (await upload(api.admin, png())).json()["asset"]
    assert await api.blobs.get(asset_key(name.removeprefix("sha256:"))) == png()


async def test_documents_are_made_and_made_again_with_their_assets(api: Api, generator: RenderPool) -> None:
    settings, stop = WorkerSettings("w", drain_s=0), asyncio.Event()
    metrics = WorkerMetrics(CollectorRegistry())
    working = asyncio.create_task(
        Worker(api.queue, generator, api.blobs, Bundles(api.blobs), settings, metrics).run(stop)
    )
    name = (await upload(api.admin, png())).json()["asset"]
    digest = name.removeprefix("sha256:")
    source = {"engine": "typst", "content": '#image(json("data.json").logo, width: 2cm)'}
    body = {"source": source, "data": {"logo": {"$asset": name}}}
    document = (await api.admin.post("/v1/documents", json=body, headers={"Prefer": "wait=10"})).json()
    assert document["status"] == "completed", document
    await api.blobs.delete_prefix(f"asset-uses/{document['id']}")
    assert (await api.admin.post(f"/v1/documents/{document['id']}/retry")).status_code == 200
    assert await api.blobs.size(use_key(document["id"], digest)) == 0, "held again before it runs again"
    again = (await api.admin.get(f"/v1/documents/{document['id']}?wait=10")).json()
    assert (again["status"], again["run"]) == ("completed", 2)
    await api.blobs.delete(asset_key(digest))
    await api.admin.post(f"/v1/documents/{document['id']}/retry")
    lost = (await api.admin.get(f"/v1/documents/{document['id']}?wait=10")).json()
    assert lost["error"]["code"] == "input_lost" and name in lost["error"]["message"]
    stop.set()
    await asyncio.wait_for(working, 10)
