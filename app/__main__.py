"""`python -m app` runs the User API until SIGTERM or SIGINT."""

import uvicorn
from fastapi import FastAPI

from app.api.intake import IntakeGate
from app.api.protocol import ProblemProtocol
from app.main import create_app
from app.settings import ApiSettings
from backends.serving import serve
from backends.settings import load_settings


def main() -> None:
    settings = load_settings(ApiSettings)
    app = create_app(settings)
    serve(server_config(settings, app), app.state.shutdown, lambda: drain(app))


async def drain(app: FastAPI) -> None:
    """Answer who waits for a document, and take requests a little longer: load balancers look at /readyz by and by."""
    app.state.changes.stop()
    await app.state.shutdown.rest(app.state.settings.shutdown_delay_s)


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
