"""`python -m app` runs the User API."""

from types import FrameType

import uvicorn
from fastapi import FastAPI

from app.main import create_app
from app.settings import ApiSettings
from backends.settings import load_settings


class DrainingServer(uvicorn.Server):
    """Says on /readyz that it stops, before it stops."""

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        app = self.config.app
        assert isinstance(app, FastAPI)
        app.state.readiness.stopping = True
        super().handle_exit(sig, frame)


def main() -> None:
    settings = load_settings(ApiSettings)
    config = uvicorn.Config(
        create_app(settings),
        host=settings.host,
        port=settings.api_port,
        log_config=None,
        access_log=False,
        server_header=False,
        timeout_graceful_shutdown=int(settings.drain_s),
    )
    DrainingServer(config).run()


if __name__ == "__main__":
    main()
