"""Templates with the fonts and assets that their owners have uploaded, checked and made by real render processes."""

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry

from backends.asks import Asks
from contracts.templates import TemplateBundle, bundle_key
from generator.guests import GuestPool
from generator.renderers.registry import FONTS
from generator.sandbox import RenderPool, SandboxLimits
from generator.workbench import AskMetrics, WorkbenchServer
from tests.integration.conftest import Api
from tests.integration.template_stage import problem, upload
from tests.integration.test_renders_api import png
from tests.unit.test_fonts import a_font

TTF, PNG = {"Content-Type": "font/ttf"}, {"Content-Type": "image/png"}
SOURCE = '#set text(font: "Brandish")\n= #json("data.json").name\n#image(json("data.json").logo, width: 1cm)'


@pytest.fixture(autouse=True)
async def generator(api: Api) -> AsyncIterator[None]:
    pool, stop = RenderPool(SandboxLimits(workers=1, spare=0)), asyncio.Event()
    await pool.start()
    server = WorkbenchServer(Asks(api.scripts), GuestPool(pool), api.blobs, AskMetrics(CollectorRegistry()), drain_s=1)
    serving = asyncio.create_task(server.run(stop, asyncio.Event()))
    yield
    stop.set()
    await asyncio.wait_for(serving, 10)
    await pool.close()


def renamed(font: Path, family: str) -> bytes:
    """Give a real font another family name of the same length, so that no offset moves."""
    content = font.read_bytes()
    old = "DejaVu Sans".encode("utf-16-be")
    new = family.ljust(11).encode("utf-16-be")
    assert old in content and len(new) == len(old)
    return content.replace(old, new).replace(b"DejaVu Sans", family.ljust(11).encode())


async def bundle_of(api: Api, name: str) -> TemplateBundle:
    versions = (await api.admin.get(f"/v1/templates/{name}/versions")).json()["items"]
    packed = await api.blobs.get(bundle_key(versions[0]["sha256"]))
    assert packed is not None
    return TemplateBundle.unpack(packed)


async def test_a_version_has_the_fonts_that_it_names_and_is_made_with_its_assets(api: Api) -> None:
    font = renamed(FONTS / "DejaVuSans.ttf", "Brandish")
    assert (await api.admin.post("/v1/fonts", content=font, headers=TTF)).status_code == 201
    await api.admin.post("/v1/fonts", content=a_font("Unnamed"), headers=TTF)
    logo = (await api.admin.post("/v1/assets", content=png(), headers=PNG)).json()["asset"]
    sample = {"name": "Ada", "logo": {"$asset": logo}}
    answer = await upload(api.admin, content=SOURCE.encode(), sample=json.dumps(sample))
    assert answer.status_code == 201, answer.text
    assert answer.json()["warnings"] == []
    files = (await bundle_of(api, "note")).files
    assert [content for name, content in files.items() if name.startswith("fonts/")] == [font]
    made = await api.admin.post("/v1/render", json={"template": "note", "data": sample})
    assert made.status_code == 200 and b"DejaVuSans" in made.content  # what the file is called inside


async def test_a_sample_names_assets_of_whoever_uploads_it(api: Api) -> None:
    ann, _ = await api.user(email="ann@example.com")
    logo = (await api.admin.post("/v1/assets", content=png(), headers=PNG)).json()["asset"]
    sample = {"name": "Ada", "logo": {"$asset": logo}}
    refused = await upload(ann, content=SOURCE.encode(), sample=json.dumps(sample))
    assert problem(refused)[:2] == (422, "invalid_request")
    assert refused.json()["errors"][0]["pointer"] == "/sample/logo/$asset"
    plain = b"= Hello"
    assert (await upload(ann, content=plain)).status_code == 201
    changed = await ann.patch("/v1/templates/note", json={"sample": sample})
    assert changed.json()["errors"][0]["code"] == "unknown_asset"


async def test_a_font_that_only_looks_like_one_harms_no_other_document(api: Api) -> None:
    await api.admin.post("/v1/fonts", content=a_font("Brandish"), headers=TTF)
    source = b'#set text(font: "Brandish")\n= Hello'
    answer = await upload(api.admin, content=source, sample="{}")
    assert answer.status_code in (201, 422), answer.text
    assert (
        await api.admin.post("/v1/render", json={"source": {"engine": "typst", "content": "= Hi"}})
    ).status_code == 200
