"""`presswork doctor` beside a running `presswork up` that has lost one of its stores."""

import json
import shutil
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import httpx2
import pytest
import redis
from standardwebhooks import Webhook

from standalone.doctor import embedded_redis
from tests.e2e.test_main_job import INVOICE, Fast, ended
from tests.e2e.test_up import free_ports, wait_until

pytestmark = pytest.mark.timeout(240)


@dataclass
class Receiver:
    """Takes webhooks: refuses them while `closed`, else keeps each body by its webhook-id."""

    url: str = ""
    closed: bool = True
    bodies: dict[str, set[bytes]] = field(default_factory=dict)
    headers: dict[str, str] = field(default_factory=dict)

    def take(self, headers: dict[str, str], body: bytes) -> int:
        if self.closed:
            return 503
        self.bodies.setdefault(headers["webhook-id"], set()).add(body)
        self.headers = headers
        return 204

    def told(self) -> dict[str, str]:
        """Return what was told of each document: its id and the type of the webhook."""
        told = [json.loads(body) for bodies in self.bodies.values() for body in bodies]
        return {payload["data"]["id"]: payload["type"] for payload in told}


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    taker = Receiver()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:  # noqa: N802 - the name that http.server calls
            body = self.rfile.read(int(self.headers["Content-Length"]))
            self.send_response(taker.take({name.lower(): value for name, value in self.headers.items()}, body))
            self.end_headers()

        def log_message(self, *args: object) -> None:
            return

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        taker.url = f"http://127.0.0.1:{server.server_address[1]}/hook"
        yield taker
        server.shutdown()


class Patient(Fast):
    """A stack whose webhooks wait for the receiver."""

    def environment(self) -> dict[str, str]:
        return super().environment() | {"PRESSWORK_WEBHOOK_SCHEDULE": "0,600,600"}


@pytest.fixture
def up(tmp_path: Path) -> Iterator[Patient]:
    stack = Patient(tmp_path, free_ports())
    stack.start()
    yield stack
    if not stack.ended:
        stack.signal(signal.SIGTERM)
        stack.wait(20)


@contextmanager
def client_of(up: Fast, key: str = "") -> Iterator[httpx2.Client]:
    headers = {"Authorization": f"Bearer {key or up.facts['admin_key']}"}
    with httpx2.Client(base_url=up.facts["api_url"], headers=headers, timeout=60) as http:
        yield http


def doctor(up: Fast, *options: str) -> tuple[int, dict[str, Any]]:
    """Run the command as its user does; returns the exit code and the report."""
    command = [sys.executable, "-m", "standalone", "doctor", "--json", "--data-dir", str(up.home / "var"), *options]
    result = subprocess.run(command, capture_output=True, text=True, timeout=120, env=up.environment())
    assert result.stdout, result.stderr
    return result.returncode, json.loads(result.stdout)


def found(report: dict[str, Any]) -> dict[str, int]:
    assert not [check["unchecked"] for check in report["checks"] if check["unchecked"]], report
    return {f"{c['name']}:{f['flaw']}": f["found"] for c in report["checks"] for f in c["findings"]}


def accepted(client: httpx2.Client, receiver: Receiver, **body: Any) -> str:
    request = {"template": "invoice", "data": INVOICE, "callback_url": receiver.url, **body}
    response = client.post("/v1/documents", json=request)
    assert response.status_code == 202, response.text
    return str(response.json()["id"])


def documents_in_every_state(client: httpx2.Client, receiver: Receiver) -> list[str]:
    """Complete some whose webhooks are refused, keep one rendering, some waiting behind it, one scheduled."""
    made = [accepted(client, receiver) for _ in range(3)]
    assert {ended(client, document_id)["status"] for document_id in made} == {"completed"}
    slow = {"simulate": {"seconds": 12}}
    waiting = [accepted(client, receiver, options=slow), *(accepted(client, receiver) for _ in range(4))]
    return [*made, *waiting, accepted(client, receiver, run_at="2027-01-01T00:00:00Z")]


def is_shipped(broker: "redis.Redis[Any]") -> bool:
    return broker.xlen("{pw}:events") == 0


def broker_of(up: Fast) -> "redis.Redis[Any]":
    return redis.Redis.from_url(embedded_redis(up.home / "var"), decode_responses=True)


def all_told(client: httpx2.Client, receiver: Receiver, documents: list[str]) -> None:
    """Every document ends as completed, and its webhook arrives."""
    assert {ended(client, document_id)["status"] for document_id in documents} == {"completed"}
    wait_until(lambda: set(receiver.told()) >= set(documents), 60, lambda: str(receiver.told()))
    assert {receiver.told()[document_id] for document_id in documents} == {"document.completed"}
    secret = client.get("/v1/webhooks/secret").json()["secret"]
    assert Webhook(secret).verify(next(iter(receiver.bodies[receiver.headers["webhook-id"]])), receiver.headers)

    def settled() -> bool:
        return all(client.get(f"/v1/documents/{id_}").json()["delivery"]["status"] == "delivered" for id_ in documents)

    wait_until(settled, 30)


def test_after_flushall_every_document_is_made_and_told_and_users_keep_their_keys(
    up: Patient, receiver: Receiver
) -> None:
    with client_of(up) as admin, broker_of(up) as broker:
        user = admin.post("/v1/users", json={"email": "ann@example.com", "name": "Ann"}).json()
        key = admin.post(f"/v1/users/{user['id']}/keys", json={"name": "k"}).json()["key"]
        documents = documents_in_every_state(admin, receiver)
        wait_until(lambda: is_shipped(broker), 30)
        broker.flushall()
        receiver.closed = False
        code, report = doctor(up)
        assert code == 0, report
        counts = found(report)
        assert counts["lost-documents:lost"] == 6 and counts["lost-deliveries:lost"] == 3, counts
        scheduled = documents.pop()
        assert admin.get(f"/v1/documents/{scheduled}").json()["status"] == "scheduled"
        all_told(admin, receiver, documents)
        assert admin.post(f"/v1/documents/{scheduled}/cancel").json()["status"] == "cancelled"
        with client_of(up, key) as ann:
            assert ann.get("/v1/me").json()["user"]["email"] == "ann@example.com"
        wait_until(lambda: is_shipped(broker), 30)
        assert doctor(up) == (0, {**report, "found": 0, "mended": 0, "checks": checks_without_findings(report)})


def checks_without_findings(report: dict[str, Any]) -> list[dict[str, Any]]:
    return [{**check, "findings": []} for check in report["checks"]]


def test_after_clickhouse_lost_its_data_lists_and_history_are_back(up: Patient, receiver: Receiver) -> None:
    with client_of(up) as admin, broker_of(up) as broker:
        receiver.closed = False
        documents = [accepted(admin, receiver) for _ in range(4)]
        all_told(admin, receiver, documents)
        wait_until(lambda: is_shipped(broker), 30)
    up.signal(signal.SIGTERM)
    assert up.wait(30) == 0, up.output
    shutil.rmtree(up.home / "var" / "clickhouse")
    up.start()
    with client_of(up) as admin:
        assert admin.get("/v1/documents").json()["items"] == []
        code, report = doctor(up)
        assert code == 0, report
        counts = found(report)
        assert (counts["document-history:missing"], counts["delivery-history:missing"]) == (4, 4), counts
        listed = admin.get("/v1/documents").json()["items"]
        assert {item["id"] for item in listed} == set(documents)
        assert {item["delivery"]["status"] for item in listed} == {"delivered"}
        assert [user["role"] for user in admin.get("/v1/users").json()["items"]] == ["admin"]
        events = [item["event"] for item in admin.get(f"/v1/documents/{documents[0]}/events").json()["items"]]
        assert events == ["accepted", "started", "completed", "delivered"]
        assert doctor(up, "--dry-run")[0] == 0
