"""Sessions of the panel, the walls around every page, and delegations over HTTP."""

import asyncio
import time

import httpx2
import pytest
from redis.asyncio import Redis

from backends.accounts import Accounts
from contracts.api_keys import digest
from contracts.delegation import Delegations
from contracts.secrets import derive
from generator.admin.sessions import Sessions, TooManyLogins
from tests.integration.conftest import SECRET_KEY, Api
from tests.integration.panel_stack import PanelStack, panel

__all__ = ["panel"]

KEYS = derive(SECRET_KEY, "api keys")


def sessions(api: Api, **settings: int) -> Sessions:
    values = {"ttl_s": 60, "logins_per_minute": 3} | settings
    return Sessions(api.scripts, Accounts(api.scripts), SECRET_KEY, **values)


async def test_an_admins_key_opens_a_session_and_a_logout_ends_it(api: Api) -> None:
    ours = sessions(api)
    cookie = await ours.login(f" {api.key}\n", "1.2.3.4")
    assert cookie is not None and len(cookie) >= 40
    session = await ours.open(cookie)
    assert session is not None and session.admin.role == "admin" and session.csrf == ours.csrf(cookie)
    assert await ours.login(api.key, "1.2.3.4") != cookie
    await ours.logout(cookie)
    assert await ours.open(cookie) is None


async def test_neither_key_nor_cookie_stand_in_redis(api: Api, redis: Redis) -> None:
    cookie = await sessions(api).login(api.key, "1.2.3.4")
    assert cookie is not None
    (name,) = [key async for key in redis.scan_iter("*session:*")]
    assert cookie not in name and cookie not in await redis.get(name) and api.key not in await redis.get(name)
    assert 0 < await redis.ttl(name) <= 60


async def test_a_session_ends_by_itself(api: Api, redis: Redis) -> None:
    ours = sessions(api)
    cookie = await ours.login(api.key, "1.2.3.4")
    assert cookie is not None
    async for name in redis.scan_iter("*session:*"):
        await redis.pexpire(name, 1)
    while [key async for key in redis.scan_iter("*session:*")]:
        pass
    assert await ours.open(cookie) is None


@pytest.mark.parametrize("role", ["member", "viewer"])
async def test_another_role_opens_nothing(api: Api, role: str) -> None:
    client, _ = await api.user(role)
    key = client.headers["authorization"].removeprefix("Bearer ")
    assert await sessions(api).login(key, "1.2.3.4") is None


async def test_failed_logins_are_counted_by_address(api: Api, redis: Redis) -> None:
    ours = sessions(api)
    for _ in range(3):
        assert await ours.login("pw_wrong", "1.2.3.4") is None
    with pytest.raises(TooManyLogins):
        await ours.login(api.key, "1.2.3.4")
    assert await ours.login(api.key, "5.6.7.8") is not None
    assert [0 < await redis.ttl(key) <= 60 async for key in redis.scan_iter("*login:*")] == [True, True]


async def test_a_forged_cookie_opens_nothing(api: Api) -> None:
    ours = sessions(api)
    for cookie in ("", "x", "ä" * 10, "../session", "\udcff"):
        assert await ours.open(cookie) is None


async def panel_answer(panel: PanelStack, path: str, **headers: str) -> httpx2.Response:
    async with panel.stranger() as stranger:
        return await stranger.get(path, headers=headers)


async def test_a_stranger_is_asked_to_log_in_and_brought_back(panel: PanelStack) -> None:
    asked = await panel_answer(panel, "/documents?status=failed&subject=a%26b")
    assert asked.status_code == 303
    assert asked.headers["location"] == "/login?next=%2Fdocuments%3Fstatus%3Dfailed%26subject%3Da%2526b"
    assert (await panel_answer(panel, "/")).headers["location"] == "/login"
    piece = await panel_answer(panel, "/webhooks/secret", **{"HX-Request": "true"})
    assert (piece.status_code, piece.headers["hx-redirect"], piece.content) == (401, "/login", b"")


@pytest.mark.parametrize("path", ["/live/overview", "/live/documents", "/live/webhooks", "/documents/x/data.json"])
async def test_nothing_is_streamed_or_sent_to_a_stranger(panel: PanelStack, path: str) -> None:
    answer = await panel_answer(panel, path)
    assert answer.status_code == 303 and answer.headers["location"].startswith("/login")


@pytest.mark.parametrize(
    ("target", "leads_to"),
    [
        ("/users?q=a", "/users?q=a"),
        ("//evil.test", "/"),
        ("/\\evil.test", "/"),
        ("https:evil.test", "/"),
        ("https://evil.test/", "/"),
        ("javascript:alert(1)", "/"),
        ("/\t/evil.test", "/"),
        ("\n//evil.test", "/"),
        ("evil", "/"),
        ("", "/"),
    ],
)
async def test_a_login_leads_into_the_panel_only(panel: PanelStack, target: str, leads_to: str) -> None:
    async with panel.stranger() as stranger:
        answer = await stranger.post("/login", data={"key": panel.api.key, "next": target})
        assert (answer.status_code, answer.headers["location"]) == (303, leads_to)
        chosen = await stranger.post("/preferences", data={"theme": "dark", "next": target})
        assert chosen.headers["location"] == leads_to


async def test_a_login_from_another_site_is_refused(panel: PanelStack) -> None:
    async with panel.stranger() as stranger:
        answer = await stranger.post("/login", data={"key": panel.api.key}, headers={"Sec-Fetch-Site": "cross-site"})
        assert answer.status_code == 403 and "set-cookie" not in answer.headers


def delegated(panel: PanelStack, key_digest: str, secret: str = SECRET_KEY) -> httpx2.AsyncClient:
    token = Delegations(derive(secret, "delegations")).mint(key_digest, time.time())
    return panel.api.client(token)


async def test_a_delegation_acts_as_its_key_and_dies_with_it(panel: PanelStack) -> None:
    user = (await panel.api.admin.post("/v1/users", json={"email": "b@x.io", "name": "b", "role": "admin"})).json()
    key = (await panel.api.admin.post(f"/v1/users/{user['id']}/keys", json={"name": "k"})).json()
    key_digest = digest(key["key"], KEYS)
    async with delegated(panel, key_digest) as client, delegated(panel, key_digest, "another" * 9) as forged:
        assert (await client.get("/v1/users")).status_code == 200
        assert (await forged.get("/v1/users")).status_code == 401
        (await panel.api.admin.delete(f"/v1/users/{user['id']}/keys/{key['id']}")).raise_for_status()
        deadline = time.monotonic() + 1.5
        while (answer := await client.get("/v1/users")).status_code != 401:
            assert time.monotonic() < deadline
        assert answer.json()["code"] == "unauthorized"


async def test_many_guesses_at_once_do_not_slip_through_together(api: Api) -> None:
    ours = sessions(api)
    answers = await asyncio.gather(*(ours.login("pw_wrong", "1.2.3.4") for _ in range(20)), return_exceptions=True)
    assert [type(one) for one in answers].count(TooManyLogins) == 17


@pytest.mark.parametrize("path", ["/login", "/preferences"])
async def test_nobody_uploads_files_or_long_forms_without_a_login(panel: PanelStack, path: str) -> None:
    async with panel.stranger() as stranger:
        upload = await stranger.post(path, files={"a": ("a", b"x" * 100)})
        long = await stranger.post(path, data={"next": "/" + "x" * 5000})
    assert (upload.status_code, long.status_code) == (413, 413)


@pytest.mark.parametrize("target", ["//[", "//evil.example", "/\\evil.example", "https://evil.example", "/\r\nX: y"])
async def test_a_way_back_that_leads_out_is_forgotten(panel: PanelStack, target: str) -> None:
    async with panel.stranger() as stranger:
        form = await stranger.get("/login", params={"next": target})
        chosen = await stranger.post("/preferences", data={"next": target, "theme": "dark"})
    assert form.status_code == 200 and 'name="next" value=""' in form.text
    assert (chosen.status_code, chosen.headers["location"]) == (303, "/")


@pytest.mark.parametrize(
    ("method", "path", "status"), [("GET", "/nope", 404), ("GET", "/logout", 405), ("GET", "/users/", 404)]
)
async def test_a_lost_visitor_gets_a_page_with_its_walls(
    panel: PanelStack, method: str, path: str, status: int
) -> None:
    async with panel.stranger() as stranger:
        answer = await stranger.request(method, path)
    assert answer.status_code == status and "There is nothing here" in answer.text
    assert "default-src 'none'" in answer.headers["content-security-policy"] and "location" not in answer.headers


async def test_the_overview_says_that_the_api_is_away(panel: PanelStack) -> None:
    assert "The User API does not answer." not in (await panel.get("/")).text
