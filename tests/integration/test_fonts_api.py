"""GET, POST and DELETE /v1/fonts: who sees which, who may share, what is refused."""

from pathlib import Path

from backends.clickhouse import ClickHouse
from generator.renderers.registry import FONTS
from tests.integration.conftest import Api, running_api
from tests.integration.history_servers import Server
from tests.unit.test_fonts import a_font

TTF = {"Content-Type": "font/ttf"}


async def test_fonts_are_uploaded_and_listed_with_those_that_ship(api: Api) -> None:
    ann, ann_id = await api.user(email="ann@example.com")
    bob, _ = await api.user(email="bob@example.com")
    made = await ann.post("/v1/fonts", content=a_font(), headers=TTF)
    assert made.status_code == 201, made.text
    font = made.json()["font"]
    assert (font["family"], font["style"], font["size"]) == ("Brand", "Bold", len(a_font()))
    assert (font["owner_id"], font["visibility"]) == (ann_id, "private")
    listed = (await ann.get("/v1/fonts")).json()["items"]
    assert listed[0] == font and {"Inter", "Libertinus Serif"} <= {one["family"] for one in listed}
    assert font not in (await bob.get("/v1/fonts")).json()["items"]
    assert font in (await api.admin.get("/v1/fonts")).json()["items"]
    again = await ann.post("/v1/fonts", content=a_font(), headers=TTF)
    assert again.json() == made.json() and (await ann.get("/v1/fonts")).json()["items"] == listed


async def test_an_admin_shares_fonts_and_nobody_else(api: Api) -> None:
    ann, _ = await api.user()
    refused = await ann.post("/v1/fonts?visibility=shared", content=a_font(), headers=TTF)
    assert (refused.status_code, refused.json()["code"]) == (403, "forbidden")
    shared = await api.admin.post("/v1/fonts?visibility=shared", content=a_font(), headers=TTF)
    assert shared.json()["font"] in (await ann.get("/v1/fonts")).json()["items"]
    viewer, _ = await api.user("viewer")
    assert (await viewer.post("/v1/fonts", content=a_font(), headers=TTF)).status_code == 403
    assert (await viewer.get("/v1/fonts")).status_code == 200


async def test_a_list_has_pages(api: Api) -> None:
    for number in range(3):
        await api.admin.post("/v1/fonts", content=a_font(f"Brand {number}"), headers=TTF)
    seen, cursor = [], ""
    while cursor is not None:
        page = (await api.admin.get(f"/v1/fonts?limit=2{cursor and '&cursor=' + cursor}")).json()
        seen += [(font["family"], font["style"]) for font in page["items"]]
        cursor = page["next_cursor"]
    assert len(seen) == len(set(seen)) == 13
    assert seen[:3] == [("Brand 2", "Bold"), ("Brand 1", "Bold"), ("Brand 0", "Bold")]


async def test_what_is_no_font_is_refused(api: Api) -> None:
    for content in (b"", b"OTTO", b"%PDF-", a_font()[:60], (FONTS / "Inter-Bold.otf").read_bytes()[:10_000]):
        refused = await api.admin.post("/v1/fonts", content=content, headers=TTF)
        problem = refused.json()
        assert (refused.status_code, problem["errors"][0]["code"]) == (422, "invalid_font"), problem
    assert (
        await api.admin.post("/v1/fonts", content=a_font(), headers={"Content-Type": "text/css"})
    ).status_code == 415
    large = a_font() + bytes(api.app.state.settings.max_font_bytes)
    assert (await api.admin.post("/v1/fonts", content=large, headers=TTF)).status_code == 413
    assert (await api.admin.post("/v1/fonts?visibility=public", content=a_font(), headers=TTF)).status_code == 422


async def test_a_font_is_deleted_by_its_owner_or_an_admin(api: Api) -> None:
    ann, ann_id = await api.user(email="ann@example.com")
    bob, _ = await api.user(email="bob@example.com")
    font = (await ann.post("/v1/fonts", content=a_font(), headers=TTF)).json()["font"]
    path = f"/v1/fonts/{font['sha256']}"
    for client, where in ((bob, path), (bob, f"{path}?owner_id={ann_id}"), (api.admin, path), (ann, "/v1/fonts/Brand")):
        missing = await client.delete(where)
        assert (missing.status_code, missing.json()["code"]) == (404, "not_found")
    assert (await ann.delete(path)).status_code == 204
    assert font not in (await ann.get("/v1/fonts")).json()["items"] and (await ann.delete(path)).status_code == 404
    await ann.post("/v1/fonts", content=a_font(), headers=TTF)
    assert (await api.admin.delete(f"{path}?owner_id={ann_id}")).status_code == 204
    assert (await ann.delete(path)).status_code == 404


async def test_a_user_has_only_so_many_fonts(redis_node: Server, clickhouse: ClickHouse, tmp_path: Path) -> None:
    async with running_api(redis_node.url, clickhouse, tmp_path, max_fonts_per_user=1) as api:
        await api.admin.post("/v1/fonts", content=a_font("One"), headers=TTF)
        refused = await api.admin.post("/v1/fonts", content=a_font("Two"), headers=TTF)
        assert (refused.status_code, refused.json()["code"]) == (409, "too_many_fonts")
