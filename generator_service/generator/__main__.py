"""`python -m generator` runs the generator service until SIGTERM or SIGINT."""

import uvicorn
from fastapi import FastAPI

from backends.serving import serve
from backends.settings import load_settings
from generator.main import Generator, create_app
from generator.settings import GeneratorSettings

HTTP_DRAIN_S = 2


def main() -> None:
    settings = load_settings(GeneratorSettings)
    app = create_app(settings)
    generator: Generator = app.state.generator
    serve(server_config(settings, app), generator.shutdown, generator.drain)


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
