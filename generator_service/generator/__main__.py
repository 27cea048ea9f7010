"""`python -m generator` runs the generator service until SIGTERM or SIGINT."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager

import uvicorn
from fastapi import FastAPI

from backends.settings import load_settings
from backends.shutdown import serve_until_drained
from generator.main import Generator, create_app
from generator.settings import GeneratorSettings

HTTP_DRAIN_S = 2


class Server(uvicorn.Server):
    """uvicorn's server; signals are for `backends.shutdown`."""

    @property
    def requests(self) -> set[asyncio.Task[None]]:
        return self.server_state.tasks

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


def main() -> None:
    settings = load_settings(GeneratorSettings)
    app = create_app(settings)
    generator: Generator = app.state.generator
    config = server_config(settings, app)
    serving = serve_until_drained(Server(config), generator.shutdown, generator.drain)
    asyncio.run(serving, loop_factory=config.get_loop_factory())


def server_config(settings: GeneratorSettings, app: FastAPI) -> uvicorn.Config:
    """Say how the application is served."""
    return uvicorn.Config(
        app,
        host=settings.host,
        port=settings.generator_port,
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=bool(settings.trusted_proxies),
        forwarded_allow_ips=settings.trusted_proxies,
        timeout_graceful_shutdown=HTTP_DRAIN_S,
    )


if __name__ == "__main__":
    main()
