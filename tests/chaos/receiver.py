"""The webhook receiver: a process of its own that writes down every call it gets, and answers badly on purpose.

`python -m tests.chaos.receiver PORT FILE SEED SECRETS`; SECRETS is a JSON file {path: secret}, read at each call.
"""

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

Manner = Literal["well", "error", "slowly", "closing", "busy", "redirect", "garbage", "reset", "endless"]
MANNERS: Mapping[Manner, int] = {
    "well": 72,
    "error": 7,
    "slowly": 4,
    "closing": 5,
    "busy": 4,
    "redirect": 3,
    "garbage": 2,
    "reset": 2,
    "endless": 1,
}
SLOW_S = 2.0
STATUSES = {"error": 500, "busy": 503, "redirect": 302, "endless": 500}
RESET = struct.pack("ii", 1, 0)


class Receiver(ThreadingHTTPServer):
    """Records first, answers afterwards: an answer that never leaves is a delivery that will be repeated."""

    daemon_threads = True
    request_queue_size = 128

    def __init__(self, port: int, file: Path, seed: str, secrets: Path) -> None:
        super().__init__(("127.0.0.1", port), _Handler)
        self._file = file.open("a", encoding="utf-8", buffering=1)
        self._chance = random.Random(f"receiver {seed}")
        self._secrets = secrets
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
            case "closing" | "reset" | "garbage":
                self._break_off(manner)
                return
            case "slowly":
                time.sleep(SLOW_S)
        self.send_response(STATUSES.get(manner, 204))
        self.send_header("Location", "http://127.0.0.1:1/")
        self.send_header("Content-Length", str(10**10 if manner == "endless" else 0))
        self.end_headers()
        if manner == "endless":
            self._write_on()

    def _break_off(self, manner: Manner) -> None:
        self.close_connection = True
        if manner == "garbage":
            self.wfile.write(b"220 mail.example.com ESMTP\r\n\r\n")
        elif manner == "reset":
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
            self.connection.close()
        else:
            self.connection.shutdown(socket.SHUT_RDWR)

    def _write_on(self) -> None:
        """Write a body that does not end, for as long as it is read."""
        with suppress(OSError):
            while True:
                self.wfile.write(b"x" * 4096)
                time.sleep(0.01)

    def log_message(self, format: str, *args: object) -> None:
        return


def main() -> None:
    port, file, seed, secrets = sys.argv[1:5]
    with Receiver(int(port), Path(file), seed, Path(secrets)) as server:
        server.serve_forever(poll_interval=0.1)


if __name__ == "__main__":
    main()
