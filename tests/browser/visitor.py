"""One browser window in the panel, and an ear for what a page must never say: errors, and violations of its policy."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from playwright.async_api import BrowserContext, ConsoleMessage, Locator, Page, expect

#: Violations of the policy reach the console, like errors.
WATCH = """
document.addEventListener("securitypolicyviolation", (event) =>
  console.error(`policy violated: ${event.violatedDirective} ${event.blockedURI} ${event.sample}`));
"""
REFUSED = re.compile(r"Failed to load resource: the server responded with a status of (\d+)")


@dataclass
class Visitor:
    """`complaints`: what the console said. Requests refused on purpose are announced with `refusing`."""

    page: Page
    base: str
    complaints: list[str] = field(default_factory=list)
    _allowed: set[int] = field(default_factory=set)

    async def watch(self) -> None:
        await self.page.add_init_script(WATCH)
        self.page.on("console", self._heard)
        self.page.on("pageerror", lambda error: self.complaints.append(f"page error: {error}"))

    @property
    def context(self) -> BrowserContext:
        return self.page.context

    @contextmanager
    def refusing(self, *statuses: int) -> Iterator[None]:
        """Expect requests to be refused with one of these statuses."""
        self._allowed |= set(statuses)
        yield
        self._allowed -= set(statuses)

    async def log_in(self, key: str) -> None:
        """Open a session without the form: only the cookie matters to most tests."""
        answer = await self.context.request.post(f"{self.base}/login", form={"key": key}, max_redirects=0)
        assert answer.status == 303, await answer.text()

    async def go(self, path: str) -> None:
        await self.page.goto(self.base + path)

    def at(self, path: str) -> re.Pattern[str]:
        return re.compile(re.escape(self.base + path) + "$")

    async def csrf(self) -> str:
        return await self.page.locator("body").get_attribute("data-csrf") or ""

    async def confirm(self, button: Locator, yes: bool = True) -> None:
        """Press a button that asks first, and answer."""
        await button.click()
        await expect(self.page.locator("dialog")).to_be_visible()
        await self.page.locator("dialog .button.primary" if yes else "dialog .button:not(.primary)").click()
        await expect(self.page.locator("dialog")).to_have_count(0)

    async def pictures_load(self, selector: str) -> int:
        """Wait until every picture has been drawn; returns how many there are."""
        pictures = self.page.locator(selector)
        await expect(pictures.first).to_be_visible()
        await self.page.wait_for_function(
            "selector => [...document.querySelectorAll(selector)].every(one => one.complete && one.naturalWidth > 0)",
            arg=selector,
            timeout=20_000,
        )
        return await pictures.count()

    async def stays(self) -> None:
        """Mark the page, so that `stayed` can tell that it was not loaded again."""
        await self.page.evaluate("window.marked = true")

    async def stayed(self) -> bool:
        return bool(await self.page.evaluate("window.marked === true"))

    def _heard(self, message: ConsoleMessage) -> None:
        if message.type not in ("error", "warning"):
            return
        refused = REFUSED.match(message.text)
        if refused is None or int(refused[1]) not in self._allowed:
            self.complaints.append(f"{message.text} ({self.page.url})")
