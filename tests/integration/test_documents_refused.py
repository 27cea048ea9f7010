"""What is no request for a document is refused over HTTP, and told why."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.integration.conftest import Api, running_api
from tests.integration.history_servers import Server
from tests.integration.instant_pool import InstantPool, completed, pool, request

__all__ = ["pool"]


async def test_an_accept_header_that_fits_nothing_is_a_406_and_nothing_is_accepted(api: Api) -> None:
    response = await request(api.admin, {"Accept": "image/gif"})
    assert (response.status_code, response.json()["code"]) == (406, "not_acceptable")
    assert (await api.queue.lengths())["open"] == 0


WORD = {"engine": "docx", "content": "UEsDBA==", "encoding": "base64"}


@pytest.mark.parametrize(
    ("changes", "pointer", "code"),
    [
        ({"template": "nope"}, "/template", "unknown_template"),
        ({"template": "letter@9"}, "/template", "unknown_template"),
        ({"template": "letter@beta"}, "/template", "unknown_template"),
        ({"template": "../etc"}, "/template", "unknown_template"),
        ({"format": "png"}, "/format", "unsupported_format"),
        ({"format": "exe"}, "/format", "literal_error"),
        ({"data": {"to": {}}}, "/data/to/name", "data_missing"),
        ({"data": []}, "/data", "dict_type"),
        ({"metadata": {"a": 1}}, "/metadata/a", "string_type"),
        ({"metadata": {"a": "b" * 5000}}, "/metadata", "too_large"),
        ({"colour": "red"}, "/colour", "unknown_field"),
        ({"options": {"fast": True}}, "/options/fast", "unknown_field"),
        ({"options": {"timeout_s": 999}}, "/options/timeout_s", "too_large"),
        ({"filename": "../../x.pdf"}, "/filename", "invalid_value"),
        ({"locale": "no such"}, "/locale", "invalid_value"),
        ({"timezone": "Mars/Base"}, "/timezone", "invalid_value"),
        ({"run_at": "2026-01-01T00:00:00"}, "/run_at", "timezone_aware"),
        ({"callback_url": "ftp://example.com"}, "/callback_url", None),
        ({"callback_url": "http://10.0.0.7/hook"}, "/callback_url", None),
        ({"callback_url": "http://127.0.0.1:9000/"}, "/callback_url", None),
        ({"callback_url": "http://[::1]/"}, "/callback_url", None),
        ({"callback_url": "http://2130706433/"}, "/callback_url", None),
        ({"source": {"engine": "html", "content": "<p>"}, "template": None}, "/source/engine", "not_available"),
        ({"source": {"engine": "docx", "content": "PK"}, "template": None, "format": "docx"}, "/source/encoding", None),
        ({"source": {**WORD, "content": "P-"}, "template": None, "format": "docx"}, "/source/content", None),
        ({"source": WORD, "template": None}, "/format", "unsupported_format"),
        ({"source": {"engine": "typst", "content": "x"}}, "", "template_or_source"),
    ],
)
async def test_a_bad_field_is_named(api: Api, changes: dict[str, object], pointer: str, code: str | None) -> None:
    response = await request(api.admin, **changes)
    assert response.status_code == 422, response.text
    (flaw,) = response.json()["errors"]
    assert flaw["pointer"] == pointer
    assert code is None or flaw["code"] == code
    assert (await api.queue.lengths())["open"] == 0


async def test_a_private_callback_says_which_setting_would_allow_it(api: Api) -> None:
    flaw = (await request(api.admin, callback_url="http://127.0.0.1:9000/")).json()["errors"][0]
    assert "PRESSWORK_WEBHOOK_ALLOW" in flaw["detail"]


@pytest.mark.parametrize(
    "body",
    [b"{", b'{"a": NaN}', b'{"template": "letter", "data": {"x": Infinity}}', b"\xff\xfe", b"[" * 5000, b'"\\ud800"'],
)
async def test_malformed_json_is_a_400(api: Api, body: bytes) -> None:
    response = await api.admin.post("/v1/documents", content=body, headers={"Content-Type": "application/json"})
    assert (response.status_code, response.json()["code"]) == (400, "malformed_json"), response.text


async def test_a_body_over_the_limit_is_a_413_whether_it_says_its_length_or_not(api: Api) -> None:
    big = b'{"data": "' + b"x" * 2_000_000 + b'"}'

    async def pieces() -> AsyncIterator[bytes]:
        for start in range(0, len(big), 65_536):
            yield big[start : start + 65_536]

    for content in (big, pieces()):
        response = await api.admin.post("/v1/documents", content=content, headers={"Content-Type": "application/json"})
        assert (response.status_code, response.json()["code"]) == (413, "body_too_large")


async def test_another_media_type_is_a_415(api: Api) -> None:
    response = await api.admin.post("/v1/documents", content=b"a=b")
    assert (response.status_code, response.json()["code"]) == (415, "unsupported_media_type")


async def test_unknown_query_parameters_are_refused(api: Api) -> None:
    response = await api.admin.get("/v1/documents", params={"colour": "red", "limit": 1})
    assert response.status_code == 422 and response.json()["errors"][0]["pointer"] == "/colour"


async def test_simulate_is_for_admins_unless_it_is_allowed(api: Api) -> None:
    client, _ = await api.user()
    options = {"simulate": {"seconds": 0.1, "pages": 2}}
    assert (await request(client, options=options)).status_code == 403
    assert (await request(api.admin, options=options)).status_code == 202


async def test_a_users_own_limit_is_a_429(redis_node: Server, api: Api, tmp_path: Path) -> None:
    async with running_api(redis_node.url, api.clickhouse, tmp_path, max_open_per_user=1) as small:
        client, _ = await small.user(email="limited@example.com")
        assert (await request(client)).status_code == 202
        refused = await request(client)
        assert (refused.status_code, refused.json()["code"]) == (429, "too_many_documents")
        assert int(refused.headers["Retry-After"]) > 0


NINES = "9" * 5000


@pytest.mark.parametrize(
    ("changes", "pointer"),
    [
        ({"run_at": "0001-01-01T00:00:00+14:00"}, "/run_at"),
        ({"run_at": "9999-12-31T23:59:59-14:00"}, "/run_at"),
        ({"metadata": {"": "x"}}, "/metadata/"),
        ({"metadata": {"a\u0000": "x"}}, None),
    ],
)
async def test_values_at_the_edge_are_refused(api: Api, changes: dict[str, object], pointer: str | None) -> None:
    response = await request(api.admin, **changes)
    assert response.status_code == 422, response.text
    assert pointer is None or response.json()["errors"][0]["pointer"].startswith(pointer)


async def test_numbers_without_end_in_headers_are_no_accident(api: Api, pool: InstantPool) -> None:
    accepted = await request(api.admin, {"Prefer": f"wait={NINES}"})
    assert accepted.status_code == 202
    path = f"/v1/documents/{(await completed(api))['id']}/content"
    for span in (f"bytes=0-{NINES}", f"bytes=-{NINES}", f"bytes={NINES}-"):
        assert (await api.admin.get(path, headers={"Range": span})).status_code == 200
    me = (await api.admin.get("/v1/me")).json()["user"]["id"]
    changed = await api.admin.patch(f"/v1/users/{me}", json={"name": "x"}, headers={"If-Match": f'"{NINES}"'})
    assert changed.status_code == 412


@pytest.mark.parametrize("number", ["1e999", "-1e400", "9" * 400 + ".5"])
async def test_a_number_that_is_infinite_is_malformed(api: Api, number: str) -> None:
    body = f'{{"template": "letter", "data": {{"to": {{"name": {number}}}}}}}'
    response = await api.admin.post("/v1/documents", content=body, headers={"Content-Type": "application/json"})
    assert (response.status_code, response.json()["code"]) == (400, "malformed_json")
