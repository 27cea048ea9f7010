"""Runs an application under uvicorn until it is drained: the main program of both services."""

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager

import uvicorn

from backends.shutdown import Shutdown, serve_until_drained


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
    asyncio.run(serve_until_drained(Server(config), shutdown, drain), loop_factory=config.get_loop_factory())
