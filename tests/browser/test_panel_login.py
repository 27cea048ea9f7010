"""Who gets into the panel, how, and what ends a session."""

import time
from urllib.parse import quote

import httpx2
import pytest
from playwright.async_api import expect

from tests.browser.visitor import Visitor
from tests.e2e.test_up import Up

pytestmark = [pytest.mark.asyncio(loop_scope="package"), pytest.mark.timeout(120)]


async def user_with_key(api: httpx2.AsyncClient, role: str) -> tuple[str, str, str]:
    """Make a user; returns the id, a key of it, and the key's id."""
    email = f"{role}-{time.monotonic_ns()}@example.com"
    user = (await api.post("/v1/users", json={"email": email, "name": role, "role": role})).json()
    key = (await api.post(f"/v1/users/{user['id']}/keys", json={"name": "panel"})).json()
    return user["id"], key["key"], key["id"]


async def log_in(stranger: Visitor, key: str) -> None:
    await stranger.page.fill("input[name=key]", key)
    await stranger.page.click("button.primary")


async def test_a_wrong_key_is_refused_and_the_right_one_leads_where_one_wanted_to_go(stranger: Visitor, up: Up) -> None:
    await stranger.go("/documents?status=failed")
    await expect(stranger.page).to_have_url(stranger.at("/login?next=%2Fdocuments%3Fstatus%3Dfailed"))
    with stranger.refusing(401):
        await log_in(stranger, "pw_wrong")
        await expect(stranger.page.get_by_role("alert")).to_contain_text("not the key of an active admin")
    await log_in(stranger, up.facts["admin_key"])
    await expect(stranger.page).to_have_url(stranger.at("/documents?status=failed"))


@pytest.mark.parametrize("role", ["member", "viewer"])
async def test_the_key_of_another_role_opens_nothing(stranger: Visitor, api: httpx2.AsyncClient, role: str) -> None:
    _, key, _ = await user_with_key(api, role)
    await stranger.go("/login")
    with stranger.refusing(401):
        await log_in(stranger, key)
        await expect(stranger.page.get_by_role("alert")).to_be_visible()
    await stranger.go("/users")
    await expect(stranger.page).to_have_url(stranger.at("/login?next=%2Fusers"))


@pytest.mark.parametrize("target", ["//evil.test/", "/\\evil.test", "https://evil.test/", "javascript:alert(1)"])
async def test_a_login_never_leads_to_another_site(stranger: Visitor, up: Up, target: str) -> None:
    await stranger.go(f"/login?next={quote(target, safe='')}")
    await log_in(stranger, up.facts["admin_key"])
    await expect(stranger.page).to_have_url(stranger.at("/"))


async def test_the_session_cookie_is_out_of_reach_of_scripts_and_other_sites(visitor: Visitor) -> None:
    (cookie,) = [one for one in await visitor.context.cookies() if one["name"].endswith("presswork")]
    assert (cookie["httpOnly"], cookie["sameSite"], cookie["path"]) == (True, "Strict", "/")
    await visitor.go("/")
    assert cookie["value"] not in await visitor.page.evaluate("document.cookie + document.documentElement.outerHTML")


async def test_a_logout_ends_the_session_for_good(visitor: Visitor) -> None:
    await visitor.go("/")
    cookies = await visitor.context.cookies()
    await visitor.page.get_by_role("button", name="Log out").click()
    await expect(visitor.page).to_have_url(visitor.at("/login"))
    await visitor.context.add_cookies(cookies)
    await visitor.go("/")
    await expect(visitor.page).to_have_url(visitor.at("/login"))


async def test_revoking_the_key_ends_its_sessions_within_a_second(stranger: Visitor, api: httpx2.AsyncClient) -> None:
    user_id, key, key_id = await user_with_key(api, "admin")
    await stranger.log_in(key)
    await stranger.go("/users")
    await expect(stranger.page).to_have_url(stranger.at("/users"))
    (await api.delete(f"/v1/users/{user_id}/keys/{key_id}")).raise_for_status()
    revoked = time.monotonic()
    while not stranger.page.url.startswith(f"{stranger.base}/login"):
        assert time.monotonic() - revoked < 1.5
        await stranger.go("/users")


async def test_language_and_theme_are_kept(visitor: Visitor) -> None:
    await visitor.go("/documents")
    html = visitor.page.locator("html")
    await visitor.page.get_by_title("Русский").click()
    await expect(visitor.page.get_by_role("heading", level=1)).to_have_text("Документы")
    await expect(visitor.page).to_have_url(visitor.at("/documents"))
    await visitor.page.get_by_role("button", name="Тёмная").click()
    await expect(html).to_have_attribute("data-theme", "dark")
    await visitor.go("/users")
    await expect(html).to_have_attribute("lang", "ru")
    assert await visitor.page.evaluate("getComputedStyle(document.body).colorScheme") == "dark"
