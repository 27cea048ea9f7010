"""GET and DELETE /v1/assets: each user's own, an admin's way to those of others, and limits."""

from pathlib import Path

import httpx2

from backends.clickhouse import ClickHouse
from tests.integration.conftest import Api, running_api
from tests.integration.history_servers import Server
from tests.unit.pictures import picture as png

PNG = {"Content-Type": "image/png"}


async def upload(client: httpx2.AsyncClient, content: bytes) -> str:
    answer = await client.post("/v1/assets", content=content, headers=PNG)
    assert answer.status_code == 201, answer.text
    return str(answer.json()["asset"])


async def listed(client: httpx2.AsyncClient, query: str = "") -> list[str]:
    return [item["asset"] for item in (await client.get(f"/v1/assets{query}")).json()["items"]]


async def test_assets_are_listed_newest_first_in_pages(api: Api) -> None:
    names = [await upload(api.admin, png() + bytes([number])) for number in range(5)]
    page = (await api.admin.get("/v1/assets?limit=2")).json()
    first = page["items"][0]
    assert {**first, "created_at": "", "used_at": ""} == {
        "asset": names[4],
        "media_type": "image/png",
        "size": len(png()) + 1,
        "created_at": "",
        "used_at": "",
    }
    assert first["created_at"].endswith("Z") and first["used_at"] >= first["created_at"]
    seen = [item["asset"] for item in page["items"]]
    while page["next_cursor"]:
        page = (await api.admin.get(f"/v1/assets?limit=2&cursor={page['next_cursor']}")).json()
        seen += [item["asset"] for item in page["items"]]
    assert seen == names[::-1]
    await upload(api.admin, png() + bytes([0]))
    assert await listed(api.admin) == names[::-1], "uploading again changes nothing"


async def test_whose_assets_are_whose(api: Api) -> None:
    ann, ann_id = await api.user(email="ann@example.com")
    bob, _ = await api.user(email="bob@example.com")
    viewer, _ = await api.user("viewer")
    seer, _ = await api.user("viewer", scopes=["all"])
    name = await upload(ann, png())
    assert await listed(bob) == await listed(api.admin) == await listed(viewer) == []
    assert await listed(api.admin, f"?owner_id={ann_id}") == await listed(seer, f"?owner_id={ann_id}") == [name]
    for client in (bob, viewer):
        assert (await client.get(f"/v1/assets?owner_id={ann_id}")).status_code == 404
    assert (await bob.delete(f"/v1/assets/{name}?owner_id={ann_id}")).status_code == 404
    assert (await seer.delete(f"/v1/assets/{name}?owner_id={ann_id}")).status_code == 403
    assert (await api.admin.delete(f"/v1/assets/{name}?owner_id={ann_id}")).status_code == 204
    assert await listed(ann) == []


async def test_a_deleted_asset_is_refused_in_new_data_and_stays_for_what_names_it(api: Api) -> None:
    name = await upload(api.admin, png())
    body = {"template": "letter", "data": {"to": {"name": "Ada"}, "logo": {"$asset": name}}}
    assert (await api.admin.post("/v1/documents", json=body)).status_code == 202
    for path in ("/v1/assets/logo", f"/v1/assets/sha256:{'0' * 64}", "/v1/assets/sha256:..%2F.."):
        assert (await api.admin.delete(path)).json()["code"] == "not_found"
    assert (await api.admin.delete(f"/v1/assets/{name.removeprefix('sha256:')}")).status_code == 204
    assert (await api.admin.delete(f"/v1/assets/{name}")).status_code == 404
    refused = (await api.admin.post("/v1/documents", json=body)).json()
    assert refused["errors"][0] == {
        "pointer": "/data/logo/$asset",
        "detail": f"You have no asset {name}: upload it with POST /v1/assets.",
        "code": "unknown_asset",
    }
    assert await api.blobs.get(f"assets/{name.removeprefix('sha256:')}") == png()


async def test_a_user_has_only_so_many_assets(redis_node: Server, clickhouse: ClickHouse, tmp_path: Path) -> None:
    async with running_api(redis_node.url, clickhouse, tmp_path, max_assets_per_user=1) as api:
        await upload(api.admin, png())
        refused = await api.admin.post("/v1/assets", content=png() + b"2", headers=PNG)
        assert (refused.status_code, refused.json()["code"]) == (409, "too_many_assets")
