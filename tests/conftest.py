"""What every test shares: quiet logs, and waiting that ends."""

import asyncio
import time
from collections.abc import Awaitable, Callable

import pytest

WaitUntil = Callable[..., Awaitable[None]]


@pytest.fixture
def wait_until() -> WaitUntil:
    """Wait for an async condition; fail with its name when the deadline passes."""

    async def wait(condition: Callable[[], Awaitable[object]], what: str, deadline_s: float = 20) -> None:
        deadline = time.monotonic() + deadline_s
        while not await condition():
            assert time.monotonic() < deadline, f"waited {deadline_s} s in vain: {what}"
            await asyncio.sleep(0.02)

    return wait
