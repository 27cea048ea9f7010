"""`python -m app` runs the User API."""

from types import FrameType

import uvicorn
from fastapi import FastAPI

from app.api.intake import IntakeGate
from app.api.protocol import ProblemProtocol
from app.main import create_app
from app.settings import ApiSettings
from backends.settings import load_settings


class DrainingServer(uvicorn.Server):
    """Says on /readyz that it stops, before it stops."""

    def __init__(self, config: uvicorn.Config, app: FastAPI) -> None:
        super().__init__(config)
        self._app = app

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        self._app.state.readiness.stopping = True
        super().handle_exit(sig, frame)


def main() -> None:
    settings = load_settings(ApiSettings)
    app = create_app(settings)
    DrainingServer(server_config(settings, app), app).run()


def server_config(settings: ApiSettings, app: FastAPI) -> uvicorn.Config:
    """Say how the application is served."""
    return uvicorn.Config(
        IntakeGate(app, app.state.intake),
        http=ProblemProtocol,
        host=settings.host,
        port=settings.api_port,
        log_config=None,
        access_log=False,
        server_header=False,
        timeout_graceful_shutdown=int(settings.drain_s),
    )


if __name__ == "__main__":
    main()
