"""What every test shares: quiet logs, and waiting that ends."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterator

import pytest
import structlog

WaitUntil = Callable[..., Awaitable[None]]


@pytest.fixture(scope="session", autouse=True)
def loggers_are_not_cached() -> Iterator[None]:
    """A service caches its loggers at their first line: `capture_logs` of a later test would see nothing of them."""
    configure = structlog.configure
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(structlog, "configure", lambda **how: configure(**how | {"cache_logger_on_first_use": False}))
        structlog.reset_defaults()  # an application that a module made while it was collected has set its own
        yield


@pytest.fixture(autouse=True)
def logging_of_its_own() -> Iterator[None]:
    """A service that a test starts sets the level of all logs; the next test begins with structlog's defaults."""
    yield
    structlog.reset_defaults()


@pytest.fixture
def wait_until() -> WaitUntil:
    """Wait for an async condition; fail with its name when the deadline passes."""

    async def wait(condition: Callable[[], Awaitable[object]], what: str, deadline_s: float = 20) -> None:
        deadline = time.monotonic() + deadline_s
        while not await condition():
            assert time.monotonic() < deadline, f"waited {deadline_s} s in vain: {what}"
            await asyncio.sleep(0.02)

    return wait
