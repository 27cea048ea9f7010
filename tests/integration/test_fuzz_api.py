"""Whatever JSON arrives, the answer is a clear one: never a 500, always a problem with a code."""

import asyncio
import io
import json
import zipfile
from pathlib import Path

import httpx2
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from backends.clickhouse import ClickHouse
from tests.integration.conftest import running_api
from tests.integration.history_servers import Server
from tests.integration.template_stage import inspecting, made

json_values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**80), 2**80) | st.floats(allow_nan=False) | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=12), inner, max_size=4),
    max_leaves=12,
)
FIELDS = ("template", "source", "data", "format", "filename", "callback_url", "callback_headers", "locale", "timezone")
MORE = ("priority", "lane", "run_at", "expires_in", "subject", "metadata", "options", "surprise")
document = st.dictionaries(st.sampled_from(FIELDS + MORE), json_values, max_size=6)
likely = st.fixed_dictionaries(
    {
        "template": st.just("letter"),
        "data": st.fixed_dictionaries(
            {"to": st.fixed_dictionaries({"name": json_values})}, optional={"more": json_values}
        ),
    },
    optional={
        "subject": st.text(max_size=250),
        "lane": st.text(max_size=150),
        "filename": st.text(max_size=300),
        "metadata": st.dictionaries(st.text(max_size=30), st.text(max_size=30), max_size=5),
        "callback_url": st.text(max_size=60) | st.just("https://example.com/hook"),
        "callback_headers": st.dictionaries(st.text(max_size=20), st.text(max_size=20), max_size=3),
        "run_at": st.datetimes().map(lambda moment: f"{moment.isoformat()}Z") | st.text(max_size=30),
        "expires_in": st.integers(),
        "locale": st.text(max_size=12),
        "timezone": st.text(max_size=12) | st.just("Europe/Berlin"),
    },
)
user = st.dictionaries(st.sampled_from(("email", "name", "role", "status", "attrs", "x")), json_values, max_size=6)


def _zip(files: dict[str, bytes]) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return out.getvalue()


names = st.text(min_size=1, max_size=12) | st.sampled_from(("main.typ", "template.json", "a.docx", "../a", "C:\\a"))
zips = st.dictionaries(names, st.binary(max_size=60) | json_values.map(lambda value: json.dumps(value).encode())).map(
    _zip
)
template = st.dictionaries(
    st.sampled_from(
        ("visibility", "title", "description", "sample", "schema", "validation", "missing", "version", "x")
    ),
    json_values,
    max_size=4,
)
anything = st.one_of(document, likely, user, template, json_values)
CALLS = (
    ("POST", "/v1/documents"),
    ("POST", "/v1/users"),
    ("PATCH", "/v1/users/{me}"),
    ("POST", "/v1/users/{me}/keys"),
    ("POST", "/v1/render"),
    ("POST", "/v1/templates"),
    ("PATCH", "/v1/templates/mine"),
    ("PUT", "/v1/templates/mine/tags/beta"),
)
#: What a form may bring for each part of an upload, and parts that it does not have.
parts = st.lists(
    st.tuples(
        st.sampled_from(("name", "file", "sample", "visibility", "publish", "x", "")),
        st.one_of(
            st.tuples(st.none(), st.text(max_size=30) | json_values.map(json.dumps)),
            st.tuples(
                st.sampled_from(("a.typ", "a.docx", "a.zip", "a.md", "a", "../a.typ", "\u0416.typ")),
                st.binary(max_size=60) | st.just(b"= Hello") | zips,
            ),
        ),
    ),
    max_size=5,
)
TEMPLATE_PATHS = (
    "/v1/templates/{}/versions",
    "/v1/templates/letter/versions/{}",
    "/v1/templates/letter/versions/{}/source",
    "/v1/templates/letter/tags/{}",
    "/v1/templates/letter?owner_id={}",
)
STRANGE = ("%00", "..%2f..", "%f0%9f%92%a9", "0" * 300, "7" * 5000, "'", "01a2066a-006f-74e4-be57-510843db21c0")


def unclear(response: httpx2.Response) -> str:
    """Say what is unclear about an answer; nothing if it is a success, or a problem as the contract has it."""
    if response.status_code < 400:
        return ""
    if response.status_code >= 500 or response.headers["Content-Type"] != "application/problem+json":
        return response.text
    body = response.json()
    if missing := {"type", "title", "status", "detail", "code", "request_id", "retryable"} - body.keys():
        return f"{missing} missing: {response.text}"
    pointed = body.get("errors") and all(flaw["pointer"] == "" or flaw["pointer"][0] == "/" for flaw in body["errors"])
    return response.text if body["code"] == "invalid_request" and not pointed else ""


@pytest.mark.timeout(240)
async def test_any_json_gets_a_clear_answer(
    redis_node: Server, redis: object, clickhouse: ClickHouse, tmp_path: Path
) -> None:
    async with running_api(redis_node.url, clickhouse, tmp_path) as api, inspecting(api):
        await made(api.admin, "mine")
        me = (await api.admin.get("/v1/me")).json()["user"]["id"]
        loop = asyncio.get_running_loop()

        @settings(max_examples=250, deadline=None, suppress_health_check=list(HealthCheck))
        @given(call=st.sampled_from(CALLS), body=anything)
        def fuzz(call: tuple[str, str], body: object) -> None:
            # The standard library writes what is not JSON too: Infinity, lone surrogates.
            content, headers = json.dumps(body), {"Content-Type": "application/json"}
            request = api.admin.request(call[0], call[1].format(me=me), content=content, headers=headers)
            assert unclear(asyncio.run_coroutine_threadsafe(request, loop).result(30)) == ""

        await asyncio.to_thread(fuzz)


@pytest.mark.timeout(240)
async def test_any_form_gets_a_clear_answer(
    redis_node: Server, redis: object, clickhouse: ClickHouse, tmp_path: Path
) -> None:
    async with running_api(redis_node.url, clickhouse, tmp_path) as api, inspecting(api):
        await made(api.admin, "mine")
        loop = asyncio.get_running_loop()

        @settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck))
        @given(path=st.sampled_from(("/v1/templates", "/v1/templates/mine/versions")), form=parts)
        def fuzz(path: str, form: list[tuple[str, tuple[str | None, str | bytes]]]) -> None:
            request = api.admin.post(path, files=form)
            assert unclear(asyncio.run_coroutine_threadsafe(request, loop).result(30)) == ""

        await asyncio.to_thread(fuzz)


@pytest.mark.timeout(240)
async def test_any_path_and_query_gets_a_clear_answer(
    redis_node: Server, redis: object, clickhouse: ClickHouse, tmp_path: Path
) -> None:
    async with running_api(redis_node.url, clickhouse, tmp_path) as api:
        for strange in STRANGE:
            for path in (
                "/v1/users/{}",
                "/v1/documents/{}",
                "/v1/documents/{}/content",
                "/v1/templates/{}",
                "/{}",
                *TEMPLATE_PATHS,
            ):
                for method in ("GET", "DELETE", "POST", "PUT", "PATCH", "OPTIONS"):
                    assert unclear(await api.admin.request(method, path.format(strange))) == ""
            for path in ("/v1/users", "/v1/documents", "/v1/templates"):
                for name in ("limit", "cursor", "q", "status", "user_id", "metadata[x]", "created_after", "wait"):
                    assert unclear(await api.admin.get(f"{path}?{name}={strange}")) == ""


@pytest.mark.parametrize("path", ["/v1/documents", "/v1/render"])
@pytest.mark.parametrize("depth", [70, 190, 198, 199, 200, 260, 20_000])
async def test_deep_data_is_refused_where_nothing_could_be_made_of_it(
    redis_node: Server, redis: object, clickhouse: ClickHouse, tmp_path: Path, depth: int, path: str
) -> None:
    async with running_api(redis_node.url, clickhouse, tmp_path) as api:
        text = '{"template": "letter", "data": {"to": {"name": "A"}, "x": ' + "[" * depth + "]" * depth + "}}"
        response = await api.admin.post(path, content=text, headers={"Content-Type": "application/json"})
        assert unclear(response) == ""
        assert response.status_code in (400, 422)
        assert response.status_code == 400 or response.json()["errors"][0]["pointer"] == "/data"


async def test_numbers_beyond_64_bits_arrive_unchanged(
    redis_node: Server, redis: object, clickhouse: ClickHouse, tmp_path: Path
) -> None:
    async with running_api(redis_node.url, clickhouse, tmp_path) as api:
        data = {"to": {"name": "A"}, "big": 2**80, "small": -(2**70), "exact": 1731234567890123, "empty": []}
        accepted = (await api.admin.post("/v1/documents", json={"template": "letter", "data": data})).json()
        stored = await api.scripts.redis.get(f"{{pw}}:job:{accepted['id']}")
        assert json.loads(stored)["data"] == data
