"""The panel's webhooks: what is due and what came back, in plain words, live; and sending one again."""

import asyncio
import html
import re
from uuid import UUID, uuid4

from contracts.deliveries import COMPLETED, DeliveryAttempt, webhook_id
from contracts.ids import new_id, now_ms
from contracts.jobs import Callback
from tests.conftest import WaitUntil
from tests.integration.conftest import Api
from tests.integration.panel_stack import PanelStack, panel
from tests.integration.test_queue import a_job

__all__ = ["panel"]

EVIL = "<script>alert(1)</script>"


async def logged(api: Api, status: str, **attempt: object) -> str:
    """Write a delivery with one attempt into the log; return its path in the panel."""
    document_id, user_id, at = new_id(), new_id(), now_ms()
    delivery_id = webhook_id(document_id, 1, COMPLETED)
    values = {"delivery_id": delivery_id, "attempt": 1, "document_id": document_id, "user_id": user_id, "run": 1}
    known = {**values, "type": COMPLETED, "url": "https://hooks.example:8443/in?...", "at": at, "created_at": at}
    line = DeliveryAttempt.model_validate({**known, "status": status, **attempt}).model_dump_json().encode()
    await api.clickhouse.insert_row("webhook_deliveries", line, timeout_s=10)
    return f"/webhooks/{delivery_id}"


async def refused_by_us(panel: PanelStack, wait_until: WaitUntil) -> tuple[UUID, str]:
    """Let a real document call back to where webhooks may not go; return it and its webhook's path."""
    source = {"engine": "typst", "content": "= Hello"}
    answer = await panel.api.admin.post(
        "/v1/documents", json={"source": source, "callback_url": "http://localhost.evil.test/hook?token=hush"}
    )
    document_id = UUID(answer.json()["id"])
    path = f"/webhooks/{webhook_id(document_id, 1, COMPLETED)}"

    async def attempted() -> bool:
        return "Attempt 1" in (await panel.get(path)).text

    await wait_until(attempted, "the first attempt")
    return document_id, path


async def first_event(panel: PanelStack, path: str) -> str:
    async with asyncio.timeout(10), panel.browser.stream("GET", path) as response:
        assert response.headers["Content-Type"].startswith("text/event-stream")
        async for line in response.aiter_lines():
            if line.startswith("data:"):
                return line
    raise AssertionError("the stream ended")


async def test_without_webhooks_the_page_says_how_to_get_one(panel: PanelStack) -> None:
    page = await panel.get("/webhooks")
    assert page.status_code == 200 and "No webhook yet" in page.text and "callback_url" in page.text
    assert "Nothing was given up" in (await panel.get("/webhooks", status="dead")).text


async def test_deliveries_are_listed_by_status_and_document(panel: PanelStack) -> None:
    dead = await logged(panel.api, "dead", error="status", http_status=503)
    good = await logged(panel.api, "delivered", http_status=200)
    everything = (await panel.get("/webhooks")).text
    assert dead in everything and good in everything and "hooks.example:8443" in everything
    assert "503 Service Unavailable" in everything and "200 OK" in everything
    narrowed = (await panel.get("/webhooks", status="dead")).text
    assert dead in narrowed and good not in narrowed and "Given up" in narrowed
    document_id = re.findall(r"/documents/([0-9a-f-]{36})", (await panel.get(good)).text)[0]
    one = (await panel.get("/webhooks", document_id=document_id)).text
    assert good in one and dead not in one
    broken = await panel.get("/webhooks", document_id="x")
    assert broken.status_code == 422 and "This is not an id" in broken.text


async def test_lists_go_on_by_cursor(panel: PanelStack) -> None:
    made = {await logged(panel.api, "dead", error="dns") for _ in range(53)}
    first = (await panel.get("/webhooks", status="dead")).text
    following = html.unescape(re.findall(r'href="([^"]+)" rel="next"', first)[0])
    second = (await panel.browser.get(following)).text
    seen = re.findall(r'class="row" href="(/webhooks/[0-9a-f-]{36})"', first + second)
    assert len(seen) == 53 and set(seen) == made and "hx-sse:connect" not in second


async def test_an_attempt_is_explained_and_its_answer_is_only_text(panel: PanelStack) -> None:
    answer = f"</pre>{EVIL}"
    later = now_ms() + 300_000
    path = await logged(
        panel.api, "pending", error="status", http_status=429, response_excerpt=answer, next_attempt_at=later
    )
    page = (await panel.get(path)).text
    assert "429 Too Many Requests" in page and "asks to slow down" in page and "Next attempt" in page
    assert EVIL not in page and html.escape(answer) in page
    evil_url = await logged(panel.api, "dead", error="quantum", error_detail=EVIL, url=f"http://{EVIL}/")
    for shown in ((await panel.get(evil_url)).text, (await panel.get("/webhooks")).text):
        assert EVIL not in shown


async def test_a_real_webhook_that_is_refused_is_shown_live_and_resent(
    panel: PanelStack, wait_until: WaitUntil
) -> None:
    document_id, path = await refused_by_us(panel, wait_until)
    page = (await panel.get(path)).text
    assert "Name not found" in page and f"/documents/{document_id}" in page and "hush" not in page
    assert f'action="{path}/resend"' in page
    answer = await panel.post(f"{path}/resend")
    assert answer.status_code == 303 and answer.headers["Location"] == path

    async def again() -> bool:
        return "Attempt 2" in (await panel.get(path)).text

    await wait_until(again, "the attempt that was asked for")
    assert "data:" in await first_event(panel, f"/live{path}")
    assert "data:" in await first_event(panel, "/live/webhooks?status=pending")


async def test_what_cannot_be_sent_again_says_why(panel: PanelStack) -> None:
    path = await logged(panel.api, "dead", error="status", http_status=500)
    answer = await panel.post(f"{path}/resend")
    assert answer.status_code == 409 and "It was not sent again" in answer.text and "deleted" in answer.text


async def test_the_secret_is_shown_when_it_is_asked_for(panel: PanelStack) -> None:
    secret = (await panel.api.admin.get("/v1/webhooks/secret")).json()["secret"]
    assert secret not in (await panel.get("/webhooks")).text
    page = await panel.get("/webhooks/secret")
    assert secret in page.text and "<html" in page.text and page.headers["Cache-Control"] == "no-store"
    piece = await panel.browser.get("/webhooks/secret", headers={"HX-Request": "true"})
    assert secret in piece.text and "<html" not in piece.text


async def test_unknown_webhooks_are_the_404_page_and_changes_need_the_token(panel: PanelStack) -> None:
    for path in (f"/webhooks/{uuid4()}", "/webhooks/none"):
        assert (await panel.get(path)).status_code == 404
        assert (await panel.post(f"{path}/resend")).status_code == 404
    path = await logged(panel.api, "delivered", http_status=200)
    assert (await panel.browser.post(f"{path}/resend")).status_code == 403
    async with panel.stranger() as stranger:
        for closed in ("/webhooks", path, "/webhooks/secret", "/live/webhooks"):
            assert (await stranger.get(closed)).headers["Location"].startswith("/login")


async def test_a_callback_that_is_due_shows_before_it_was_tried(panel: PanelStack, wait_until: WaitUntil) -> None:
    panel.generator.deliverer.stop()
    job = a_job(callback=Callback(url="https://example.com/x"))
    await panel.api.queue.enqueue(job)
    await panel.api.queue.cancel(job.document_id)

    async def shown() -> bool:
        return "document.cancelled" in (await panel.get("/webhooks", status="pending")).text

    await wait_until(shown, "the delivery in the list", 3)
