"""The panel's webhook endpoints: registered, looked at, changed, called on request, and missed when they are lost."""

import html
import re
from uuid import UUID

from backends.endpoints import EndpointStore
from contracts.endpoints import Reason
from contracts.ids import new_id
from contracts.jobs import Callback
from generator.delivery.loop import disable_endpoint
from tests.conftest import WaitUntil
from tests.integration.panel_stack import PanelStack, panel
from tests.integration.test_panel_webhooks import first_event, logged
from tests.integration.test_queue import a_job

__all__ = ["panel"]

PATH, API = "/webhooks/endpoints", "/v1/webhooks/endpoints"
URL = "https://localhost.evil.test/in?token=hush"
EVIL = "<script>alert(1)</script>"


async def registered(panel: PanelStack, **more: object) -> str:
    """Register an endpoint of the admin through the API; return its id."""
    answer = await panel.api.admin.post(API, json={"url": URL, **more})
    assert answer.status_code == 201, answer.text
    return str(answer.json()["id"])


async def lost(panel: PanelStack, endpoint_id: str, reason: Reason) -> None:
    await disable_endpoint(EndpointStore(panel.api.scripts), UUID(endpoint_id), reason)


async def test_without_endpoints_the_page_says_what_they_are_for(panel: PanelStack) -> None:
    page = (await panel.get(PATH)).text
    assert "No endpoint yet" in page and f'href="{PATH}/new"' in page
    assert f'href="{PATH}"' in (await panel.get("/webhooks")).text


async def test_one_is_registered_listed_and_shown(panel: PanelStack) -> None:
    form = (await panel.get(f"{PATH}/new")).text
    assert form.count('name="types"') == 4 and form.count(" checked") == 4
    fields = {"url": URL, "types": "document.failed", "headers": "X-Tenant: 7", "description": f"billing {EVIL}"}
    answer = await panel.post(PATH, **fields)
    assert answer.status_code == 303, answer.text
    path = answer.headers["Location"]
    made = (await panel.api.admin.get(API)).json()["items"][0]
    assert path == f"{PATH}/{made['id']}"
    assert (made["url"], made["types"], made["headers"]) == (URL, ["document.failed"], {"X-Tenant": "7"})
    for page in ((await panel.get(PATH)).text, (await panel.get(path)).text):
        assert "https://localhost.evil.test/in?..." in page and "hush" not in page
        assert "document.failed" in page and "Enabled" in page and f"/users/{made['user_id']}" in page
        assert EVIL not in page and html.escape(EVIL) in page


async def test_what_is_wrong_stands_at_its_field_and_nothing_is_lost(panel: PanelStack) -> None:
    fields = {"url": "http://127.0.0.1/x", "headers": "X-Tenant: 7", "description": "kept"}
    answer = await panel.post(PATH, **fields)
    page = answer.text
    assert answer.status_code == 422 and page.count('class="flaw"') == 1
    assert 'id="about-types"' in page or 'id="about-url"' in page
    assert 'value="http://127.0.0.1/x"' in page and "X-Tenant: 7" in page and 'value="kept"' in page
    private = (await panel.post(PATH, **fields, types="document.failed")).text
    assert 'id="about-url"><span class="flaw">' in private
    colon = await panel.post(PATH, url=URL, types="document.failed", headers="no colon")
    assert colon.status_code == 422 and "Line 1: write a name" in colon.text
    forbidden = await panel.post(PATH, url=URL, types="document.failed", headers="Host: x")
    assert forbidden.status_code == 422 and 'id="about-headers"><span class="flaw">' in forbidden.text
    assert (await panel.api.admin.get(API)).json()["items"] == []


async def test_it_is_changed_unless_somebody_was_faster(panel: PanelStack) -> None:
    id_ = await registered(panel, headers={"Authorization": "Bearer deep"})
    path = f"{PATH}/{id_}"
    assert "Bearer deep" not in (await panel.get(path)).text
    form = (await panel.get(f"{path}/edit")).text
    assert "Authorization: Bearer deep" in form and html.escape(URL) in form
    kept = {"url": URL, "types": "document.completed", "headers": "Authorization: Bearer deep", "description": "mine"}
    assert (await panel.post(path, **kept, version="1")).headers["Location"] == path
    now = (await panel.api.admin.get(f"{API}/{id_}")).json()
    assert (now["description"], now["types"], now["version"]) == ("mine", ["document.completed"], 2)
    late = await panel.post(path, **{**kept, "description": "late"}, version="1")
    assert (
        late.status_code == 412
        and "Somebody has changed this endpoint" in late.text
        and 'value="late"' not in late.text
    )
    refused = await panel.post(path, **{**kept, "url": "ftp://x"}, version="2")
    assert refused.status_code == 422 and 'value="ftp://x"' in refused.text


async def test_it_is_disabled_enabled_and_deleted(panel: PanelStack) -> None:
    id_ = await registered(panel)
    path = f"{PATH}/{id_}"
    assert (await panel.post(f"{path}/enabled", enabled="no")).headers["Location"] == path
    assert "Disabled by hand" in (await panel.get(path)).text and "Disabled by hand" in (await panel.get(PATH)).text
    assert (await panel.post(f"{path}/enabled", enabled="yes")).status_code == 303
    assert (await panel.api.admin.get(f"{API}/{id_}")).json()["enabled"] is True
    assert (await panel.post(f"{path}/delete")).headers["Location"] == PATH
    assert (await panel.get(path)).status_code == 404 and id_ not in (await panel.get(PATH)).text


async def test_a_ping_is_sent_and_its_outcome_stands_on_the_page(panel: PanelStack, wait_until: WaitUntil) -> None:
    path = f"{PATH}/{await registered(panel)}"
    answer = await panel.post(f"{path}/test")
    assert answer.status_code == 200 and "The ping failed: Name not found." in answer.text
    assert (await panel.get(f"{path}/test")).headers["Location"] == path
    delivery = re.findall(r'href="(/webhooks/[0-9a-f-]{36})">Look at the ping', answer.text)[0]

    async def logged_too() -> bool:
        return delivery in (await panel.get(path)).text

    await wait_until(logged_too, "the ping among the newest deliveries")
    shown = (await panel.get(delivery)).text
    assert "about no document" in shown and 'href="/documents/' not in shown and f'href="{path}"' in shown


async def test_its_deliveries_are_listed_and_lead_to_all_of_them(panel: PanelStack) -> None:
    id_ = await registered(panel)
    mine = await logged(panel.api, "dead", error="status", http_status=503, endpoint_id=UUID(id_))
    other = await logged(panel.api, "delivered", http_status=200)
    page = (await panel.get(f"{PATH}/{id_}")).text
    assert mine in page and other not in page and f"/webhooks?endpoint_id={id_}" in page
    narrowed = (await panel.get("/webhooks", endpoint_id=id_)).text
    assert mine in narrowed and other not in narrowed and "Only to one endpoint" in narrowed
    assert f'href="{PATH}/{id_}"' in (await panel.get(mine)).text
    assert "the callback of the request" in (await panel.get(other)).text
    await panel.post(f"{PATH}/{id_}/delete")
    assert "an endpoint that was deleted" in (await panel.get(mine)).text


async def test_what_it_has_missed_is_recovered(panel: PanelStack) -> None:
    path = f"{PATH}/{await registered(panel)}"
    empty = await panel.post(f"{path}/recover", since="")
    assert empty.status_code == 422 and 'id="about-since"><span class="flaw">' in empty.text
    done = await panel.post(f"{path}/recover", since="2026-01-01T00:00")
    assert done.status_code == 200 and "0 calls are due again" in done.text and "2026-01-01T00:00" in done.text


async def test_its_secret_is_shown_when_asked_for_and_replaced(panel: PanelStack) -> None:
    id_ = await registered(panel)
    path, api = f"{PATH}/{id_}", f"{API}/{id_}/secret"
    old = (await panel.api.admin.get(api)).json()["secret"]
    assert old not in (await panel.get(path)).text
    page = await panel.get(f"{path}/secret")
    assert old in page.text and page.headers["Cache-Control"] == "no-store" and "signs along" not in page.text
    piece = await panel.browser.get(f"{path}/secret", headers={"HX-Request": "true"})
    assert old in piece.text and "<html" not in piece.text
    assert (await panel.post(f"{path}/secret/rotate")).headers["Location"] == f"{path}/secret"
    new = (await panel.api.admin.get(api)).json()["secret"]
    rotated = (await panel.get(f"{path}/secret")).text
    assert new != old and new in rotated and old not in rotated and "signs along until" in rotated


async def test_lost_endpoints_are_told_of_until_none_is(panel: PanelStack, wait_until: WaitUntil) -> None:
    id_, by_hand = await registered(panel), await registered(panel, enabled=False)

    async def told(page: str, wanted: bool) -> None:
        async def so() -> bool:
            text = (await panel.get(page)).text
            return ("webhook endpoint was disabled" in text) is wanted and (by_hand not in text or page == PATH)

        await wait_until(so, f"{page}, lost: {wanted}")

    for page in ("/", "/webhooks", PATH):
        await told(page, False)
    await lost(panel, id_, "failing")
    for page in ("/", "/webhooks", PATH):
        await told(page, True)
    assert "It has only failed, for days" in (await panel.get(f"{PATH}/{id_}")).text
    assert "webhook endpoint was disabled" in await first_event(panel, "/live/overview")
    await panel.post(f"{PATH}/{id_}/enabled", enabled="yes")
    assert "webhook endpoint was disabled" not in (await panel.get(PATH)).text, "what was just changed shows at once"
    for page in ("/", "/webhooks", PATH):
        await told(page, False)


async def test_a_document_says_where_its_webhooks_go(panel: PanelStack, wait_until: WaitUntil) -> None:
    panel.generator.deliverer.stop()
    id_ = await registered(panel, types=["document.cancelled"])
    me = (await panel.api.admin.get("/v1/me")).json()["user"]["id"]
    job = a_job(UUID(me), callback=Callback(url="https://example.com/x"))
    await panel.api.queue.enqueue(job)
    await panel.api.queue.cancel(job.document_id)

    async def shown() -> bool:
        page = (await panel.get(f"/documents/{job.document_id}")).text
        return f'href="{PATH}/{id_}">localhost.evil.test' in page and "to the callback example.com" in page

    await wait_until(shown, "both deliveries on the document's page")


async def test_unknown_endpoints_are_the_404_page_and_changes_need_the_token(panel: PanelStack) -> None:
    actions = ("", "/enabled", "/test", "/recover", "/secret/rotate", "/delete")
    for path in (f"{PATH}/{new_id()}", f"{PATH}/none"):
        for page in ("", "/edit", "/secret"):
            assert (await panel.get(path + page)).status_code == 404
        for action in actions:
            assert (await panel.post(path + action)).status_code == 404, action
    path = f"{PATH}/{await registered(panel)}"
    for action in actions:
        assert (await panel.browser.post(path + action)).status_code == 403
    async with panel.stranger() as stranger:
        for closed in (PATH, f"{PATH}/new", path, f"{path}/edit", f"{path}/secret"):
            assert (await stranger.get(closed)).headers["Location"].startswith("/login")
