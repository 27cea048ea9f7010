"""The receiver of a chaos run writes every call down with what is wrong with it, however it answers."""

import json
import socket
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from http.client import HTTPException
from pathlib import Path
from typing import Any

import pytest

from contracts.webhooks import new_secret, sign
from tests.chaos.receiver import BROKEN, MANNERS, Manner, Receiver

SECRET = new_secret()
BODY = b'{"type":"document.completed"}'


@pytest.fixture
def receiver(tmp_path: Path) -> Iterator[Receiver]:
    secrets = tmp_path / "secrets"
    secrets.write_text(json.dumps({"/client-1": SECRET}))
    with Receiver(0, tmp_path / "received", "seed", secrets) as server:
        serving = threading.Thread(target=server.serve_forever, args=(0.01,))
        serving.start()
        yield server
        server.shutdown()
        serving.join()


def post(receiver: Receiver, path: str, headers: dict[str, str]) -> None:
    url = f"http://127.0.0.1:{receiver.server_port}{path}"
    try:
        urllib.request.urlopen(urllib.request.Request(url, BODY, headers), timeout=10).close()
    except urllib.error.HTTPError as answer:
        answer.close()
    except (HTTPException, OSError):
        return  # closed without an answer, as it does to some


def written(tmp_path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (tmp_path / "received").read_text().splitlines()]


def test_a_call_that_verifies_has_no_flaw(receiver: Receiver, tmp_path: Path) -> None:
    post(receiver, "/client-1", sign([SECRET], "msg-1", int(time.time()), BODY))
    [line] = written(tmp_path)
    assert (line["id"], line["flaw"], line["body"]) == ("msg-1", "", BODY.decode())


@pytest.mark.parametrize(
    ("path", "headers"),
    [
        ("/client-1", sign([new_secret()], "msg-1", int(time.time()), BODY)),
        ("/client-1", {}),
        ("/nobody", sign([SECRET], "msg-1", int(time.time()), BODY)),
    ],
    ids=["another secret", "no signature", "another user's path"],
)
def test_a_call_that_does_not_verify_is_written_down_with_its_flaw(
    receiver: Receiver, tmp_path: Path, path: str, headers: dict[str, str]
) -> None:
    post(receiver, path, headers)
    [line] = written(tmp_path)
    assert line["flaw"]


def raw_answer(receiver: Receiver) -> bytes:
    """Return what comes back within a moment: some of these answers have no end."""
    head = f"POST /client-1 HTTP/1.1\r\nHost: x\r\nContent-Length: {len(BODY)}\r\n\r\n".encode()
    with socket.create_connection(("127.0.0.1", receiver.server_port), timeout=0.3) as call:
        call.sendall(head + BODY)
        try:
            return call.recv(100)
        except (TimeoutError, ConnectionResetError):
            return b""


@pytest.mark.parametrize("manner", [manner for manner in MANNERS if manner != "slowly"])
def test_every_manner_is_one_of_its_own(receiver: Receiver, tmp_path: Path, manner: Manner) -> None:
    receiver._chance.choices = lambda *_: [manner]  # type: ignore[assignment,method-assign]
    statuses = {"well": b" 204 ", "error": b" 500 ", "busy": b" 503 ", "redirect": b" 302 ", "endless": b" 500 "}
    if manner == "breaking":
        assert [raw_answer(receiver) for _ in BROKEN] == [answer[:100] for answer in BROKEN]
    elif manner in statuses:
        assert statuses[manner] in raw_answer(receiver)
    elif manner == "dripping":
        assert raw_answer(receiver).startswith(b"HTTP/1.1 200 OK")
    else:
        assert raw_answer(receiver) == b""
    assert {line["manner"] for line in written(tmp_path)} == {manner}
