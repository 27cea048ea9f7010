"""Uploading templates over HTTP: what becomes of a file, and what is refused."""

import asyncio
import io
import json
import zipfile
from collections.abc import AsyncIterator

import pytest

from tests.integration.conftest import Api
from tests.integration.template_stage import INFERRED, Inspector, add, inspecting, made, problem, upload, zipped


@pytest.fixture(autouse=True)
async def inspector(api: Api) -> AsyncIterator[Inspector]:
    async with inspecting(api) as running:
        yield running


async def test_an_uploaded_template_is_checked_stored_and_in_production(api: Api, inspector: Inspector) -> None:
    member, owner = await api.user()
    answer = await upload(member, sample='{"name": "Ada"}')
    assert (answer.status_code, answer.headers["Location"]) == (201, "/v1/templates/note")
    shown = answer.json()
    assert (shown["owner_id"], shown["visibility"], shown["tags"]) == (owner, "private", {"production": 1})
    assert (shown["version"], shown["example"], shown["sample"]) == (1, {"name": "text"}, {"name": "Ada"})
    assert shown["warnings"] == [{"code": "template_warning", "message": "unknown font family"}]
    (ask,) = inspector.seen
    assert (ask.name, ask.sample) == ("note", {"name": "Ada"})
    read = await member.get("/v1/templates/note")
    assert read.json() == {name: shown[name] for name in read.json()} and read.headers["ETag"] == '"1"'
    assert (await member.get("/v1/templates/note", headers={"If-None-Match": '"1"'})).status_code == 304
    accepted = await member.post("/v1/documents", json={"template": "note", "data": {"name": "Ada"}})
    assert accepted.status_code == 202


async def test_a_template_that_does_not_compile_is_refused_with_the_place_and_is_not_there(api: Api) -> None:
    member, _ = await api.user()
    answer = await upload(member, content=b"BROKEN")
    assert problem(answer)[:2] == (422, "template_error")
    error = answer.json()["error"]
    assert (error["line"], error["hint"], error["template"]) == (1, "total?", "note")
    assert (await member.get("/v1/templates/note")).status_code == 404
    assert problem(await upload(member, content=b"INTERNAL"))[:2] == (422, "render_crashed")


async def test_the_next_version_is_used_once_it_is_published(api: Api) -> None:
    member, _ = await api.user()
    await made(member)
    second = await add(member, b"= Two")
    assert (second.status_code, second.json()["version"], second.json()["tags"]) == (201, 2, {"production": 1})
    third = await add(member, b"= Two", publish="true")
    assert (third.json()["version"], third.json()["tags"]) == (3, {"production": 3}), "equal bytes are a version, too"
    items = (await member.get("/v1/templates/note/versions")).json()["items"]
    assert [(item["version"], item["tags"]) for item in items] == [(3, ["production"]), (2, []), (1, [])]
    assert items[0]["sha256"] == items[1]["sha256"] != items[2]["sha256"]
    assert (await member.get("/v1/templates/note/versions/2")).json() == items[1]
    assert (await member.get("/v1/templates/note/versions/9")).status_code == 404
    page = (await member.get("/v1/templates/note/versions?limit=2")).json()
    rest = await member.get("/v1/templates/note/versions", params={"limit": 2, "cursor": page["next_cursor"]})
    assert [item["version"] for item in rest.json()["items"]] == [1]
    assert problem(await add(member, b"BROKEN"))[:2] == (422, "template_error")


async def test_a_version_may_repeat_the_name_of_its_template_and_no_other(api: Api) -> None:
    member, _ = await api.user()
    await made(member)
    path = "/v1/templates/note/versions"
    same = await member.post(path, data={"name": "note"}, files={"file": ("a.typ", b"= A")})
    other = await member.post(path, data={"name": "other"}, files={"file": ("a.typ", b"= A")})
    assert (same.status_code, problem(other)) == (201, (422, "invalid_request", "/name"))


@pytest.mark.parametrize("files", [{"note.typ": "= A"}, {"a.typ": '#image("l.png")', "l.png": b"\x89PNG"}])
async def test_a_source_is_downloaded_as_it_was_uploaded(api: Api, files: dict[str, bytes | str]) -> None:
    member, _ = await api.user()
    await made(member, content=zipped(files), filename="t.zip")
    answer = await member.get("/v1/templates/note/versions/1/source")
    assert answer.status_code == 200 and answer.headers["X-Content-Type-Options"] == "nosniff"
    if len(files) == 1:
        assert answer.content == b"= A" and 'filename="note.typ"' in answer.headers["Content-Disposition"]
        return
    assert 'filename="note.zip"' in answer.headers["Content-Disposition"]
    with zipfile.ZipFile(io.BytesIO(answer.content)) as archive:
        assert set(archive.namelist()) == {*files, "template.json"} and archive.read("l.png") == files["l.png"]
    again = await made(member, "again", answer.content, filename="t.zip")
    digests = [(await member.get(f"/v1/templates/{name}/versions/1")).json()["sha256"] for name in ("note", "again")]
    assert digests[0] == digests[1] and again["formats"] == ["pdf", "png", "svg"]


async def test_a_zip_says_what_it_is_called_and_for(api: Api) -> None:
    member, _ = await api.user()
    described = {"title": "Note", "description": "Short.", "sources": [{"file": "a.typ", "formats": ["pdf"]}]}
    content = zipped({"a.typ": "= A", "b.docx": "PK"}, {**described})
    shown = await made(member, content=content, filename="t.zip")
    assert (shown["title"], shown["description"], shown["formats"]) == ("Note", "Short.", ["pdf"])


async def test_names_are_unique_for_their_owner_and_those_of_shipped_templates_reserved(api: Api) -> None:
    member, _ = await api.user()
    other, _ = await api.user()
    await made(member)
    assert problem(await upload(member))[:2] == (409, "name_taken")
    await made(other)
    assert problem(await upload(member, "letter"))[:2] == (409, "name_reserved")


async def test_six_that_want_one_name_at_once_make_one_template(api: Api) -> None:
    member, _ = await api.user()
    answers = await asyncio.gather(*(upload(member, content=b"= %d" % number) for number in range(6)))
    assert sorted(answer.status_code for answer in answers) == [201] + [409] * 5
    shown = (await member.get("/v1/templates/note/versions")).json()["items"]
    assert [item["version"] for item in shown] == [1]


async def test_versions_published_at_once_get_numbers_of_their_own(api: Api) -> None:
    member, _ = await api.user()
    await made(member)
    answers = await asyncio.gather(*(add(member, b"= %d" % number, publish="true") for number in range(6)))
    numbers = sorted(answer.json()["version"] for answer in answers)
    assert numbers == [2, 3, 4, 5, 6, 7]
    assert (await member.get("/v1/templates/note")).json()["tags"] == {"production": 7}


@pytest.mark.parametrize(
    ("parts", "filename", "content", "pointer"),
    [
        ({"name": "Not A Name"}, "a.typ", b"= A", "/name"),
        ({"name": "n", "surprise": "1"}, "a.typ", b"= A", "/surprise"),
        ({"name": "n", "sample": "{"}, "a.typ", b"= A", "/sample"),
        ({"name": "n", "sample": "[]"}, "a.typ", b"= A", "/sample"),
        ({"name": "n", "sample": '{"a": 1e999}'}, "a.typ", b"= A", "/sample"),
        ({"name": "n", "sample": '{"a": {"b": 1, "b": 2}}'}, "a.typ", b"= A", "/sample/a/b"),
        ({"name": "n", "sample": json.dumps({"a": "x" * 300_000})}, "a.typ", b"= A", "/sample"),
        ({"name": "n", "visibility": "public"}, "a.typ", b"= A", "/visibility"),
        ({"name": "n", "publish": "maybe"}, "a.typ", b"= A", "/publish"),
        ({"name": "n", "publish": "false"}, "a.typ", b"= A", "/publish"),
        ({}, "a.typ", b"= A", "/name"),
        ({"name": "n"}, "a.html", b"<p>", "/file"),
        ({"name": "n"}, "a.zip", b"no zip", "/file"),
        ({"name": "n"}, "a.zip", zipped({"a.typ": "x"}, {"surprise": 1}), "/file/template.json/surprise"),
    ],
)
async def test_what_is_wrong_with_a_form_is_pointed_at(
    api: Api, parts: dict[str, str], filename: str, content: bytes, pointer: str
) -> None:
    answer = await api.admin.post("/v1/templates", data=parts, files={"file": (filename, content)})
    assert problem(answer) == (422, "invalid_request", pointer), answer.text


async def test_what_is_no_form_with_a_file_is_refused(api: Api) -> None:
    post = api.admin.post
    assert problem(await post("/v1/templates", json={"name": "n"}))[0] == 415
    assert problem(await post("/v1/templates", content=b""))[0] == 415
    broken = {"Content-Type": "multipart/form-data"}
    assert problem(await post("/v1/templates", content=b"x", headers=broken))[:2] == (422, "invalid_request")
    assert problem(await post("/v1/templates", files={"name": ("n", b"x")})) == (422, "invalid_request", "/file")
    no_name = await post("/v1/templates", data={"name": "n", "file": "= A"}, files={"sample": ("s", b"{}")})
    assert problem(no_name) == (422, "invalid_request", "/file")
    twice = [("file", ("a.typ", b"= A")), ("file", ("b.typ", b"= B"))]
    assert problem(await post("/v1/templates", data={"name": "n"}, files=twice))[1:] == ("invalid_request", "/file")
    many = [("file", (f"{number}.typ", b"x")) for number in range(40)]
    assert problem(await post("/v1/templates", files=many))[:2] == (422, "invalid_request")


async def test_a_file_larger_than_json_may_be_is_taken_and_one_over_its_limit_refused(api: Api) -> None:
    assert (await upload(api.admin, content=b"x" * 3_000_000)).status_code == 201
    assert problem(await upload(api.admin, "big", b"x" * 21_000_000))[:2] == (413, "body_too_large")


async def test_the_schema_is_the_inferred_one_of_production_until_one_is_given(api: Api) -> None:
    member, _ = await api.user()
    await made(member)
    inferred = await member.get("/v1/templates/note/schema")
    assert (inferred.json(), inferred.headers["Presswork-Schema"]) == (INFERRED, "inferred")
    await member.patch("/v1/templates/note", json={"schema": {"type": "object"}})
    given = await member.get("/v1/templates/note/schema")
    assert (given.json(), given.headers["Presswork-Schema"]) == ({"type": "object"}, "given")
