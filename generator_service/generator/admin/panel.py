"""The admin panel on port 8001: puts its pages into the application and holds what they share."""

import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import aiohttp
from fastapi import FastAPI, Request
from starlette.exceptions import HTTPException

from backends.template_store import TemplateStore
from contracts.delegation import Delegations
from contracts.secrets import derive
from generator.admin import assets, health
from generator.admin.board import StatusBoard
from generator.admin.guard import lost
from generator.admin.pages import (
    document_files,
    document_page,
    documents,
    endpoint_calls,
    endpoints,
    login,
    overview,
    templates,
    users,
    webhooks,
)
from generator.admin.pictures import TemplatePictures
from generator.admin.previews import Previews
from generator.admin.sessions import Session, Sessions
from generator.admin.user_api import UserApi

if TYPE_CHECKING:
    from generator.main import Generator

#: The largest form: a document's data (the API takes 1 MiB), percent-encoded.
MAX_FORM_BYTES = 4 * 1024 * 1024


class Panel:
    """What the pages share. `http` is the connection pool to the User API, open while the application runs."""

    def __init__(self, generator: "Generator") -> None:
        settings = generator.settings
        self.generator = generator
        self.max_form_bytes = MAX_FORM_BYTES
        self.board = StatusBoard(generator, self._api_alive)
        self.templates = TemplateStore(generator.scripts)
        self.pictures = TemplatePictures(generator.blobs, generator.guests)
        self.previews = Previews(generator.guests)
        self.sessions = Sessions(
            generator.scripts,
            generator.accounts,
            settings.secret_key,
            ttl_s=settings.session_ttl_s,
            logins_per_minute=settings.logins_per_minute,
        )
        self.secure = settings.public_url.startswith("https://")
        self.cookie = "__Host-presswork" if self.secure else "presswork"
        self._delegations = Delegations(derive(settings.secret_key, "delegations"))
        self._http: aiohttp.ClientSession | None = None

    async def session_of(self, request: Request) -> Session | None:
        """Return the session of a request's cookie, if there is one."""
        cookie = request.cookies.get(self.cookie)
        return await self.sessions.open(cookie) if cookie else None

    def api_for(self, session: Session, request_id: str) -> UserApi:
        """Return the User API as this admin may use it."""
        assert self._http is not None
        token = self._delegations.mint(session.key_digest, time.time())
        return UserApi(self._http, self.generator.settings.api_url, token, request_id)

    async def _api_alive(self) -> bool:
        """Ask the User API whether it lives."""
        assert self._http is not None
        try:
            async with self._http.get(f"{self.generator.settings.api_url.rstrip('/')}/livez") as answer:
                return answer.status == 200
        except aiohttp.ClientError:
            return False

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Keep the connections to the User API while the block runs."""
        async with aiohttp.ClientSession(trust_env=False) as self._http:
            yield


def attach(app: FastAPI, generator: "Generator") -> Panel:
    """Add health, metrics and (in the role `admin`) the panel to the application."""
    panel = app.state.panel = Panel(generator)
    app.include_router(health.router)
    if "admin" in generator.roles:
        app.add_exception_handler(HTTPException, lost)
        for module in (assets, login, overview, documents, document_page, document_files, templates, users):
            app.include_router(module.router)
        for module in (endpoints, endpoint_calls, webhooks):  # /webhooks/endpoints is no delivery
            app.include_router(module.router)
    return panel
