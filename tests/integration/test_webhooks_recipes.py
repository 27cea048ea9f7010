"""The receivers of docs/webhooks-verify.md, taken out of the page and run: what they answer to good and bad calls."""

import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from http.client import HTTPConnection
from pathlib import Path
from typing import IO

import pytest
from pydantic_core import to_json

from contracts.endpoints import DISABLED, PING
from contracts.webhooks import new_secret, payload, sign

PAGE = (Path(__file__).parents[2] / "docs" / "webhooks-verify.md").read_text()
RECIPES = dict(re.findall(r"<!-- recipe: (\S+) -->\n```\w+\n(.*?)```", PAGE, re.DOTALL))
SECRET, OTHER = new_secret(), new_secret()
BODY = payload("document.completed", 0, {"id": "doc-1", "status": "completed", "title": "Счёт  №7"})
GENUINE, REFUSED = 204, 401


@dataclass
class Receiver:
    port: int
    out: IO[str]

    def call(self, headers: dict[str, str], body: bytes = BODY) -> int:
        connection = HTTPConnection("127.0.0.1", self.port, timeout=10)
        try:
            connection.request("POST", "/hook", body, {"Content-Type": "application/json"} | headers)
            return connection.getresponse().status
        finally:
            connection.close()


@pytest.fixture(scope="module")
def npm_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder whose programs find the library. Skips where it cannot be had."""
    npm = shutil.which("npm")
    if npm is None:
        pytest.skip("npm is not installed")
    folder = tmp_path_factory.mktemp("npm")
    quiet = "--no-package-lock --no-audit --no-fund --ignore-scripts --prefer-offline --loglevel=error".split()
    quiet += ["--fetch-retries=1", "--fetch-timeout=20000"]
    command = [npm, "install", *quiet, "--prefix", str(folder), "standardwebhooks@1.1.1"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=100, cwd=folder)
    if done.returncode:
        pytest.skip(f"npm could not install standardwebhooks: {done.stderr[-300:]}")
    return folder


@pytest.fixture(scope="module", params=["library.py", "plain.py", "library.mjs", "plain.mjs"])
def receiver(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Receiver]:
    """One recipe of the page, running on a port of its own."""
    name = request.param
    interpreter = sys.executable if name.endswith(".py") else shutil.which("node")
    if interpreter is None:
        pytest.skip("node is not installed")
    folder = request.getfixturevalue("npm_folder") if name == "library.mjs" else tmp_path_factory.mktemp("recipe")
    (folder / name).write_text(RECIPES[name])
    environment = os.environ | {"PRESSWORK_WEBHOOK_SECRET": SECRET, "PORT": "0"}
    with (folder / "log").open("w") as log:
        process = subprocess.Popen(
            [interpreter, name], cwd=folder, env=environment, stdout=subprocess.PIPE, stderr=log, text=True
        )
    assert process.stdout
    try:
        listening = process.stdout.readline()
        assert listening.startswith("Listening on port "), (folder / "log").read_text()
        yield Receiver(int(listening.split()[-1]), process.stdout)
    finally:
        process.kill()
        process.wait()
        process.stdout.close()


def signed(*secrets: str, body: bytes = BODY, ago: int = 0) -> dict[str, str]:
    return sign(secrets or (SECRET,), "msg-1", int(time.time()) - ago, body)


def test_a_genuine_call_is_accepted_and_read(receiver: Receiver) -> None:
    assert receiver.call(signed()) == GENUINE
    assert receiver.out.readline() == "document.completed doc-1\n"


@pytest.mark.parametrize(
    ("type_", "data"),
    [
        (PING, {"endpoint_id": "endpoint-1", "sent_at": "2026-11-23T03:00:00.000Z"}),
        (DISABLED, {"endpoint_id": "endpoint-1", "url": "https://h.example/", "disabled_because": "gone"}),
        ("batch.completed", {"id": 7, "documents": []}),
        ("planet.discovered", ["no object"]),
        ("documents", None),
    ],
)
def test_a_call_about_no_document_is_taken_also_of_a_type_that_is_new(
    receiver: Receiver, type_: str, data: object
) -> None:
    body = to_json({"type": type_, "timestamp": "2026-11-23T03:00:00.000Z", "data": data})
    assert receiver.call(signed(body=body), body) == GENUINE
    assert receiver.out.readline() == f"{type_}\n"


@pytest.mark.parametrize("secrets", [(SECRET, OTHER), (OTHER, SECRET)])
def test_one_of_two_signatures_is_enough_while_the_secret_is_replaced(
    receiver: Receiver, secrets: tuple[str, str]
) -> None:
    assert receiver.call(signed(*secrets)) == GENUINE
    assert receiver.out.readline() == "document.completed doc-1\n"


def test_a_signature_of_another_version_is_passed_over(receiver: Receiver) -> None:
    headers = signed()
    assert receiver.call(headers | {"webhook-signature": "v1a,AAAA " + headers["webhook-signature"]}) == GENUINE
    assert receiver.out.readline() == "document.completed doc-1\n"


@pytest.mark.parametrize("ago", [301, 90_000, -330, -90_000])
def test_an_old_or_future_call_is_refused_although_it_is_signed(receiver: Receiver, ago: int) -> None:
    assert receiver.call(signed(ago=ago)) == REFUSED


@pytest.mark.parametrize("ago", [280, -280])
def test_a_clock_may_be_off_by_almost_five_minutes(receiver: Receiver, ago: int) -> None:
    assert receiver.call(signed(ago=ago)) == GENUINE
    assert receiver.out.readline() == "document.completed doc-1\n"


def test_a_call_that_another_secret_signed_is_refused(receiver: Receiver) -> None:
    assert receiver.call(signed(OTHER)) == REFUSED


@pytest.mark.parametrize("body", [BODY + b"\n", BODY.replace(b"doc-1", b"doc-2"), b"", b"\xff\xfe"])
def test_a_body_that_was_not_signed_is_refused(receiver: Receiver, body: bytes) -> None:
    assert receiver.call(signed(), body) == REFUSED


@pytest.mark.parametrize("name", ["webhook-id", "webhook-timestamp", "webhook-signature"])
@pytest.mark.parametrize("value", [None, "", "x", "v1", "v1,", "v1,AAAA", "v1,,", "1e9", "9" * 5000, "\u00e9"])
def test_a_missing_or_malformed_header_is_refused(receiver: Receiver, name: str, value: str | None) -> None:
    headers = signed() | {name: value or ""}
    if value is None:
        del headers[name]
    assert receiver.call(headers) == REFUSED


def test_a_long_body_is_refused_or_not_read(receiver: Receiver) -> None:
    body = b"x" * (1 << 20)
    try:
        assert receiver.call(signed(body=body), body) == 413
    except ConnectionError:
        """It hung up before it had read what it would not have taken."""
    assert receiver.call(signed()) == GENUINE
    assert receiver.out.readline() == "document.completed doc-1\n"
