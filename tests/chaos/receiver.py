"""The webhook receiver: a process of its own that writes down every call it gets, and answers badly on purpose.

`python -m tests.chaos.receiver PORT FILE SEED SECRETS`; SECRETS is a JSON file {path: secret}, read at each call.
"""

import itertools
import json
import random
import socket
import struct
import sys
import threading
import time
from collections.abc import Mapping
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Literal

from standardwebhooks import Webhook

Manner = Literal[
    "well", "error", "slowly", "closing", "busy", "redirect", "breaking", "reset", "endless", "dripping", "mute"
]
MANNERS: Mapping[Manner, float] = {
    "well": 72,
    "error": 7,
    "slowly": 4,
    "closing": 4,
    "busy": 4,
    "redirect": 3,
    "breaking": 3,
    "reset": 2,
    "endless": 0.7,
    "dripping": 0.2,
    "mute": 0.2,
}
SLOW_S = 2.0
STATUSES = {"error": 500, "busy": 503, "redirect": 302, "endless": 500}
RESET = struct.pack("ii", 1, 0)
_OK = b"HTTP/1.1 200 OK\r\n"
#: Answers that break HTTP, in turn.
BROKEN = (
    b"220 mail.example.com ESMTP\r\n\r\n",
    b"HTTP/1.1 20",
    b"HTTP/2 200\r\n\r\n",
    b"HTTP/1.1 -200 OK\r\n\r\n",
    b"<h1>It works</h1>",
    b"HTTP/1.1 103 Early Hints\r\n\r\n" * 20,
    b"HTTP/1.1 101 X\r\nUpgrade: y\r\nConnection: upgrade\r\n\r\nz",
    _OK + b"X: y\r\n" * 20_000 + b"\r\n",
    _OK + b"X: " + b"y" * 200_000 + b"\r\n\r\n",
    _OK + b"X: a\0b\r\n\r\n",
    _OK + b"X : a\r\n\r\n",
    _OK + b"Content-Length: -1\r\n\r\n",
    _OK + b"Content-Length: 2\r\nContent-Length: 3\r\n\r\nok",
    _OK + b"Content-Length: 99\r\n\r\nbroken off",
    _OK + b"Content-Length: 2\r\n\r\nokHTTP/1.1 500 Smuggled\r\nContent-Length: 0\r\n\r\n",
    _OK + b"Transfer-Encoding: chunked\r\n\r\n-1\r\nok\r\n",
    _OK + b"Transfer-Encoding: chunked\r\n\r\nfffffff\r\nok",
    b"HTTP/1.1 503 X\r\nRetry-After: soon\r\nContent-Length: 0\r\n\r\n",
    b"HTTP/1.1 429 X\r\nRetry-After: -5\r\nContent-Length: 0\r\n\r\n",
)


class Receiver(ThreadingHTTPServer):
    """Records first, answers afterwards: an answer that never leaves is a delivery that will be repeated."""

    daemon_threads = True
    request_queue_size = 128

    def __init__(self, port: int, file: Path, seed: str, secrets: Path) -> None:
        super().__init__(("127.0.0.1", port), _Handler)
        self._file = file.open("a", encoding="utf-8", buffering=1)
        self._chance = random.Random(f"receiver {seed}")
        self._secrets = secrets
        self._broken = itertools.cycle(BROKEN)
        self._lock = threading.Lock()

    def server_close(self) -> None:
        super().server_close()
        self._file.close()

    def take(self, path: str, headers: Mapping[str, str], body: bytes) -> Manner:
        """Write one call down; return how to answer it."""
        flaw = self._flaw(path, headers, body)
        with self._lock:
            manner = self._chance.choices([*MANNERS], [*MANNERS.values()])[0]
            line = {"at": time.time_ns() // 1_000_000, "path": path, "id": headers.get("webhook-id", ""), "flaw": flaw}
            self._file.write(json.dumps(line | {"manner": manner, "body": body.decode(errors="replace")}) + "\n")
        return manner

    def broken(self) -> bytes:
        """Return the next of the answers that break HTTP."""
        with self._lock:
            return next(self._broken)

    def _flaw(self, path: str, headers: Mapping[str, str], body: bytes) -> str:
        """Say what is wrong with the signature, as an independent implementation of the standard sees it."""
        try:
            secret = json.loads(self._secrets.read_text())[path]
            Webhook(secret).verify(body, dict(headers))
        except Exception as error:  # whatever it raises: this is no valid webhook
            return f"{type(error).__name__}: {error}"
        return ""


class _Handler(BaseHTTPRequestHandler):
    server: Receiver
    timeout = 30

    def do_POST(self) -> None:  # noqa: N802 - the name that http.server calls
        body = self.rfile.read(int(self.headers.get("Content-Length", "0")))
        manner = self.server.take(self.path, {name.lower(): value for name, value in self.headers.items()}, body)
        match manner:
            case "closing" | "reset" | "breaking" | "mute":
                self._break_off(manner)
                return
            case "dripping":
                self._pour(b"HTTP/1.1 200 OK\r\nX: ", b"y", 0.2)
                return
            case "slowly":
                time.sleep(SLOW_S)
        self.send_response(STATUSES.get(manner, 204))
        self.send_header("Location", "http://127.0.0.1:1/")
        self.send_header("Content-Length", str(10**10 if manner == "endless" else 0))
        self.end_headers()
        if manner == "endless":
            self._pour(b"", b"x" * 4096, 0.01)

    def _break_off(self, manner: Manner) -> None:
        self.close_connection = True
        if manner == "breaking":
            with suppress(OSError):  # not all of it is read
                self.wfile.write(self.server.broken())
        elif manner == "mute":
            self.rfile.read(1)
        elif manner == "reset":
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
            self.connection.close()
        else:
            self.connection.shutdown(socket.SHUT_RDWR)

    def _pour(self, head: bytes, drop: bytes, every_s: float) -> None:
        """Write what does not end, for as long as somebody listens."""
        self.close_connection = True
        with suppress(OSError):
            self.wfile.write(head)
            while True:
                self.wfile.write(drop)
                time.sleep(every_s)

    def log_message(self, format: str, *args: object) -> None:
        return


def main() -> None:
    port, file, seed, secrets = sys.argv[1:5]
    with Receiver(int(port), Path(file), seed, Path(secrets)) as server:
        server.serve_forever(poll_interval=0.1)


if __name__ == "__main__":
    main()
