"""The panel's users: listed, made, changed, deleted; keys shown once; nothing that anybody typed becomes markup."""

import html
import re
from uuid import uuid4

import httpx2
import pytest

from contracts.api_keys import well_formed
from tests.integration.panel_stack import PanelStack, panel

__all__ = ["panel"]

EVIL = "\"><script>alert('x')</script>"
KEY = re.compile(r'<code id="new-key">(pw_\w+)</code>')
ADA = {"email": "ada@example.com", "name": "Ada Lovelace", "role": "member", "status": "active", "attrs": ""}


async def made(panel: PanelStack, **changes: str) -> str:
    """Create a user by the form; return its path."""
    answer = await panel.post("/users", **{**ADA, **changes})
    assert answer.status_code == 303, answer.text
    return answer.headers["Location"]


async def user(panel: PanelStack, path: str) -> dict[str, object]:
    return dict((await panel.api.admin.get(f"/v1{path}")).json())


def version_in(page: str) -> str:
    found = re.search(r'name="version" value="(\d+)"', page)
    assert found is not None
    return found[1]


def text_of(answer: httpx2.Response) -> str:
    return html.unescape(answer.text)


async def test_a_user_made_by_the_form_is_listed_and_has_a_page(panel: PanelStack) -> None:
    path = await made(panel, attrs='{"team": "billing"}')
    page, listing = await panel.get(path), await panel.get("/users")
    assert page.status_code == 200 and "Ada Lovelace" in page.text and '"team": "billing"' in text_of(page)
    assert f'href="{path}"' in listing.text and f"/documents?user_id={path.rpartition('/')[2]}" in page.text
    assert (await user(panel, path))["attrs"] == {"team": "billing"}


@pytest.mark.parametrize(
    ("changes", "status", "words"),
    [
        ({"email": "nobody"}, 422, "@-sign"),
        ({"name": " "}, 422, "This may not be empty."),
        ({"attrs": "{"}, 422, "look at line 1, column 2"),
        ({"attrs": "[1]"}, 422, "Write a JSON object"),
        ({"role": "root"}, 422, "'admin', 'member' or 'viewer'"),
    ],
)
async def test_what_is_wrong_stands_at_the_field_and_the_rest_is_kept(
    panel: PanelStack, changes: dict[str, str], status: int, words: str
) -> None:
    answer = await panel.post("/users", **{**ADA, "name": "Kept name", **changes})
    assert answer.status_code == status and words in text_of(answer)
    assert 'class="flaw"' in answer.text
    for value in ({"name": "Kept name", "email": "ada@example.com"} | changes).values():
        assert value == "root" or html.escape(value) in answer.text
    assert (await panel.api.admin.get("/v1/users", params={"q": "ada@"})).json()["items"] == []


async def test_a_taken_address_is_said_at_the_address(panel: PanelStack) -> None:
    await made(panel)
    answer = await panel.post("/users", **{**ADA, "email": "ADA@example.com"})
    assert answer.status_code == 409 and re.search(r'id="field-email"[^>]*aria-invalid="true"', answer.text)


async def test_lists_are_searched_filtered_and_paged(panel: PanelStack) -> None:
    for number in range(52):
        body = {"email": f"u{number}@example.com", "name": f"User {number}", "role": "viewer"}
        assert (await panel.api.admin.post("/v1/users", json=body)).status_code == 201
    await made(panel)
    assert "Ada Lovelace" in (await panel.get("/users", q="lovel")).text
    only = (await panel.get("/users", email="ADA@example.com", role="member", status="active")).text
    assert "Ada Lovelace" in only and "User 5" not in only
    form = await panel.get("/users", q="", email="", role="viewer", status="")
    assert form.status_code == 303 and form.headers["Location"] == "/users?role=viewer"
    assert "No user matches" in (await panel.get("/users", q="nobody at all")).text
    first = (await panel.get("/users", role="viewer")).text
    following = html.unescape(re.findall(r'href="([^"]+)" rel="next"', first)[0])
    second = (await panel.browser.get(following)).text
    shown = re.findall(r'class="row" href="/users/([0-9a-f-]{36})"', first + second)
    assert len(shown) == len(set(shown)) == 52 and 'href="/users?role=viewer"' in second
    for bad in ({"role": "root"}, {"cursor": "x"}):
        answer = await panel.get("/users", **bad)
        assert answer.status_code == 422 and "cannot be shown" in answer.text


async def test_a_change_is_saved_and_a_change_of_an_old_state_is_not(panel: PanelStack) -> None:
    path = await made(panel)
    version = version_in((await panel.get(path)).text)
    saved = await panel.post(path, **{**ADA, "name": "Ada King", "version": version})
    assert saved.status_code == 303 and (await user(panel, path))["name"] == "Ada King"
    stale = await panel.post(path, **{**ADA, "name": "Too late", "version": version})
    assert stale.status_code == 412 and "Somebody has changed this user meanwhile" in stale.text
    assert 'value="Ada King"' in stale.text and "Too late" not in stale.text
    assert version_in(stale.text) == "2" and (await user(panel, path))["name"] == "Ada King"


async def test_the_first_admin_whose_address_is_no_longer_valid_keeps_it_when_renamed(panel: PanelStack) -> None:
    me = (await panel.api.admin.get("/v1/me")).json()["user"]
    fields = {**ADA, "email": me["email"], "role": "admin", "name": "Root", "version": str(me["version"])}
    assert (await panel.post(f"/users/{me['id']}", **fields)).status_code == 303
    after = await user(panel, f"/users/{me['id']}")
    assert (after["name"], after["email"]) == ("Root", me["email"])


async def test_a_refused_change_keeps_what_was_typed(panel: PanelStack) -> None:
    path = await made(panel)
    answer = await panel.post(path, **{**ADA, "name": "Typed", "email": "broken", "version": "1"})
    assert answer.status_code == 422 and 'value="Typed"' in answer.text and 'value="broken"' in answer.text


async def test_a_user_is_suspended_and_activated(panel: PanelStack) -> None:
    path = await made(panel)
    assert (await panel.post(f"{path}/status", status="suspended")).headers["Location"] == path
    assert "None of its keys work" in (await panel.get(path)).text
    assert (await panel.post(f"{path}/status", status="active")).status_code == 303
    assert (await user(panel, path))["status"] == "active"


async def test_the_last_admin_cannot_lock_itself_out(panel: PanelStack) -> None:
    me = (await panel.api.admin.get("/v1/me")).json()["user"]
    path = f"/users/{me['id']}"
    fields = {**ADA, "email": me["email"], "role": "member", "version": str(me["version"])}
    for answer in (
        await panel.post(f"{path}/status", status="suspended"),
        await panel.post(f"{path}/delete"),
        await panel.post(path, **fields),
    ):
        assert answer.status_code == 409 and "admin" in answer.text and 'role="alert"' in answer.text
    assert (await user(panel, path))["role"] == "admin"


async def test_a_deleted_user_is_gone_with_its_keys(panel: PanelStack) -> None:
    path = await made(panel)
    key = KEY.findall((await panel.post(f"{path}/keys", name="k")).text)[0]
    assert (await panel.post(f"{path}/delete")).headers["Location"] == "/users"
    assert (await panel.get(path)).status_code == 404
    assert (await panel.api.client(key).get("/v1/me")).status_code == 401


async def test_a_key_is_shown_once_on_a_page_that_is_not_stored(panel: PanelStack) -> None:
    path = await made(panel)
    answer = await panel.post(f"{path}/keys", name="billing", expires_at="2099-01-02T03:04")
    (key,) = KEY.findall(answer.text)
    assert answer.status_code == 201 and answer.headers["Cache-Control"] == "no-store" and well_formed(key)
    assert (await panel.api.client(key).get("/v1/me")).status_code == 200
    page = (await panel.get(path)).text
    assert key not in page and key[:9] in page and "billing" in page and "2 Jan 2099, 03:04:00 UTC" in page


@pytest.mark.parametrize("fields", [{"name": ""}, {"name": "k", "expires_at": "2001-01-01T00:00"}, {"name": "\x01"}])
async def test_a_key_that_is_refused_says_why_at_its_field(panel: PanelStack, fields: dict[str, str]) -> None:
    path = await made(panel)
    answer = await panel.post(f"{path}/keys", **fields)
    assert answer.status_code == 422 and 'class="flaw"' in answer.text and not KEY.findall(answer.text)
    assert (await panel.api.admin.get(f"/v1{path}/keys")).json()["items"] == []


async def test_a_revoked_key_stops_working_and_revoking_again_is_no_error(panel: PanelStack) -> None:
    path = await made(panel)
    key = KEY.findall((await panel.post(f"{path}/keys", name="k")).text)[0]
    revoke = re.findall(rf'action="({path}/keys/[^"]+/revoke)"', (await panel.get(path)).text)[0]
    for _ in range(2):
        assert (await panel.post(revoke)).headers["Location"] == f"{path}#keys"
    assert (await panel.api.client(key).get("/v1/me")).status_code == 401
    assert "No key yet" in (await panel.get(path)).text


async def test_nothing_that_was_typed_becomes_markup(panel: PanelStack) -> None:
    attrs = '{"</textarea><script>x": "</textarea><script>alert(1)</script>"}'
    path = await made(panel, name=EVIL, email="o'h&l@example.com", attrs=attrs)
    key = await panel.post(f"{path}/keys", name=EVIL)
    refused = await panel.post("/users", **{**ADA, "name": EVIL, "email": EVIL, "attrs": "</textarea>" + EVIL})
    searched = await panel.get("/users", q=EVIL, email=EVIL)
    for answer in (await panel.get(path), await panel.get("/users"), key, refused, searched):
        assert "<script>alert" not in answer.text and "<script>x" not in answer.text
        assert answer.text.count("</textarea>") <= 1
        assert "script-src 'self'" in answer.headers["Content-Security-Policy"]


async def test_unknown_users_and_keys_are_the_404_page(panel: PanelStack) -> None:
    path = await made(panel)
    for unknown in (f"/users/{uuid4()}", "/users/nobody", "/users/..%2Fme"):
        assert (await panel.get(unknown)).status_code == 404, unknown
    for gone in (f"/users/{uuid4()}/delete", f"/users/{uuid4()}/keys", f"{path}/keys/none/revoke"):
        assert (await panel.post(gone, name="k")).status_code == 404, gone


async def test_changes_need_the_token_and_a_session(panel: PanelStack) -> None:
    path = await made(panel)
    for change in ("/users", path, f"{path}/status", f"{path}/delete", f"{path}/keys"):
        assert (await panel.browser.post(change, data={**ADA, "status": "suspended"})).status_code == 403, change
        async with panel.stranger() as stranger:
            assert (await stranger.post(change, data=ADA)).headers["Location"].startswith("/login")
    assert (await user(panel, path))["status"] == "active"
