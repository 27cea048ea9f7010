"""`presswork listen`: what it says about good, forged, repeated and failing calls, and where it finds its secret."""

import json
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from http.client import HTTPConnection
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from threading import Thread
from time import time

import pytest

from contracts.targets import remedy
from contracts.views import JsonObject
from contracts.webhooks import new_secret, payload, sign
from standalone.errors import StartRefused
from standalone.listen import Answering, NoSecret, Receiver, find_secret, listen, receiver

SECRET = new_secret()
BODY = payload("document.completed", 0, {"id": "doc-1", "status": "completed", "result": {"url": "http://x/doc"}})


@contextmanager
def listening(answering: Answering | None = None, *, as_json: bool = True) -> Iterator[tuple[Receiver, list[str]]]:
    printed: list[str] = []
    with receiver("127.0.0.1", 0, SECRET, answering, as_json=as_json, out=printed.append) as server:
        thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield server, printed
        finally:
            server.shutdown()
            thread.join()


def post(server: Receiver, body: bytes = BODY, headers: dict[str, str] | None = None) -> int:
    connection = HTTPConnection("127.0.0.1", server.server_port, timeout=10)
    connection.request("POST", "/", body, sign([SECRET], "id-1", int(time()), body) | (headers or {}))
    try:
        return connection.getresponse().status
    finally:
        connection.close()


def test_a_signed_call_is_verified_and_described() -> None:
    with listening() as (server, printed):
        assert post(server) == 200
    call = json.loads(printed[0])
    assert (call["verified"], call["type"], call["webhook_id"]) == (True, "document.completed", "id-1")
    assert (call["document_id"], call["status"], call["url"]) == ("doc-1", "completed", "http://x/doc")


@pytest.mark.parametrize("body", [b"", b"{", b"[1]", b"\xff\x00", b"[" * 100_000])
def test_a_forged_call_is_not_verified_whatever_it_holds(body: bytes) -> None:
    with listening() as (server, printed):
        assert post(server, body, {"webhook-signature": "v1,AAAA"}) == 401
    call = json.loads(printed[0])
    assert (call["verified"], call["why"]) == (False, "no signature matches this secret")


def test_people_see_verdict_repetition_and_error() -> None:
    body = payload(
        "document.failed", 0, {"id": "doc-1", "status": "failed", "error": {"code": "c", "message": "m\x1b[2J"}}
    )
    with listening(as_json=False) as (server, printed):
        post(server, body)
        post(server, body, {"webhook-timestamp": "1"})
    assert "  verified  document.failed  answered 200" in printed[0] and "error       c m?[2J" in printed[0]
    assert "NOT VERIFIED (the timestamp is " in printed[1] and "DUPLICATE, call 2" in printed[1]


@pytest.mark.parametrize("data", [{"endpoint_id": "endpoint-1", "sent_at": "2026-11-23T03:00:00.000Z"}, {}])
def test_a_ping_is_shown_without_a_document(data: JsonObject) -> None:
    with listening(as_json=False) as (server, printed):
        assert post(server, payload("ping", 0, data)) == 200
    assert "  verified  ping  answered 200" in printed[0] and "document" not in printed[0]


def test_the_first_calls_may_fail_on_purpose() -> None:
    with listening(Answering(status=204, fail_first=2)) as (server, printed):
        assert [post(server) for _ in range(3)] == [500, 500, 204]
    assert [json.loads(line)["attempt"] for line in printed] == [1, 2, 3]


def test_a_body_without_a_sane_length_is_refused() -> None:
    with listening() as (server, printed):
        assert post(server, headers={"Content-Length": str(1 << 40)}) == 413
    assert printed == []


def test_listening_ends_after_count_calls(capsys: pytest.CaptureFixture[str]) -> None:
    with listening() as (taken, _):
        port = taken.server_port
    printed: list[str] = []
    thread = Thread(target=listen, args=("127.0.0.1", port, SECRET), kwargs={"count": 1, "out": printed.append})
    thread.start()
    while True:
        try:
            assert post(taken) == 200
            break
        except ConnectionRefusedError:
            assert thread.is_alive()
    thread.join()
    assert len(printed) == 1
    assert remedy("127.0.0.1", port) in capsys.readouterr().err


@pytest.mark.skipif(not socket.has_dualstack_ipv6(), reason="needs IPv6")
def test_it_listens_on_an_ipv6_address_too(capsys: pytest.CaptureFixture[str]) -> None:
    with receiver("::1", 0, SECRET, out=print) as server:
        assert server.server_address[0] == "::1"


def test_a_taken_port_is_refused_in_words() -> None:
    with listening() as (server, _), pytest.raises(StartRefused, match="choose another --port or --host"):
        receiver("127.0.0.1", server.server_port, SECRET, out=print)


class Api(BaseHTTPRequestHandler):
    def do_GET(self) -> None:  # noqa: N802
        good = (self.path, self.headers["Authorization"]) == ("/v1/webhooks/secret", "Bearer pw_admin")
        self.send_response(200 if good else 401)
        self.end_headers()
        self.wfile.write(json.dumps({"secret": SECRET, "previous_valid_until": None}).encode() if good else b"{}")

    def log_message(self, format: str, *args: object) -> None:
        return


@pytest.fixture
def api() -> Iterator[str]:
    with HTTPServer(("127.0.0.1", 0), Api) as server:
        thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


def test_the_secret_is_asked_from_the_api_with_the_admin_key(
    api: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("PRESSWORK_WEBHOOK_SECRET", raising=False)
    (tmp_path / "admin.key").write_text("pw_admin\n")
    assert find_secret(None, api_url=api, key=None, data_dir=tmp_path) == SECRET
    with pytest.raises(NoSecret, match="HTTP 401") as caught:
        find_secret(None, api_url=api, key="pw_wrong", data_dir=tmp_path)
    assert "pw_wrong" not in str(caught.value)


def test_without_any_secret_it_says_what_to_give(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("PRESSWORK_WEBHOOK_SECRET", raising=False)
    with pytest.raises(NoSecret, match="--secret whsec_"):
        find_secret(None, api_url="http://127.0.0.1:1", key=None, data_dir=tmp_path)
    with pytest.raises(NoSecret, match="whsec_"):
        find_secret("whsec_short", api_url="", key=None, data_dir=tmp_path)
    monkeypatch.setenv("PRESSWORK_WEBHOOK_SECRET", SECRET)
    assert find_secret(None, api_url="", key=None, data_dir=tmp_path) == SECRET
