"""Takes webhooks on port 9000 and keeps them; `GET /calls` lists them. Runs in a container, on the standard library."""

import json
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

CALLS: list[dict[str, object]] = []


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        CALLS.append({"headers": dict(self.headers.items()), "body": body.decode()})
        self._answer(b"")

    def do_GET(self) -> None:
        self._answer(json.dumps(CALLS).encode())

    def _answer(self, body: bytes) -> None:
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        """Stay silent."""


if __name__ == "__main__":
    ThreadingHTTPServer(("0.0.0.0", 9000), Handler).serve_forever()  # noqa: S104 - a container's own network
