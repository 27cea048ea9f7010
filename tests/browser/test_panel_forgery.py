"""Changes that somebody else asks for in an admin's name: refused, and nothing is changed."""

import html
import time

import httpx2
import pytest
from playwright.async_api import expect

from tests.browser.receiver import Receiver
from tests.browser.visitor import Visitor
from tests.e2e.test_up import Up

pytestmark = [pytest.mark.asyncio(loop_scope="package"), pytest.mark.timeout(120)]


async def target(api: httpx2.AsyncClient) -> str:
    email = f"victim-{time.monotonic_ns()}@example.com"
    user = (await api.post("/v1/users", json={"email": email, "name": "Victim", "role": "member"})).json()
    return str(user["id"])


async def status_of(api: httpx2.AsyncClient, user_id: str) -> str:
    return str((await api.get(f"/v1/users/{user_id}")).json()["status"])


@pytest.mark.parametrize("token", [None, "", "0" * 64, "ä", "another session's"])
async def test_a_form_without_the_sessions_own_token_changes_nothing(
    visitor: Visitor, api: httpx2.AsyncClient, up: Up, token: str | None
) -> None:
    user_id = await target(api)
    await visitor.go("/")
    own = await visitor.csrf()
    if token == "another session's":
        token = own
        await visitor.log_in(up.facts["admin_key"])
    form = {"status": "suspended", **({} if token is None else {"csrf": token})}
    path = f"{visitor.base}/users/{user_id}/status"
    refused = await visitor.context.request.post(path, form=form, max_redirects=0)
    assert refused.status == 403 and "Nothing was changed" in await refused.text()
    assert await status_of(api, user_id) == "active"
    await visitor.go("/")
    form["csrf"] = await visitor.csrf()
    passed = await visitor.context.request.post(path, form=form, max_redirects=0)
    assert passed.status == 303 and await status_of(api, user_id) == "suspended"


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
async def test_another_sites_form_changes_nothing_even_with_a_stolen_token(
    visitor: Visitor, api: httpx2.AsyncClient, receiver: Receiver, host: str
) -> None:
    """Another port is the same site for SameSite cookies; another name is another site."""
    user_id = await target(api)
    await visitor.go("/")
    fields = {"csrf": await visitor.csrf(), "status": "suspended"}
    inputs = "".join(f'<input name="{name}" value="{html.escape(value)}">' for name, value in fields.items())
    action = f"{visitor.base}/users/{user_id}/status"
    form = f'<form method="post" action="{action}">{inputs}<button>Win</button></form>'
    receiver.page = f'<!doctype html><link rel="icon" href="data:,">{form}'
    with visitor.refusing(403):
        await visitor.page.goto(f"http://{host}:{receiver.port}/")
        await visitor.page.click("button")
        await visitor.page.wait_for_url(f"{visitor.base}/**")
        told = "The form had expired" if host == "127.0.0.1" else "Log in"
        await expect(visitor.page.locator("body")).to_contain_text(told)
    assert await status_of(api, user_id) == "active"


async def test_no_other_site_may_frame_or_read_the_panel(visitor: Visitor) -> None:
    for path in ("/", "/documents", "/login"):
        headers = (await visitor.context.request.get(visitor.base + path)).headers
        assert "frame-ancestors 'none'" in headers["content-security-policy"]
        assert "unsafe-inline" not in headers["content-security-policy"]
        assert headers["x-frame-options"] == "DENY" and headers["cache-control"] == "no-store"
        assert "access-control-allow-origin" not in headers
