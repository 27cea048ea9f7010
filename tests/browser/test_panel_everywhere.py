"""What holds on every page: nothing foreign runs, everybody can use it, and it fits a phone."""

import httpx2
import pytest
import pytest_asyncio
from axe_playwright_python.base import AXE_SCRIPT
from playwright.async_api import Page

from tests.browser.haunted import ALL, EMAIL, EVIL, FILENAME, Haunted, haunt
from tests.browser.receiver import Receiver
from tests.browser.visitor import Visitor

pytestmark = [pytest.mark.asyncio(loop_scope="package"), pytest.mark.timeout(300)]

PHONE, DESK = {"width": 390, "height": 844}, {"width": 1280, "height": 860}
#: A page that somebody may see without a session, and one that there is not.
WITHOUT = ("/login", "/documents/nope")
LOOK = """
async rules => {
  const found = await axe.run(document, {
    resultTypes: ["violations"], ...(rules ? {runOnly: {type: "rule", values: rules}} : {}),
  });
  return found.violations.map(one =>
    `${one.id}: ${one.nodes.map(node => node.html.slice(0, 160)).slice(0, 3).join(" | ")}`);
}
"""


@pytest_asyncio.fixture(scope="module", loop_scope="package")
async def haunted(api: httpx2.AsyncClient, receiver: Receiver) -> Haunted:
    return await haunt(api, receiver)


async def flaws(page: Page, rules: list[str] | None = None) -> list[str]:
    found: list[str] = await page.evaluate(LOOK, rules)
    return found


async def too_wide(page: Page) -> list[str]:
    across = await page.evaluate("document.documentElement.scrollWidth - innerWidth")
    return [f"{across} px too wide"] if across > 0 else []


async def seen_in_every_light(visitor: Visitor) -> list[str]:
    """Look at the page that is open on a desk and on a phone, light and dark."""
    page, found = visitor.page, []
    await page.evaluate(AXE_SCRIPT)
    for size, theme, rules in (
        (DESK, "light", None),
        (DESK, "dark", ["color-contrast"]),
        (PHONE, "dark", None),
        (PHONE, "light", ["color-contrast"]),
    ):
        await page.set_viewport_size(size)
        await page.evaluate("theme => document.documentElement.dataset.theme = theme", theme)
        flawed = [*await flaws(page, rules), *await too_wide(page)]
        found += [f"{page.url} at {size['width']} px, {theme}: {flaw}" for flaw in flawed]
    return found


@pytest.mark.parametrize("language", ["en", "ru"])
async def test_no_page_shuts_anybody_out_or_is_too_wide_for_a_phone(
    visitor: Visitor, haunted: Haunted, language: str
) -> None:
    await visitor.context.add_cookies([{"name": "presswork_language", "value": language, "url": visitor.base}])
    await visitor.page.emulate_media(reduced_motion="reduce")
    found = []
    with visitor.refusing(404):
        for path in (*haunted.pages, *WITHOUT):
            await visitor.go(path)
            found += await seen_in_every_light(visitor)
    assert not found, "\n".join(found)


async def test_what_people_write_is_text_on_every_page_and_runs_nowhere(visitor: Visitor, haunted: Haunted) -> None:
    seen = ""
    for path in haunted.pages:
        await visitor.go(path)
        page = visitor.page
        assert await page.evaluate("window.ran") is None, path
        assert await page.locator("img[src='x'], [onerror], [onload], [onmouseover], svg[onload]").count() == 0, path
        links = await page.eval_on_selector_all("[href], [src], [action]", "all => all.map(one => one.outerHTML)")
        assert not [link for link in links if 'href="javascript:' in link or 'src="javascript:' in link], path
        inputs = await page.eval_on_selector_all("input, textarea", "all => all.map(one => one.value)")
        seen += "\n".join([await page.evaluate("document.body.innerText"), *inputs])
    for text in (*EVIL, ALL, EMAIL, FILENAME):
        assert text in seen, text
    assert "60481729" not in seen  # 7777 times 7777


async def test_what_a_document_holds_is_sent_as_a_file_and_never_as_a_page(visitor: Visitor, haunted: Haunted) -> None:
    answer = await visitor.context.request.get(f"{visitor.base}/documents/{haunted.document_id}/content")
    assert answer.status == 200 and answer.headers["content-disposition"].startswith("attachment")
    assert answer.headers["x-content-type-options"] == "nosniff"
    data = await visitor.context.request.get(f"{visitor.base}/documents/{haunted.document_id}/data.json")
    assert data.headers["content-type"].startswith("application/json")
    assert data.headers["content-disposition"].startswith("attachment")


async def test_a_callback_is_an_address_of_the_web(visitor: Visitor) -> None:
    await visitor.go("/templates/invoice")
    await visitor.page.fill("#field-callback_url", "javascript:window.ran=1")
    with visitor.refusing(422):
        await visitor.page.get_by_role("button", name="Make the document").click()
        await visitor.page.locator(".notice.bad").wait_for()
    assert await visitor.page.input_value("#field-callback_url") == "javascript:window.ran=1"
    assert await visitor.page.evaluate("window.ran") is None
