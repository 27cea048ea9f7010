"""Takes the pictures of docs/images: starts Presswork on an empty directory, gives it some work, opens the panel.

`make screenshots`; needs Chromium (PRESSWORK_CHROMIUM names it, else `chromium` on the PATH).
"""

import base64
import json
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import ClassVar
from urllib.parse import urlsplit

from playwright.sync_api import Browser, Page, sync_playwright

IMAGES = Path(__file__).parent / "images"
SAMPLES = Path(__file__).parent.parent / "generator_service" / "templates"
READY_S = 120.0

#: An hour of a small installation's work, so that the charts have something to show.
PAST = """
INSERT INTO documents (document_id, user_id, created_at, queued_at, started_at, completed_at, render_ms, output_format,
  template_name, template_version, priority, lane, seq, event, at, status, run, attempt, bytes, pages)
SELECT generateUUIDv7(), '{user}', at, at, at + 9, at + total, total - 12, 'pdf', 'invoice', 1, 'normal', 'web', 3,
  'completed', at + total, if(number % 97 = 0, 'failed', 'completed'), 1, 1, 20600, 1
FROM (
  SELECT number, toInt64({now} - number * 3600000 / 2400 + 300 * sin(number)) AS at,
    toInt64(34 + 18 * (1 + sin(number / 210)) + if(number % 19 = 0, 70, 0) + number % 13) AS total
  FROM numbers(2400)
) WHERE (number * 7919) % 100 < 62 + 30 * sin(number / 330)
"""
DESKTOP, PHONE = {"width": 1280, "height": 860}, {"width": 390, "height": 844}


@dataclass(frozen=True)
class Stack:
    """A running Presswork: where its API and its panel are, and the admin's key."""

    api: str
    panel: str
    key: str
    clickhouse: str

    def call(self, method: str, path: str, body: object | None = None) -> dict[str, object]:
        request = urllib.request.Request(self.api + path, method=method)
        request.add_header("Authorization", f"Bearer {self.key}")
        request.add_header("Content-Type", "application/json")
        data = None if body is None else json.dumps(body).encode()
        with urllib.request.urlopen(request, data) as answer:
            parsed = json.loads(answer.read() or b"{}")
        assert isinstance(parsed, dict)
        return parsed


@contextmanager
def running() -> Iterator[Stack]:
    """Run `presswork up` on free ports and a temporary directory."""
    api, panel, redis, clickhouse = free_ports(4)
    with tempfile.TemporaryDirectory() as directory:
        data, ready = Path(directory) / "var", Path(directory) / "ready"
        command = [sys.executable, "-P", "-m", "standalone", "up", "--data-dir", str(data)]
        for name, port in (("api", api), ("generator", panel), ("redis", redis), ("clickhouse", clickhouse)):
            command += [f"--{name}-port", str(port)]
        environment = {**os.environ, "PRESSWORK_READY_FILE": str(ready), "PRESSWORK_WEBHOOK_SCHEDULE": "0,2,5,600"}
        environment["PRESSWORK_WEBHOOK_ALLOW_CIDRS"] = "127.0.0.1/32"
        process = subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL)
        try:
            deadline = time.monotonic() + READY_S
            while not ready.exists() and time.monotonic() < deadline and process.poll() is None:
                time.sleep(0.1)
            key = (data / "admin.key").read_text().strip()
            password = (data / "clickhouse.password").read_text().strip()
            history = f"http://presswork:{password}@127.0.0.1:{clickhouse}/?database=presswork"
            yield Stack(f"http://127.0.0.1:{api}", f"http://127.0.0.1:{panel}", key, history)
        finally:
            process.terminate()
            process.wait(30)


class Receiver(BaseHTTPRequestHandler):
    """Takes every webhook at the second attempt."""

    seen: ClassVar[set[str]] = set()

    def do_POST(self) -> None:  # noqa: N802 - the name that http.server calls
        self.rfile.read(int(self.headers["Content-Length"]))
        first = self.headers["webhook-id"] not in self.seen
        self.seen.add(self.headers["webhook-id"])
        self.send_response(503 if first else 200)
        self.end_headers()
        self.wfile.write(b"starting up" if first else b"thank you")

    def log_message(self, format: str, *args: object) -> None:
        return


def give_webhook(stack: Stack, document: Mapping[str, object]) -> str:
    """Let a document call back, and an endpoint hear of it; return the delivery's id once it arrived."""
    with ThreadingHTTPServer(("127.0.0.1", 0), Receiver) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        url = f"http://127.0.0.1:{server.server_port}/presswork"
        stack.call(
            "POST", "/v1/webhooks/endpoints", {"url": url, "description": "Billing", "types": ["document.failed"]}
        )
        accepted = stack.call("POST", "/v1/documents", {**document, "callback_url": url})
        path = f"/v1/webhooks/deliveries?status=delivered&document_id={accepted['id']}"
        while not (found := stack.call("GET", path)["items"]):
            time.sleep(0.2)
        server.shutdown()
    assert isinstance(found, list)
    return str(found[0]["id"])


def free_ports(count: int) -> list[int]:
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [one.getsockname()[1] for one in sockets]
    for one in sockets:
        one.close()
    return ports


def give_work(stack: Stack) -> tuple[str, str]:
    """Make users, documents, some of which fail, and a webhook; return the ids of a PDF and of the webhook."""
    for name, role in (("Billing", "member"), ("Web shop", "member"), ("Auditor", "viewer")):
        email = f"{name.lower().replace(' ', '-')}@example.com"
        stack.call("POST", "/v1/users", {"email": email, "name": name, "role": role})
    samples = {path.parent.name: json.loads(path.read_text()) for path in SAMPLES.glob("*/sample.json")}
    shown = ""
    for number in range(60):
        name = sorted(samples)[number % len(samples)]
        body: dict[str, object] = {"template": name, "data": samples[name], "format": ("pdf", "docx")[number % 3 == 0]}
        if number % 5 == 0:
            body["locale"] = "ru"
        body["subject"] = f"order-{1000 + number}"
        accepted = stack.call("POST", "/v1/documents", body)
        if name == "invoice" and body["format"] == "pdf":
            shown = str(accepted["id"])
        time.sleep(0.05)
    broken = {"engine": "typst", "content": "= Report\n#let total = 12\n#totl"}
    stack.call("POST", "/v1/documents", {"source": broken, "format": "pdf", "data": {}})
    stack.call("GET", f"/v1/documents/{shown}?wait=30")
    delivery = give_webhook(stack, {"template": "invoice", "data": samples["invoice"], "format": "pdf"})
    time.sleep(2)
    return shown, delivery


def give_history(stack: Stack) -> None:
    """Write an hour of documents into the history."""
    me = stack.call("GET", "/v1/me")["user"]
    assert isinstance(me, dict)
    parts = urlsplit(stack.clickhouse)
    login = base64.b64encode(f"{parts.username}:{parts.password}".encode()).decode()
    url = f"http://{parts.hostname}:{parts.port}/?{parts.query}"
    query = PAST.format(user=me["id"], now=int(time.time() * 1000) - 5000)
    request = urllib.request.Request(url, query.encode(), {"Authorization": f"Basic {login}"})
    with urllib.request.urlopen(request):
        pass


def shoot(browser: Browser, stack: Stack, document_id: str, delivery_id: str) -> None:
    """Take every picture that README and docs show."""
    pages = {
        "overview": "/",
        "documents": "/documents",
        "document": f"/documents/{document_id}",
        "templates": "/templates",
        "webhook": f"/webhooks/{delivery_id}",
    }
    for theme in ("light", "dark"):
        page = logged_in(browser, stack, DESKTOP, theme)
        for name, path in pages.items():
            picture(page, stack, path, IMAGES / f"{name}-{theme}.png")
        page.context.close()
    page = logged_in(browser, stack, PHONE, "light")
    picture(page, stack, "/documents", IMAGES / "documents-phone.png")
    page.context.close()


def logged_in(browser: Browser, stack: Stack, viewport: dict[str, int], theme: str) -> Page:
    context = browser.new_context(viewport=viewport, locale="en-GB")  # type: ignore[arg-type]
    context.add_cookies([{"name": "presswork_theme", "value": theme, "url": stack.panel}])
    page = context.new_page()
    page.goto(f"{stack.panel}/login")
    page.fill("input[name=key]", stack.key)
    page.click("button.primary")
    page.wait_for_url(f"{stack.panel}/")
    return page


def picture(page: Page, stack: Stack, path: str, target: Path) -> None:
    page.goto(stack.panel + path)
    page.wait_for_timeout(1500)
    page.screenshot(path=target)
    print(target)


def main() -> None:
    chromium = os.environ.get("PRESSWORK_CHROMIUM") or shutil.which("chromium")
    IMAGES.mkdir(exist_ok=True)
    with running() as stack, sync_playwright() as playwright:
        give_history(stack)
        document_id, delivery_id = give_work(stack)
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        shoot(browser, stack, document_id, delivery_id)
        browser.close()


if __name__ == "__main__":
    main()
