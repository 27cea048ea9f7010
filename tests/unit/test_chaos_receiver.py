"""The receiver of a chaos run writes every call down with what is wrong with it, however it answers."""

import json
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
from tests.chaos.receiver import Receiver

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
