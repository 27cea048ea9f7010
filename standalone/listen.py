"""`presswork listen`: a receiver for your own machine that verifies each webhook and prints what came of it."""

import json
import os
import socket
import sys
import time
import urllib.error
import urllib.request
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from datetime import datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Lock

from contracts.targets import remedy
from contracts.webhooks import NotVerified, secret_key, verify
from standalone.errors import StartRefused, UsageError

MAX_BODY = 1 << 20
SECRET_VARIABLE = "PRESSWORK_WEBHOOK_SECRET"


class NoSecret(UsageError):
    """There is no secret to verify webhooks with."""


@dataclass(frozen=True)
class Received:
    """One call as it is printed. `why`: why it was not verified; `attempt` counts the calls with this webhook-id."""

    at: str
    verified: bool
    why: str
    type: str
    webhook_id: str
    document_id: str
    status: str
    url: str
    error: str
    attempt: int
    answered: int


@dataclass(frozen=True)
class Answering:
    """What to answer: `status`, but 500 to the first `fail_first` calls. After `count` calls it ends; 0 is never."""

    status: int = 200
    fail_first: int = 0
    count: int = 0


def listen(
    host: str = "127.0.0.1",
    port: int = 9000,
    secret: str | None = None,
    *,
    api_url: str = "http://127.0.0.1:8000",
    key: str | None = None,
    data_dir: str = "./var",
    status: int = 200,
    fail_first: int = 0,
    count: int = 0,
    as_json: bool = False,
    out: Callable[[str], None] | None = None,
) -> None:
    """Receive and print webhooks until Ctrl-C, or until `count` calls came.

    The secret is `secret`, else PRESSWORK_WEBHOOK_SECRET, else the one of the key's user, asked from the API.
    Raises NoSecret, or StartRefused when the port is taken.
    """
    found = find_secret(secret, api_url=api_url, key=key, data_dir=Path(data_dir))
    answering = Answering(status, fail_first, count)
    with receiver(host, port, found, answering, as_json=as_json, out=out or _to_stdout) as server:
        print(_welcome(host, server.server_port), file=sys.stderr)
        try:
            server.serve_forever(poll_interval=0.1)
        except KeyboardInterrupt:
            print("", file=sys.stderr)


def find_secret(secret: str | None, *, api_url: str, key: str | None, data_dir: Path) -> str:
    """Find the signing secret: given, from the environment, or from `GET /v1/webhooks/secret`. Raises NoSecret."""
    known = secret or os.environ.get(SECRET_VARIABLE) or _ask(api_url, key or _admin_key(data_dir))
    try:
        secret_key(known)
    except ValueError as error:
        raise NoSecret(str(error)) from None
    return known


class Receiver(ThreadingHTTPServer):
    """Keeps what is asked of it next to the server; handlers run in threads, so printing and counting hold a lock."""

    daemon_threads = True

    def __init__(
        self, address: tuple[str, int], secret: str, answering: Answering, show: Callable[[Received], None]
    ) -> None:
        self.address_family = socket.AF_INET6 if ":" in address[0] else socket.AF_INET
        super().__init__(address, _Handler)
        self._secret = secret
        self._answering = answering
        self._show = show
        self._calls = 0
        self._seen: Counter[str] = Counter()
        self._lock = Lock()

    def take(self, headers: Mapping[str, str], body: bytes) -> int:
        """Verify, count and print one call; return the status to answer with."""
        with self._lock:
            self._calls += 1
            doubt = self._doubt(headers, body)
            answer = 500 if self._calls <= self._answering.fail_first else self._answering.status
            if doubt and answer == 200:
                answer = 401
            self._seen[headers.get("webhook-id", "")] += 1
            self._show(self._describe(headers, body, answer, doubt))
            return answer

    def finished(self) -> bool:
        return 0 < self._answering.count <= self._calls

    def _describe(self, headers: Mapping[str, str], body: bytes, answered: int, why: str) -> Received:
        message = _object(body)
        document = _inner(message, "data")
        message_id = headers.get("webhook-id", "")
        return Received(
            at=datetime.now().astimezone().isoformat(timespec="milliseconds"),
            verified=not why,
            why=why,
            type=str(message.get("type", "")),
            webhook_id=message_id,
            document_id=str(document.get("id", "")),
            status=str(document.get("status", "")),
            url=str(_inner(document, "result").get("url", "")),
            error=" ".join(str(_inner(document, "error").get(field) or "") for field in ("code", "message")).strip(),
            attempt=self._seen[message_id],
            answered=answered,
        )

    def _doubt(self, headers: Mapping[str, str], body: bytes) -> str:
        try:
            verify(self._secret, headers, body, now=int(time.time()))
        except NotVerified as reason:
            return str(reason)
        return ""


def receiver(
    host: str,
    port: int,
    secret: str,
    answering: Answering | None = None,
    *,
    as_json: bool = False,
    out: Callable[[str], None],
) -> Receiver:
    """Make the receiver without running it; it has its port already. Raises StartRefused when the port is taken."""
    write = _as_json if as_json else _in_words
    try:
        return Receiver((host, port), secret, answering or Answering(), lambda received: out(write(received)))
    except OSError as error:
        raise StartRefused(
            f"Cannot listen on {host}:{port} ({error.strerror}): choose another --port or --host."
        ) from error


class _Handler(BaseHTTPRequestHandler):
    server: Receiver
    timeout = 30

    def do_POST(self) -> None:  # noqa: N802
        length = self.headers.get("Content-Length", "")
        if not (length.isascii() and length.isdigit() and int(length) <= MAX_BODY):
            self._answer(413)
            return
        body = self.rfile.read(int(length))
        self._answer(self.server.take({name.lower(): value for name, value in self.headers.items()}, body))
        if self.server.finished():
            self.server.shutdown()

    def _answer(self, status: int) -> None:
        self.send_response(status)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing: every call is printed by the receiver, once."""


def _in_words(received: Received) -> str:
    verdict = "verified" if received.verified else f"NOT VERIFIED ({received.why})"
    again = f"  DUPLICATE, call {received.attempt}" if received.attempt > 1 else ""
    lines = [f"{received.at[11:19]}  {verdict}  {received.type or '?'}  answered {received.answered}{again}"]
    lines.append(f"          webhook-id  {received.webhook_id or '?'}")
    lines += [f"          document    {received.document_id}  {received.status}"] if received.document_id else []
    lines += [f"          result      {received.url}"] if received.url else []
    lines += [f"          error       {received.error}"] if received.error else []
    return "\n".join(plain(line) for line in lines)


def _as_json(received: Received) -> str:
    return json.dumps(asdict(received))


def plain(line: str) -> str:
    """Keep whoever calls from writing escape sequences to the terminal."""
    return "".join(one if one.isprintable() else "?" for one in line)


def _to_stdout(text: str) -> None:
    print(text, flush=True)


def _welcome(host: str, port: int) -> str:
    reachable = "127.0.0.1" if host in ("0.0.0.0", "::") else host
    url = f"http://[{reachable}]:{port}/" if ":" in reachable else f"http://{reachable}:{port}/"
    return (
        f'Listening on {host}, port {port}. In a document request: "callback_url": "{url}".\n'
        f"Presswork calls no private address by itself. {remedy(reachable, port)}\n"
        "Ctrl-C ends."
    )


def _admin_key(data_dir: Path) -> str:
    try:
        return (data_dir / "admin.key").read_text().strip()
    except OSError:
        raise NoSecret(
            f"No secret: give --secret whsec_..., set {SECRET_VARIABLE}, or give --key (no {data_dir}/admin.key here)."
        ) from None


def _ask(api_url: str, key: str) -> str:
    request = urllib.request.Request(f"{api_url}/v1/webhooks/secret", headers={"Authorization": f"Bearer {key}"})
    try:
        with urllib.request.urlopen(request, timeout=10) as response:
            return str(_object(response.read()).get("secret", ""))
    except urllib.error.HTTPError as error:
        error.close()
        reason = f"HTTP {error.code}"
    except (OSError, ValueError) as error:
        reason = str(error)
    way_out = f"give --secret whsec_..., set {SECRET_VARIABLE}, or check --api-port, --api-url and --key."
    raise NoSecret(f"{api_url} did not give the webhook secret ({reason}): {way_out}")


def _object(text: bytes) -> Mapping[str, object]:
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        return {}
    return value if isinstance(value, dict) else {}


def _inner(outer: Mapping[str, object], field: str) -> Mapping[str, object]:
    value = outer.get(field)
    return value if isinstance(value, dict) else {}
