"""A receiver of webhooks for tests; it also serves a page of another site, from which a form is sent to the panel."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class Receiver:
    """`url` takes webhooks; `status` is what they are answered with. `page` is the HTML of any GET."""

    def __init__(self, port: int) -> None:
        self.port = port
        self.status = 200
        self.page = ""

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/hook"


@contextmanager
def receiving() -> Iterator[Receiver]:
    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:  # noqa: N802 (the name that http.server asks for)
            self.rfile.read(int(self.headers["Content-Length"]))
            self._answer(receiver.status, "text/plain", b"<script>window.ran = 1</script>")

        def do_GET(self) -> None:  # noqa: N802
            self._answer(200 if receiver.page else 404, "text/html", receiver.page.encode())

        def _answer(self, status: int, media_type: str, content: bytes) -> None:
            self.send_response(status)
            self.send_header("Content-Type", media_type)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    receiver = Receiver(server.server_address[1])
    thread = threading.Thread(target=server.serve_forever, args=(0.05,))
    thread.start()
    yield receiver
    server.shutdown()
    thread.join()
    server.server_close()
