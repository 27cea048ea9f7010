"""The README's commands, as they stand there, against a running stack: only ports and folders are replaced."""

import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.test_main_job import Fast, free_ports, is_open, received
from tests.e2e.test_up import wait_until

ROOT = Path(__file__).parents[2]
pytestmark = pytest.mark.timeout(240)


def blocks(name: str) -> list[str]:
    """Collect the shell blocks of a page."""
    return re.findall(r"```sh\n(.*?)```", (ROOT / name).read_text(), re.DOTALL)


@pytest.fixture(scope="module")
def up(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Fast]:
    stack = Fast(tmp_path_factory.mktemp("readme"), free_ports())
    stack.start()
    yield stack
    stack.signal(signal.SIGTERM)
    stack.wait(20)


def run(up: Fast, script: str) -> str:
    """Run a block in a folder that has the stack's `var`."""
    script = script.replace("http://127.0.0.1:8000", up.facts["api_url"])
    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", script], cwd=up.home, capture_output=True, text=True, timeout=90
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.parametrize("page", ["README.md", "README.ru.md"])
def test_the_curl_of_the_readme_makes_a_pdf(up: Fast, page: str) -> None:
    (up.home / "invoice.pdf").unlink(missing_ok=True)
    run(up, next(block for block in blocks(page) if "invoice.pdf" in block))
    assert (up.home / "invoice.pdf").read_bytes().startswith(b"%PDF-")


def test_the_tour_of_the_api_runs_as_it_stands(up: Fast) -> None:
    output = run(up, "".join(blocks("docs/api.md")))
    for word in ("ada@example.com", '"key":"pw_', "Ada King", '"accepted"', '"run":2', "unknown_template"):
        assert word in output, word
    assert re.search(r'"items":\[\{"id":"[^"]+","status":', output), "the list shows the document"
    for name in ("INV-7.pdf", "hello.pdf"):
        assert (up.home / name).read_bytes().startswith(b"%PDF-")


def test_the_tour_of_uploaded_templates_runs_as_it_stands(up: Fast) -> None:
    output = run(up, "".join(blocks("docs/template-store.md")))
    shown = ('"version":3', '"tags":{"production":1,"beta":2}', '"template_error"', "totl", '"visibility":"shared"')
    assert [word for word in shown if word not in output] == []
    assert (up.home / "note.pdf").read_bytes().startswith(b"%PDF-")
    assert (up.home / "note-2.typ").read_text().splitlines()[1] == "= Delivery #data.number"


@pytest.mark.parametrize("page", ["README.md", "README.ru.md"])
def test_the_webhook_of_the_readme_arrives_and_verifies(up: Fast, page: str) -> None:
    block = next(block for block in blocks(page) if "presswork listen" in block)
    assert "PRESSWORK_WEBHOOK_ALLOW_HOSTS=127.0.0.1:9000 make run" in block
    port = free_ports()["api"]
    command = [sys.executable, "-m", "standalone", "listen", "--json", "--count", "1", "--port", str(port)]
    environment = {
        **os.environ,
        "PRESSWORK_DATA_DIR": str(up.home / "var"),
        "PRESSWORK_API_PORT": str(up.ports["api"]),
    }
    listener = subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    wait_until(lambda: is_open(port), 20)
    curl = block[block.index("curl ") :].replace("127.0.0.1:9000", f"127.0.0.1:{port}")
    run(up, f"KEY=$(cat var/admin.key)\n{curl}")
    (call,) = received(listener)
    assert call["verified"] and call["type"] == "document.completed"


@pytest.mark.parametrize("page", ["README.md", "README.ru.md"])
def test_the_containers_start_as_operations_says(page: str) -> None:
    (start,) = [block for block in blocks(page) if "docker compose" in block]
    guide = next(block for block in blocks("docs/operations.md") if "docker compose up" in block)
    assert without_comments(start) == without_comments(guide)


def without_comments(block: str) -> list[str]:
    return [line.partition("  #")[0].strip() for line in block.splitlines()]


def test_both_readmes_have_the_same_parts_pictures_and_links() -> None:
    english, russian = ((ROOT / name).read_text() for name in ("README.md", "README.ru.md"))
    for part in (r"^(#+) ", r"^\|", r"^```", r"docs/images/[\w-]+\.png", r"^- \*\*"):
        count = [len(re.findall(part, text, re.MULTILINE)) for text in (english, russian)]
        assert count[0] == count[1] > 0, part
    links = [set(re.findall(r"\]\(([^)]+)\)", text)) for text in (english, russian)]
    assert links[0] - links[1] <= {"README.ru.md"} and not links[1] - links[0]
