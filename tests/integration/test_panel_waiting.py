"""What the panel says of receivers that are left alone, and of what is due; and how it names endpoints."""

import html
import re
from uuid import UUID

from contracts.deliveries import CANCELLED, webhook_id
from contracts.endpoints import PING
from contracts.ids import new_id, now_ms
from contracts.jobs import Callback
from generator.admin.wording import wording
from tests.conftest import WaitUntil
from tests.integration.panel_stack import PanelStack, panel
from tests.integration.test_panel_endpoints import API, PATH, lost, registered
from tests.integration.test_panel_webhooks import logged
from tests.integration.test_queue import a_job

__all__ = ["panel"]

HOST = "localhost.evil.test"


async def left_alone(panel: PanelStack, receiver: str, **moments: int) -> None:
    await panel.api.scripts.redis.hset(f"{panel.api.scripts.prefix}receiver:{receiver}", mapping=dict(moments))


async def test_an_endpoint_that_is_left_alone_says_until_when_and_why(panel: PanelStack) -> None:
    id_, until = await registered(panel), now_ms() + 240_000
    pages = PATH, f"{PATH}/{id_}"
    for page in pages:
        assert "Left alone" not in (await panel.get(page)).text
    await left_alone(panel, id_, shut_until=until)
    for page in pages:
        text = (await panel.get(page)).text
        assert "Left alone until <time" in text and f">{wording('en').hour(until)}</time>" in text
        assert "Most calls to it of the last five minutes failed." in text
    await left_alone(panel, id_, calm_until=until + 1)
    for page in pages:
        assert "It answered with Retry-After" in (await panel.get(page)).text
    panel.browser.cookies.set("presswork_language", "ru")
    for page in pages:
        assert "Пауза до <time" in (await panel.get(page)).text


async def test_what_waits_for_a_receiver_that_is_left_alone_says_so(panel: PanelStack) -> None:
    id_, now = await registered(panel), now_ms()
    known = {"endpoint_id": UUID(id_), "attempt": 0, "url": f"https://{HOST}/in", "next_attempt_at": now - 240_000}
    due = await logged(panel.api, "pending", **known)
    later = await logged(panel.api, "pending", **{**known, "next_attempt_at": now + 3_600_000})
    ping = await logged(panel.api, "pending", **known, type=PING)
    await left_alone(panel, id_, shut_until=now + 240_000)
    page = (await panel.get(due)).text
    assert "left alone until <time" in page and wording("en").hour(now + 240_000) in page
    assert "Most calls to it" in page and "uses up no attempt" in page and "It is due now" not in page
    assert (await panel.get("/webhooks", status="pending")).text.count("left alone until <time") == 1
    assert "left alone" not in (await panel.get(later)).text, "its own time comes after that"
    assert "It is due now" in (await panel.get(ping)).text, "a ping does not wait"


async def test_a_callback_to_a_receiver_that_is_left_alone_says_so(panel: PanelStack, wait_until: WaitUntil) -> None:
    panel.generator.deliverer.stop()
    job = a_job(callback=Callback(url="https://hooks.example:8443/x"))
    await panel.api.queue.enqueue(job)
    await panel.api.queue.cancel(job.document_id)
    path = f"/webhooks/{webhook_id(job.document_id, 1, CANCELLED)}"

    async def due() -> bool:
        return "It is due now" in (await panel.get(path)).text

    await wait_until(due, "the delivery")
    await left_alone(panel, f"{job.user_id}/hooks.example:8443", calm_until=now_ms() + 60_000)
    page = (await panel.get(path)).text
    assert "left alone until" in page and "so it asked for a pause" in page and "Resend sends it now" not in page


async def test_what_is_due_is_due_now_and_not_minutes_ago(panel: PanelStack) -> None:
    path = await logged(panel.api, "pending", attempt=0, next_attempt_at=now_ms() - 240_000)
    page = (await panel.get(path)).text
    assert "It is due now" in page and "minutes ago" not in page
    assert "due now</td>" in (await panel.get("/webhooks", status="pending")).text
    waiting = await logged(panel.api, "pending", error="dns", next_attempt_at=now_ms() + 240_000)
    assert "in 4 minutes" in (await panel.get(waiting)).text and "It is due now" not in (await panel.get(waiting)).text


async def test_a_long_url_is_shortened_and_its_title_has_the_whole(panel: PanelStack) -> None:
    url = f"https://{HOST}/{'long-' * 300}"
    id_ = str((await panel.api.admin.post(API, json={"url": url})).json()["id"])
    for page, tag in ((PATH, f'<a class="row clamp" href="{PATH}/{id_}"'), (f"{PATH}/{id_}", '<code class="clamp"')):
        assert f'{tag} title="{url}">' in (await panel.get(page)).text
    path = await logged(panel.api, "delivered", http_status=200, url=url)
    assert f'<code class="clamp" title="{url}">' in (await panel.get(path)).text


async def test_disabled_endpoints_at_one_address_can_be_told_apart(panel: PanelStack, wait_until: WaitUntil) -> None:
    plain, named = await registered(panel), await registered(panel, description="for <billing>")
    await lost(panel, plain, "gone")
    await lost(panel, named, "gone")

    async def both() -> bool:
        return "2 webhook endpoints were disabled" in (await panel.get("/")).text

    await wait_until(both, "the banner")
    lines = re.findall(rf'<li><a class="clamp" href="{PATH}/([0-9a-f-]+)".*?</li>', (await panel.get("/")).text)
    assert sorted(lines) == sorted([plain, named])
    page = (await panel.get("/")).text
    assert html.escape("for <billing>") in page and f"…{plain[-12:]}" in page


async def test_a_delivery_without_a_url_shows_that_of_its_endpoint(panel: PanelStack) -> None:
    id_, gone = await registered(panel, description="billing"), new_id()
    path = await logged(panel.api, "dead", error="disabled", endpoint_id=UUID(id_), url="")
    page = (await panel.get(path)).text
    assert f'<span class="break">{HOST}</span>' in page and f">https://{HOST}/in?...</code>" in page
    assert "hush" not in page and f"…{id_[-12:]}" in (await panel.get("/webhooks")).text
    orphan = (await panel.get(await logged(panel.api, "dead", error="disabled", endpoint_id=gone, url=""))).text
    assert '<span class="break">an endpoint that was deleted</span>' in orphan and f"…{str(gone)[-12:]}" in orphan
