"""The panel in a real browser on a real `presswork up`. Every test fails if a page complains in the console."""

import os
import shutil
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from pathlib import Path

import httpx2
import pytest
import pytest_asyncio
from playwright.async_api import Browser, async_playwright, expect

from tests.browser.receiver import Receiver, receiving
from tests.browser.visitor import Visitor
from tests.e2e.test_up import STOP_S, Up, free_ports

#: Debian's, or the one that PRESSWORK_CHROMIUM names.
CHROMIUM = os.environ.get("PRESSWORK_CHROMIUM") or shutil.which("chromium") or "/usr/bin/chromium"
#: A busy machine may take long to show what is expected.
expect.set_options(timeout=15_000)


@dataclass
class UpWithHooks(Up):
    """`presswork up` whose webhooks may go to one receiver on this machine."""

    receiver: str = ""

    def environment(self) -> dict[str, str]:
        return super().environment() | {"PRESSWORK_WEBHOOK_ALLOW_HOSTS": self.receiver}


@pytest.fixture(scope="package")
def receiver() -> Iterator[Receiver]:
    with receiving() as one:
        yield one


@pytest.fixture(scope="package")
def up(tmp_path_factory: pytest.TempPathFactory, receiver: Receiver) -> Iterator[Up]:
    if not Path(CHROMIUM).exists():
        pytest.skip(f"needs Chromium: there is none at {CHROMIUM} (PRESSWORK_CHROMIUM names another)")
    started = UpWithHooks(tmp_path_factory.mktemp("panel"), free_ports(), f"127.0.0.1:{receiver.port}").start()
    yield started
    started.process.terminate()
    started.wait(STOP_S * 2)


@pytest_asyncio.fixture(scope="package", loop_scope="package")
async def chromium(up: Up) -> AsyncIterator[Browser]:
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield browser
        await browser.close()


@pytest_asyncio.fixture(scope="package", loop_scope="package")
async def api(up: Up) -> AsyncIterator[httpx2.AsyncClient]:
    """The User API with the first admin's key."""
    headers = {"Authorization": f"Bearer {up.facts['admin_key']}"}
    async with httpx2.AsyncClient(base_url=up.facts["api_url"], headers=headers, timeout=40) as client:
        yield client


@pytest_asyncio.fixture(loop_scope="package")
async def stranger(chromium: Browser, up: Up) -> AsyncIterator[Visitor]:
    """A browser that nobody has logged in with."""
    context = await chromium.new_context(viewport={"width": 1280, "height": 860}, locale="en-GB")
    context.set_default_timeout(10_000)
    visitor = Visitor(await context.new_page(), up.facts["generator_url"].rstrip("/"))
    await visitor.watch()
    yield visitor
    complaints = list(visitor.complaints)
    await context.close()
    assert complaints == []


@pytest_asyncio.fixture(loop_scope="package")
async def visitor(stranger: Visitor, up: Up) -> Visitor:
    """A browser with the session of the first admin."""
    await stranger.log_in(up.facts["admin_key"])
    return stranger
