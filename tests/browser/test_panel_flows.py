"""What people do in the panel, page by page, as they do it."""

import asyncio
from typing import Any
from uuid import uuid4

import httpx2
import pytest
from playwright.async_api import Locator, Route, expect

from tests.browser.haunted import TOMORROW
from tests.browser.receiver import Receiver
from tests.browser.visitor import Visitor

pytestmark = [pytest.mark.asyncio(loop_scope="package"), pytest.mark.timeout(120)]

GOOD, BAD = "= Hello", "#let x = nothing.name"


async def document(api: httpx2.AsyncClient, wait: bool = True, **request: Any) -> str:
    """Request a document; returns its id."""
    body = {"source": {"engine": "typst", "content": GOOD}, **request}
    answer = await api.post("/v1/documents", json=body, headers={"Prefer": "wait=30"} if wait else {})
    return str(answer.json().get("id") or answer.json()["document_id"])


def tile(visitor: Visitor, label: str) -> Locator:
    return visitor.page.locator(".tile", has_text=label).locator(".value").first


async def test_the_overview_counts_while_one_looks(visitor: Visitor, api: httpx2.AsyncClient) -> None:
    await document(api)
    await visitor.go("/")
    before = int(await tile(visitor, "Failed").inner_text())
    await visitor.stays()
    await document(api, source={"engine": "typst", "content": BAD})
    await expect(tile(visitor, "Failed")).to_have_text(str(before + 1))
    assert await visitor.stayed()
    await visitor.go("/?span=24h")
    await expect(visitor.page.locator("svg.chart:visible")).to_have_count(2)
    assert "NaN" not in await visitor.page.content()


@pytest.mark.parametrize("late", ["hx-sse", "panel.js"])
async def test_a_page_lives_however_late_its_scripts_come(visitor: Visitor, api: httpx2.AsyncClient, late: str) -> None:
    """htmx that is deferred begins without waiting for its extension: the page is never live."""

    async def slow(route: Route) -> None:
        await asyncio.sleep(0.5)
        await route.continue_()

    await visitor.page.route(f"**/{late}*", slow)
    await visitor.go("/documents")
    made = await document(api)
    await expect(visitor.page.locator(f"#d-{made}")).to_be_visible()


async def test_documents_are_filtered_and_new_ones_come_by_themselves(
    visitor: Visitor, api: httpx2.AsyncClient
) -> None:
    subject = f"customer-{uuid4().hex[:8]}"
    await document(api, source={"engine": "typst", "content": BAD}, subject=subject)
    await visitor.go("/documents")
    await visitor.page.locator("select[name=status]").select_option("failed")
    await expect(visitor.page).to_have_url(visitor.at("/documents?status=failed"))
    assert set(await visitor.page.locator("tbody .chip").all_inner_texts()) == {"Failed"}
    await visitor.page.get_by_role("searchbox").fill(subject)
    await visitor.page.keyboard.press("Enter")
    await expect(visitor.page).to_have_url(visitor.at(f"/documents?subject={subject}"))
    await expect(visitor.page.locator("tbody tr")).to_have_count(1)
    await visitor.stays()
    made = await document(api, subject=subject)
    await expect(visitor.page.locator(f"#d-{made}")).to_contain_text("Completed")
    assert await visitor.stayed()
    await visitor.page.locator(f"#d-{made} a.row").click()
    await expect(visitor.page).to_have_url(visitor.at(f"/documents/{made}"))


async def test_a_document_shows_its_pages_and_is_made_again_and_deleted(
    visitor: Visitor, api: httpx2.AsyncClient
) -> None:
    made = await document(api, source={"engine": "typst", "content": "One #pagebreak() Two"})
    await visitor.go(f"/documents/{made}")
    assert await visitor.pictures_load("#main img.sheet") == 2
    await visitor.page.get_by_role("button", name="Retry").click()
    await expect(visitor.page.locator(".timeline")).to_contain_text("run 2")
    await expect(visitor.page.locator("#head .chip")).to_have_text("Completed")
    delete = visitor.page.get_by_role("button", name="Delete")
    await visitor.confirm(delete, yes=False)
    await expect(visitor.page).to_have_url(visitor.at(f"/documents/{made}"))
    await visitor.confirm(delete)
    await expect(visitor.page).to_have_url(visitor.at("/documents"))
    with visitor.refusing(404):
        await visitor.go(f"/documents/{made}")
        await expect(visitor.page.locator(".empty h1")).to_have_text("There is nothing here")


async def test_a_scheduled_document_is_cancelled_after_a_question(visitor: Visitor, api: httpx2.AsyncClient) -> None:
    made = await document(api, wait=False, run_at=TOMORROW)
    await visitor.go(f"/documents/{made}")
    await visitor.confirm(visitor.page.get_by_role("button", name="Cancel"))
    await expect(visitor.page.locator("#head .chip")).to_have_text("Cancelled")
    assert (await api.get(f"/v1/documents/{made}")).json()["status"] == "cancelled"


async def test_why_a_document_failed_stands_on_its_page(visitor: Visitor, api: httpx2.AsyncClient) -> None:
    await visitor.go(f"/documents/{await document(api, source={'engine': 'typst', 'content': BAD})}")
    failure = visitor.page.locator(".failure")
    await expect(failure).to_contain_text("unknown variable: nothing")
    await expect(failure).to_contain_text("line 1")
    await expect(failure.locator("pre")).to_have_text(BAD)


async def test_a_user_is_made_gets_a_key_once_and_is_suspended(visitor: Visitor, api: httpx2.AsyncClient) -> None:
    page, email = visitor.page, f"ann-{uuid4().hex[:8]}@example.com"
    await visitor.go("/users")
    await page.get_by_role("link", name="New user").click()
    await page.fill("#field-name", "Ann")
    await page.fill("#field-email", "no address")
    with visitor.refusing(422):
        await page.get_by_role("button", name="Create the user").click()
        await expect(page.locator("#about-email .flaw")).to_be_visible()
    assert await page.input_value("#field-name") == "Ann"
    await page.fill("#field-email", email)
    await page.get_by_role("button", name="Create the user").click()
    await expect(page.get_by_role("heading", level=1)).to_have_text("Ann")
    user_page = page.url
    await page.fill("#key-name", "billing")
    await page.get_by_role("button", name="Create the key").click()
    key = await page.locator("#new-key").inner_text()
    client = {"Authorization": f"Bearer {key}"}
    assert (await api.get("/v1/documents", headers=client)).status_code == 200
    await page.get_by_role("link", name="I have stored it").click()
    await expect(page.locator("#keys tbody tr")).to_have_count(1)
    assert key not in await page.content()
    await visitor.confirm(page.get_by_role("button", name="Revoke"))
    await expect(page.locator("#keys")).to_contain_text("No key yet")
    assert (await api.get("/v1/documents", headers=client)).status_code == 401
    await visitor.confirm(page.get_by_role("button", name="Suspend"))
    await expect(page).to_have_url(user_page)
    await expect(page.locator(".chip.suspended")).to_be_visible()


async def test_a_document_is_made_from_a_template(visitor: Visitor) -> None:
    await visitor.go("/templates")
    assert await visitor.pictures_load(".gallery img.sheet") >= 2
    await visitor.page.get_by_role("searchbox").fill("invoice totals")
    await expect(visitor.page.locator(".gallery > li")).to_have_count(1)
    await expect(visitor.page).to_have_url(visitor.at("/templates?q=invoice+totals"))
    await visitor.page.get_by_role("link", name="Invoice", exact=True).click()
    await visitor.pictures_load("img.sheet")
    await visitor.page.get_by_role("button", name="Make the document").click()
    await expect(visitor.page.locator("#head .chip")).to_have_text("Completed")
    await visitor.pictures_load("#main img.sheet")


async def test_data_that_is_no_json_is_told_at_its_line_and_nothing_is_lost(visitor: Visitor) -> None:
    await visitor.go("/templates/invoice")
    data = '{\n  "number": 7,\n  oops\n}'
    await visitor.page.fill("#field-data", data)
    with visitor.refusing(422):
        await visitor.page.get_by_role("button", name="Make the document").click()
        await expect(visitor.page.locator("#field-data-flaw")).to_contain_text("ine 3, column 3")
    assert await visitor.page.input_value("#field-data") == data


async def test_a_webhook_that_was_given_up_is_sent_again(
    visitor: Visitor, api: httpx2.AsyncClient, receiver: Receiver
) -> None:
    receiver.status = 410
    made = await document(api, callback_url=receiver.url)
    await visitor.go(f"/webhooks?document_id={made}")
    row = visitor.page.locator("tbody tr")
    await expect(row).to_contain_text("410 Gone")
    await expect(row.locator(".chip")).to_have_text("Dead")
    await row.locator("a.row").click()
    await expect(visitor.page.locator(".timeline")).to_contain_text("Resend once it is back")
    receiver.status = 200
    await visitor.page.get_by_role("button", name="Resend now").click()
    await expect(visitor.page.locator(".timeline")).to_contain_text("200 OK")
    await expect(visitor.page.locator(".facts .chip").first).to_have_text("Delivered")


async def test_the_signing_secret_is_fetched_only_when_asked_for(visitor: Visitor, api: httpx2.AsyncClient) -> None:
    secret = (await api.get("/v1/webhooks/secret")).json()["secret"]
    await visitor.go("/webhooks")
    assert secret not in await visitor.page.content()
    await visitor.page.get_by_text("Show your own secret").click()
    await expect(visitor.page.locator("#secret code")).to_have_text(secret)


async def test_an_endpoint_is_registered_pinged_disabled_by_its_answer_and_enabled(
    visitor: Visitor, receiver: Receiver
) -> None:
    page, receiver.status = visitor.page, 200
    await visitor.go("/webhooks")
    await page.get_by_role("link", name="Endpoints", exact=True).click()
    await page.get_by_role("link", name="New endpoint").first.click()
    await page.fill("#field-url", "ftp://nowhere")
    with visitor.refusing(422):
        await page.get_by_role("button", name="Register the endpoint").click()
        await expect(page.locator("#about-url .flaw")).to_be_visible()
    await page.fill("#field-url", receiver.url)
    await page.locator("input[value='endpoint.disabled']").uncheck()
    await page.get_by_role("button", name="Register the endpoint").click()
    await expect(page.locator(".facts .chip").first).to_have_text("Enabled")
    path = page.url.removeprefix(visitor.base)
    await page.get_by_role("button", name="Send a ping").click()
    await expect(page.locator(".notice.good")).to_contain_text("The ping arrived: 200 OK")
    receiver.status = 410
    await page.get_by_role("button", name="Send a ping").click()
    await expect(page.locator(".notice.bad")).to_contain_text("410 Gone")
    await visitor.go("/")
    await expect(page.locator(f".notice.warn a[href='{path}']")).to_be_visible()
    await page.locator(f".notice.warn a[href='{path}']").click()
    await page.get_by_role("button", name="Enable").click()
    await expect(page.locator(".facts .chip").first).to_have_text("Enabled")
    await page.get_by_text("Show the secret").click()
    await expect(page.locator("#secret code")).to_contain_text("whsec_")
    await visitor.confirm(page.get_by_role("button", name="Delete"))
    await expect(page).to_have_url(visitor.at("/webhooks/endpoints"))
    await expect(page.locator(f"a[href='{path}']")).to_have_count(0)
