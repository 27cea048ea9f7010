"""The bytes of a document over HTTP."""

from tests.integration.conftest import Api
from tests.integration.instant_pool import InstantPool, completed, pool, request

__all__ = ["pool"]


async def test_the_bytes_are_the_answer_when_accept_asks_for_them(api: Api, pool: InstantPool) -> None:
    response = await request(api.admin, {"Accept": "application/pdf"})
    assert response.status_code == 200 and response.content.startswith(b"%PDF-")
    assert response.headers["Content-Type"] == "application/pdf"
    assert response.headers["Location"].startswith("/v1/documents/")


async def test_content_has_a_type_a_name_a_tag_and_ranges(api: Api, pool: InstantPool) -> None:
    document = await completed(api, filename="Rechnung ü 7.pdf")
    path = f"/v1/documents/{document['id']}/content"
    whole = await api.admin.get(path)
    assert whole.headers["ETag"] == f'"{document["result"]["sha256"]}"'  # type: ignore[index]
    assert (
        whole.headers["X-Content-Type-Options"] == "nosniff" and "sandbox" in whole.headers["Content-Security-Policy"]
    )
    assert "filename*=UTF-8''Rechnung%20%C3%BC%207.pdf" in whole.headers["Content-Disposition"]
    part = await api.admin.get(path, headers={"Range": "bytes=2-5"})
    assert (part.status_code, part.content) == (206, whole.content[2:6])
    assert part.headers["Content-Range"] == f"bytes 2-5/{len(whole.content)}"
    assert (await api.admin.get(path, headers={"Range": "bytes=-3"})).content == whole.content[-3:]
    beyond = await api.admin.get(path, headers={"Range": "bytes=999999-"})
    assert beyond.status_code == 416 and beyond.headers["Content-Range"] == f"bytes */{len(whole.content)}"
    assert (await api.admin.get(path, headers={"If-None-Match": whole.headers["ETag"]})).status_code == 304
    head = await api.admin.head(path)
    assert head.content == b"" and head.headers["Content-Length"] == str(len(whole.content))


async def test_large_content_arrives_whole(api: Api, pool: InstantPool) -> None:
    document = await completed(api, data={"to": {"name": "A"}, "times": 40_000})
    content = (await api.admin.get(f"/v1/documents/{document['id']}/content")).content
    assert len(content) == document["result"]["bytes"] > 1_000_000  # type: ignore[index]


async def test_a_signed_link_needs_no_key_and_cannot_be_changed(api: Api, pool: InstantPool) -> None:
    url = (await completed(api))["result"]["url"]  # type: ignore[index]
    path = url.removeprefix("http://127.0.0.1:8000")
    stranger = api.client(None)
    assert (await stranger.get(path)).status_code == 200
    assert (await stranger.get(path.partition("?")[0])).status_code == 401
    assert (await stranger.get(path[:-2] + "xx")).status_code == 401
    assert (await stranger.get(path.replace("expires=1", "expires=2"))).status_code == 401


async def test_content_before_the_end_and_of_a_failure_are_told_apart(api: Api, pool: InstantPool) -> None:
    pool.gate.clear()
    path = (await request(api.admin)).headers["Location"]
    early = await api.admin.get(f"{path}/content")
    assert (early.status_code, early.json()["code"]) == (409, "not_ready")
    pool.gate.set()
    failed = await request(api.admin, {"Prefer": "wait=10"}, data={"to": {"name": "A"}, "fail": "template_error"})
    late = await api.admin.get(f"/v1/documents/{failed.json()['document_id']}/content")
    assert (late.status_code, late.json()["code"]) == (409, "document_failed")


async def test_content_whose_bytes_are_gone_is_a_410(api: Api, pool: InstantPool) -> None:
    document = await completed(api)
    await api.blobs.delete_prefix(f"results/{document['id']}")
    gone = await api.admin.get(f"/v1/documents/{document['id']}/content")
    assert (gone.status_code, gone.json()["code"]) == (410, "expired")
