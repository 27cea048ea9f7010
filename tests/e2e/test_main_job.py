"""The main job over real HTTP: documents that open, webhooks that verify, and things that die meanwhile."""

import io
import json
import os
import signal
import socket
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import httpx2
import pypdf
import pytest
from standardwebhooks import Webhook

from tests.e2e.test_up import Up, free_ports, wait_until

pytestmark = pytest.mark.timeout(240)

INVOICE = {
    "number": "INV-2026-7",
    "date": "2026-03-01",
    "due": "2026-04-01",
    "currency": "EUR",
    "seller": {"name": "Blue Harbour Ltd", "address": "12 Quay Street", "vat": "IE1", "iban": "IE29 AIBK 9311 5212"},
    "buyer": {"name": "Ада & Сыновья <ООО>", "address": "8 Main Street", "vat": "AT7"},
    "items": [{"name": "Consulting <hours>", "sku": "C-1", "qty": 2.5, "unit": "h", "price": "120.10"}],
    "vat_rate": 20,
    "note": "Thank you & goodbye",
}
REPORT = {
    "title": "Quarterly report",
    "author": "Blue Harbour Ltd",
    "date": "2026-03-31",
    "sections": [{"title": "Продажи", "paras": ["Все хорошо."], "rows": []}],
}


class Fast(Up):
    """A stack with a short lease and a short webhook schedule, that may call this machine."""

    def environment(self) -> dict[str, str]:
        return super().environment() | {
            "PRESSWORK_LEASE_S": "2",
            "PRESSWORK_WEBHOOK_ALLOW_CIDRS": "127.0.0.1/32",
            "PRESSWORK_WEBHOOK_SCHEDULE": "0,1,1,1",
        }

    def ask_soon(self, path: str, **body: Any) -> Any:
        """Ask without waiting for the document."""
        headers = {"Authorization": f"Bearer {self.facts['admin_key']}"}
        return httpx2.post(self.facts["api_url"] + path, json=body, headers=headers).json()


@pytest.fixture(scope="module")
def up(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Fast]:
    stack = Fast(tmp_path_factory.mktemp("stack"), free_ports())
    stack.start()
    yield stack
    if not stack.ended:
        stack.signal(signal.SIGTERM)
        stack.wait(20)


@pytest.fixture
def client(up: Fast) -> Iterator[httpx2.Client]:
    headers = {"Authorization": f"Bearer {up.facts['admin_key']}"}
    with httpx2.Client(base_url=up.facts["api_url"], headers=headers, timeout=60) as http:
        yield http


def request(client: httpx2.Client, **body: Any) -> dict[str, Any]:
    response = client.post("/v1/documents", json={"template": "invoice", "data": INVOICE, **body})
    assert response.status_code == 202, response.text
    return dict(response.json())


def ended(client: httpx2.Client, document_id: str) -> dict[str, Any]:
    for _ in range(3):
        document = dict(client.get(f"/v1/documents/{document_id}", params={"wait": 30}).json())
        if document["status"] in ("completed", "failed", "cancelled"):
            return document
    raise AssertionError(document)


def text_of(client: httpx2.Client, document: dict[str, Any]) -> str:
    content = client.get(f"/v1/documents/{document['id']}/content").content
    if document["format"] == "pdf":
        return "\n".join(page.extract_text() for page in pypdf.PdfReader(io.BytesIO(content)).pages)
    return zipfile.ZipFile(io.BytesIO(content)).read("word/document.xml").decode()


@pytest.mark.parametrize("output_format", ["pdf", "docx"])
@pytest.mark.parametrize(
    ("template", "data", "locale", "words"),
    [
        ("invoice", INVOICE, "en-GB", ["INV-2026-7", "Ада", "360.30", "20%"]),
        ("invoice", INVOICE, "ru", ["INV-2026-7", "Ада", "360,30"]),
        ("report", REPORT, "en", ["Quarterly report", "Blue Harbour Ltd", "Продажи"]),
        ("report", REPORT, "ru-RU", ["Quarterly report", "марта", "Продажи"]),
    ],
)
def test_shipped_templates_make_documents_that_open_and_say_what_they_should(
    client: httpx2.Client, template: str, data: dict[str, Any], locale: str, words: list[str], output_format: str
) -> None:
    accepted = request(client, template=template, data=data, locale=locale, format=output_format)
    document = ended(client, accepted["id"])
    assert document["status"] == "completed", document["error"]
    text = text_of(client, document)
    for word in words:
        assert word in text, word


@pytest.mark.parametrize("name", ["invoice", "report"])
@pytest.mark.parametrize("output_format", ["pdf", "docx"])
def test_the_sample_of_a_template_makes_a_document_without_warnings(
    client: httpx2.Client, name: str, output_format: str
) -> None:
    sample = client.get(f"/v1/templates/{name}").json()["sample"]
    document = ended(client, request(client, template=name, data=sample, format=output_format)["id"])
    assert document["status"] == "completed" and document["result"]["warnings"] == []


def test_an_inline_typst_source_sees_its_data_and_nothing_else(client: httpx2.Client) -> None:
    source = {"engine": "typst", "content": '#let d = json("data.json")\nHello #d.name!'}
    document = ended(client, request(client, template=None, source=source, data={"name": "Ада"})["id"])
    assert "Hello Ада!" in text_of(client, document)
    for path in ("/etc/passwd", "../../../../etc/passwd", "invoice.typ"):
        spy = {"engine": "typst", "content": f'#read("{path}")'}
        refused = ended(client, request(client, template=None, source=spy, data={})["id"])
        assert refused["status"] == "failed" and refused["error"]["code"] == "template_error", path


@pytest.mark.parametrize(
    ("content", "code", "line"),
    [
        ("= Title\n\n#let x = (\n", "template_error", 3),
        ("#let a = 1\n#unknown-thing", "template_error", 2),
        ("#while true { }", "template_error", 1),
        ("#for i in range(100000000) { for j in range(100000000) { } }", None, None),
    ],
)
def test_a_template_that_cannot_be_rendered_fails_with_its_line_and_the_worker_lives(
    client: httpx2.Client, content: str, code: str | None, line: int | None
) -> None:
    source = {"engine": "typst", "content": content}
    accepted = request(client, template=None, source=source, data={}, options={"timeout_s": 2, "max_attempts": 1})
    failed = ended(client, accepted["id"])
    assert failed["status"] == "failed"
    assert failed["error"]["code"] == code or (
        code is None and failed["error"]["code"] in ("render_timeout", "memory_limit")
    )
    assert failed["error"]["line"] == line and failed["error"]["message"] and failed["error"]["hint"]
    assert ended(client, request(client)["id"])["status"] == "completed"


def listening(up: Fast, *options: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "standalone", "listen", "--json", "--api-url", up.facts["api_url"], *options]
    environment = up.environment() | {"PRESSWORK_ADMIN_KEY": up.facts["admin_key"], "PYTHONUNBUFFERED": "1"}
    return subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def is_open(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def received(process: subprocess.Popen[str]) -> list[dict[str, Any]]:
    output, errors = process.communicate(timeout=60)
    assert process.returncode == 0, errors
    return [json.loads(line) for line in output.splitlines() if line.startswith("{")]


@pytest.mark.parametrize(
    ("data", "type_"), [(INVOICE, "document.completed"), (None, "document.failed"), ("cancel", "document.cancelled")]
)
def test_the_end_of_every_run_is_told_by_a_webhook_that_verifies(
    up: Fast, client: httpx2.Client, data: Any, type_: str
) -> None:
    port = free_ports()["api"]
    listener = listening(up, "--port", str(port), "--count", "2", "--fail-first", "1")
    wait_until(lambda: is_open(port), 20)
    body: dict[str, Any] = {"callback_url": f"http://127.0.0.1:{port}/hook"}
    if data == "cancel":
        accepted = request(client, **body, run_at="2027-01-01T00:00:00Z")
        client.post(f"/v1/documents/{accepted['id']}/cancel")
    elif data is None:
        accepted = request(client, **body, template=None, source={"engine": "typst", "content": "#nope"}, data={})
    else:
        accepted = request(client, **body)
    calls = received(listener)
    assert [call["verified"] for call in calls] == [True, True]
    assert {call["type"] for call in calls} == {type_} and {call["document_id"] for call in calls} == {accepted["id"]}
    assert len({call["webhook_id"] for call in calls}) == 1

    def delivered() -> bool:
        delivery = client.get(f"/v1/documents/{accepted['id']}").json()["delivery"]
        return bool(delivery["status"] == "delivered" and delivery["attempts"] == 2)

    wait_until(delivered, 20, lambda: client.get(f"/v1/documents/{accepted['id']}").text)


def test_a_webhook_verifies_with_the_independent_package(up: Fast, client: httpx2.Client) -> None:
    captured = capture_one(client)
    secret = client.get("/v1/webhooks/secret").json()["secret"]
    payload = Webhook(secret).verify(captured["body"], captured["headers"])
    assert payload["type"] == "document.completed"
    with httpx2.Client() as stranger:
        assert stranger.get(payload["data"]["result"]["url"]).content.startswith(b"%PDF-")


def capture_one(client: httpx2.Client) -> dict[str, Any]:
    """Receive one webhook on a bare server and return its raw body and headers."""
    captured: dict[str, Any] = {}

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:  # noqa: N802 - the name that http.server calls
            captured["body"] = self.rfile.read(int(self.headers["Content-Length"]))
            captured["headers"] = {name.lower(): value for name, value in self.headers.items()}
            self.send_response(204)
            self.end_headers()

        def log_message(self, *args: object) -> None:
            return

    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        server.timeout = 30
        url = f"http://127.0.0.1:{server.server_address[1]}/"
        request(client, callback_url=url, callback_headers={"X-Team": "a"})
        server.handle_request()
    assert captured["headers"]["x-team"] == "a"
    return captured


def test_a_generator_killed_in_the_middle_of_a_render_loses_nothing(up: Fast, client: httpx2.Client) -> None:
    accepted = request(client, options={"simulate": {"seconds": 3}})

    def rendering() -> bool:
        return bool(client.get(f"/v1/documents/{accepted['id']}").json()["status"] == "rendering")

    wait_until(rendering, 20)
    os.kill(up.facts["pids"]["generator"], signal.SIGKILL)
    document = ended(client, accepted["id"])
    assert document["status"] == "completed" and document["attempts"] == 2
    events = [item["event"] for item in client.get(f"/v1/documents/{accepted['id']}/events").json()["items"]]
    assert events == ["accepted", "started", "rescued", "started", "completed"]


def test_what_a_stop_interrupts_is_given_back_and_made_at_the_next_start(tmp_path: Path) -> None:
    stack = Fast(tmp_path, free_ports())
    stack.start()
    accepted = stack.ask_soon("/v1/documents", template="invoice", data=INVOICE, options={"simulate": {"seconds": 6}})
    wait_until(lambda: stack.ask(f"/v1/documents/{accepted['id']}")["status"] == "rendering", 20)
    stack.signal(signal.SIGTERM)
    assert stack.wait() == 0, stack.output
    stack.start()
    try:
        assert stack.ask(f"/v1/documents/{accepted['id']}?wait=30")["status"] == "completed"
        events = stack.ask(f"/v1/documents/{accepted['id']}/events")["items"]
        assert [item["event"] for item in events] == ["accepted", "started", "released", "started", "completed"]
        assert events[-1]["attempt"] == 1
    finally:
        stack.signal(signal.SIGTERM)
        stack.wait(20)


@pytest.mark.parametrize("victim", ["clickhouse", "redis"])
def test_a_server_killed_under_load_loses_nothing_and_doubles_nothing(
    up: Fast, client: httpx2.Client, victim: str
) -> None:
    accepted: list[str] = []
    for number in range(60):
        if number == 20:
            os.kill(up.facts["pids"][victim], signal.SIGKILL)
        try:
            response = client.post(
                "/v1/documents", json={"template": "invoice", "data": INVOICE, "subject": f"killed {victim}"}
            )
        except httpx2.HTTPError:
            continue
        if response.status_code == 202:
            accepted.append(response.json()["id"])
        else:
            assert response.status_code == 503 and response.headers["Retry-After"], response.text
    assert len(accepted) >= 20
    assert {ended(client, document_id)["status"] for document_id in accepted} == {"completed"}

    def listed() -> bool:
        response = client.get(
            "/v1/documents", params={"subject": f"killed {victim}", "limit": 200, "status": "completed"}
        )
        return response.status_code == 200 and {item["id"] for item in response.json()["items"]} >= set(accepted)

    wait_until(listed, 60)
    for document_id in accepted[::6]:
        events = [item["event"] for item in client.get(f"/v1/documents/{document_id}/events").json()["items"]]
        assert events.count("accepted") == events.count("completed") == 1


def test_the_panel_is_for_admins(up: Fast, client: httpx2.Client) -> None:
    base = up.facts["generator_url"]
    made = client.post("/v1/users", json={"email": "m@example.com", "name": "M"}).json()
    members = client.post(f"/v1/users/{made['id']}/keys", json={"name": "k"}).json()["key"]
    with httpx2.Client(base_url=base) as visitor:
        assert (visitor.get("/").status_code, visitor.get("/").headers["location"]) == (303, "/login")
        assert visitor.post("/login", data={"key": members}).status_code == 401
        assert visitor.post("/login", data={"key": up.facts["admin_key"]}).status_code == 303
        page = visitor.get("/")
    assert page.status_code == 200 and "Overview" in page.text and "Workers" in page.text


@pytest.mark.parametrize("service", ["api_url", "generator_url"])
def test_health_and_metrics_answer_on_both_services(up: Fast, client: httpx2.Client, service: str) -> None:
    base = up.facts[service]
    assert client.get(f"{base}/livez").json()["status"] == "ok"
    assert client.get(f"{base}/readyz").json()["status"] == "ok"
    metrics = client.get(f"{base}/metrics").text
    assert "presswork_http_requests_total" in metrics and "process_resident_memory_bytes" in metrics
