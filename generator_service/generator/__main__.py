"""`python -m generator` runs the generator service."""

from types import FrameType

import uvicorn
from fastapi import FastAPI

from backends.settings import load_settings
from generator.main import create_app
from generator.settings import GeneratorSettings

HTTP_DRAIN_S = 2


class DrainingServer(uvicorn.Server):
    """Stops claiming at once when it is asked to stop; /readyz says so."""

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        app = self.config.app
        assert isinstance(app, FastAPI)
        app.state.generator.stop.set()
        super().handle_exit(sig, frame)


def main() -> None:
    settings = load_settings(GeneratorSettings)
    config = uvicorn.Config(
        create_app(settings),
        host=settings.host,
        port=settings.generator_port,
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=bool(settings.trusted_proxies),
        forwarded_allow_ips=settings.trusted_proxies,
        timeout_graceful_shutdown=HTTP_DRAIN_S,
    )
    DrainingServer(config).run()


if __name__ == "__main__":
    main()
