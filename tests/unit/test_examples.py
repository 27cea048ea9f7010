"""The folders of examples/: complete, small, told about in the pages, and their Word templates what builds them."""

import io
import json
import re
import threading
import zipfile
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import ClassVar

import pytest

from examples.__main__ import NAMES, with_assets
from examples.client import Presswork, Refused, explained, zipped
from examples.docx_sources.__main__ import documents
from generator_service.templates.docx_sources.look import packed

ROOT = Path(__file__).parents[2]
EXAMPLES = ROOT / "examples"
LARGEST_PICTURE = 60_000


def test_there_are_ten_of_different_kinds() -> None:
    assert len(NAMES) == 10
    formats = {name: {path.suffix for path in (EXAMPLES / name / "template").iterdir()} for name in NAMES}
    assert [name for name, found in formats.items() if ".json" not in found or not found & {".docx", ".typ"}] == []


@pytest.mark.parametrize("name", NAMES)
def test_the_pages_show_each(name: str) -> None:
    assert f"](../examples/{name})" in (ROOT / "docs/gallery.md").read_text()
    assert f"]({name})" in (EXAMPLES / "README.md").read_text()
    assert 0 < (ROOT / f"docs/images/gallery/{name}.png").stat().st_size < LARGEST_PICTURE


@pytest.mark.parametrize("name", NAMES)
def test_data_name_files_that_are_there_and_no_others_lie_about(name: str) -> None:
    data = (EXAMPLES / name / "data.json").read_text()
    named = set(re.findall(r'"\$file": "([^"]+)"', data))
    lying = {path.name for path in (EXAMPLES / name).iterdir() if path.is_file()} - {"data.json", "request.json"}
    assert named == lying
    assert json.loads(data)


def test_files_of_data_become_assets_with_what_is_said_beside_them() -> None:
    class Store:
        def put_asset(self, content: bytes) -> dict[str, str]:
            return {"$asset": f"sha256:{len(content)}"}

    data = {"logo": {"$file": "logo.png", "alt": "Logo"}, "list": [{"$docx": {"$file": "logo.png"}}], "n": 1}
    size = (EXAMPLES / "word-invoice/logo.png").stat().st_size
    asset = {"$asset": f"sha256:{size}"}
    found = with_assets(Store(), EXAMPLES / "word-invoice", data)  # type: ignore[arg-type]
    assert found == {"logo": asset | {"alt": "Logo"}, "list": [{"$docx": asset}], "n": 1}


def test_a_refusal_tells_what_where_and_what_to_do() -> None:
    error = {"message": "unknown variable: totl", "line": 3, "hint": "Did you mean total?"}
    flaws = [{"pointer": "/file", "detail": "does not compile"}]
    refused = Refused({"code": "template_error", "detail": "no", "error": error, "errors": flaws})
    lines = ["template_error: unknown variable: totl", "  at /file: does not compile", "  line: 3"]
    assert str(refused).splitlines() == [*lines, "  hint: Did you mean total?"]
    assert explained({"code": "unauthorized", "detail": "No key."}) == "unauthorized: No key."


def test_a_template_is_packed_with_paths_below_its_folder(tmp_path: Path) -> None:
    (tmp_path / "parts").mkdir()
    (tmp_path / "main.typ").write_text("= A")
    (tmp_path / "parts" / "head.typ").write_text("b")
    with zipfile.ZipFile(io.BytesIO(zipped(tmp_path))) as archive:
        assert {name: archive.read(name) for name in archive.namelist()} == {"main.typ": b"= A", "parts/head.typ": b"b"}


def test_the_word_templates_are_those_that_are_built() -> None:
    built = {path: packed(document, title) for path, (document, title) in documents().items()}
    assert [path for path, content in built.items() if (EXAMPLES / path).read_bytes() != content] == []
    assert {EXAMPLES / path for path in built} == set(EXAMPLES.rglob("*.docx"))


class Server(BaseHTTPRequestHandler):
    """Answers as `answers` says, in turn; `seen`: the idempotency keys that came."""

    answers: ClassVar[list[tuple[int, bytes]]] = []
    seen: ClassVar[list[str | None]] = []

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        self.seen.append(self.headers["Idempotency-Key"])
        status, body = self.answers.pop(0)
        self.send_response(status)
        self.send_header("Retry-After", "0")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None: ...


@pytest.fixture
def server() -> Iterator[Presswork]:
    with HTTPServer(("127.0.0.1", 0), Server) as listening:
        Server.answers, Server.seen = [], []
        thread = threading.Thread(target=listening.serve_forever)
        thread.start()
        yield Presswork(f"http://127.0.0.1:{listening.server_port}/", "pw_key")
        listening.shutdown()
        thread.join()


def test_the_client_comes_again_when_the_server_is_full(server: Presswork) -> None:
    done = {"id": "1", "status": "completed"}
    full = (503, b'{"code": "busy"}')
    Server.answers = [full, (429, b"{}"), (200, json.dumps(done).encode())]
    assert server.make("order-7", template="act") == done
    assert Server.seen == ["order-7"] * 3
    Server.answers = [full] * 9
    with pytest.raises(Refused, match="busy"):
        server.make(template="act")
    assert Server.seen[3:] == [None] * 4


def test_an_answer_that_is_no_problem_is_told_by_its_status(server: Presswork) -> None:
    Server.answers = [(502, b"<html>Bad gateway")]
    with pytest.raises(Refused, match="http_502: Bad Gateway"):
        server.make(template="act")


def test_a_document_that_failed_later_is_refused_with_its_error(server: Presswork) -> None:
    failed = {
        "id": "1",
        "status": "failed",
        "error": {"code": "data_invalid", "message": "no price", "data_path": "items"},
    }
    Server.answers = [(200, json.dumps(failed).encode())]
    with pytest.raises(Refused, match="data_invalid: no price\n  data_path: items"):
        server.make(template="act")
