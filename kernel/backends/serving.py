"""Runs an application under uvicorn until it is drained: the main program of both services."""

import asyncio
import gc
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager

import uvicorn

from backends.shutdown import Shutdown, serve_until_drained

#: New objects between two looks for cycles. Requests and batches make few cycles and many objects: at Python's 700 the
#: collector took a fifth of the shipper's time.
COLLECT_AFTER = 50_000


class Server(uvicorn.Server):
    """uvicorn's server; signals are for `backends.shutdown`."""

    @property
    def requests(self) -> set[asyncio.Task[None]]:
        return self.server_state.tasks

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


def serve(config: uvicorn.Config, shutdown: Shutdown, drain: Callable[[], Awaitable[None]]) -> None:
    """Serve until SIGTERM or SIGINT, then `drain` while requests are still answered."""
    calm_collector()
    asyncio.run(serve_until_drained(Server(config), shutdown, drain), loop_factory=config.get_loop_factory())


def calm_collector() -> None:
    """Let the garbage collector look rarely, and never at what was there before the first request."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(COLLECT_AFTER, 20, 20)
