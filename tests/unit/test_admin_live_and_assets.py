"""The panel's streams and static files, without a server."""

from types import SimpleNamespace
from typing import Any

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient

from backends.shutdown import Shutdown
from contracts.errors import QueueUnavailable
from generator.admin import assets, live
from generator.admin.assets import asset_url


class Session:
    """A visit whose session lasts for `looks` looks."""

    def __init__(self, looks: int = 10**6) -> None:
        self.looks = looks
        self.panel = SimpleNamespace(session_of=self._session_of, generator=SimpleNamespace(shutdown=Shutdown()))
        self.request = None

    async def _session_of(self, _request: object) -> object | None:
        self.looks -= 1
        return object() if self.looks >= 0 else None


async def sent(visit: Any, texts: list[Any], **how: Any) -> list[str]:
    """Let a stream show these texts one after another (exceptions are raised), then end the session."""
    remaining = list(texts)

    async def fragment() -> str:
        text = remaining.pop(0)
        if not remaining:
            visit.looks = 0
        if isinstance(text, Exception):
            raise text
        return str(text)

    response = live.live(visit, fragment, every_s=0, **how)
    assert response.media_type == "text/event-stream" and response.headers["x-accel-buffering"] == "no"
    return [chunk.decode() async for chunk in response.body_iterator]  # type: ignore[union-attr]


async def test_a_stream_sends_only_what_has_changed() -> None:
    assert await sent(Session(), ["a", "a", "b", "b", "a"]) == ["data: a\n\n", "data: b\n\n", "data: a\n\n"]


async def test_lines_of_html_are_lines_of_data() -> None:
    assert await sent(Session(), ["<p>\n\n  1\n</p>"]) == ["data: <p>\ndata:   1\ndata: </p>\n\n"]


async def test_a_stream_ends_with_its_session() -> None:
    assert await sent(Session(looks=1), ["a", "b", "c"]) == ["data: a\n\n"]


async def test_a_stream_outlives_a_server_that_is_away() -> None:
    assert await sent(Session(), ["a", QueueUnavailable(), "b"]) == ["data: a\n\n", "data: b\n\n"]


async def test_a_stream_says_when_nothing_will_change_any_more() -> None:
    assert await sent(Session(), ["a", "b"], ended=lambda: True) == ["data: a\n\n", "event: ended\ndata:\n\n"]


async def test_a_quiet_stream_shows_that_it_lives(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(live, "BEAT_S", -1.0)
    assert await sent(Session(), ["a", "a"]) == ["data: a\n\n", ": still here\n\n"]


async def test_a_stream_ends_when_the_process_stops() -> None:
    visit = Session()
    visit.panel.generator.shutdown.asked.set()
    assert await sent(visit, ["a"]) == []


@pytest.fixture
def client() -> TestClient:
    app = FastAPI()
    app.include_router(assets.router)
    return TestClient(app)


def test_a_file_under_its_digest_is_kept_for_ever_and_else_asked_for_again(client: TestClient) -> None:
    lasting = client.get(asset_url("panel.css"))
    assert lasting.status_code == 200 and "immutable" in lasting.headers["cache-control"]
    assert lasting.headers["content-type"].startswith("text/css")
    for path in ("/static/panel.css", "/static/panel.css?v=old"):
        assert client.get(path).headers["cache-control"] == "no-cache"


def test_a_known_file_is_not_sent_again(client: TestClient) -> None:
    etag = client.get("/static/panel.js").headers["etag"]
    again = client.get("/static/panel.js", headers={"If-None-Match": etag})
    assert (again.status_code, again.content, again.headers["etag"]) == (304, b"", etag)
    assert client.get("/static/panel.js", headers={"If-None-Match": '"other"'}).status_code == 200


@pytest.mark.parametrize("name", ["none.css", "../panel.py", "..%2Fpanel.py", "%2e%2e/guard.py", "/etc/passwd", ""])
def test_nothing_but_static_files_is_served(client: TestClient, name: str) -> None:
    assert client.get(f"/static/{name}").status_code == 404


def test_a_page_cannot_name_a_file_that_is_not_there() -> None:
    with pytest.raises(KeyError):
        asset_url("none.css")
