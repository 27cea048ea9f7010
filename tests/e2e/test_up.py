"""`presswork up` as a user runs it: the real servers, the real services, and everything that may happen to them."""

import base64
import json
import os
import shutil
import signal
import socket
import stat
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.request import Request, urlopen

import pytest

START_S, STOP_S = 90, 10
PORTS = ("api", "generator", "redis", "clickhouse")

pytestmark = pytest.mark.timeout(240)


@dataclass
class Up:
    """One `presswork up` on a directory, with ports of its own."""

    home: Path
    ports: dict[str, int]
    process: subprocess.Popen[bytes] = field(init=False)

    @property
    def ready_file(self) -> Path:
        return self.home / "ready.json"

    @property
    def facts(self) -> dict[str, Any]:
        return json.loads(self.ready_file.read_text())

    @property
    def output(self) -> str:
        return (self.home / "output").read_text()

    def command(self) -> list[str]:
        ports = [word for name in PORTS for word in (f"--{name}-port", str(self.ports[name]))]
        return [
            sys.executable,
            "-m",
            "standalone",
            "up",
            "--data-dir",
            str(self.home / "var"),
            "--workers",
            "1",
            *ports,
        ]

    def environment(self) -> dict[str, str]:
        kept = {
            name: value
            for name, value in os.environ.items()
            if not name.startswith("PRESSWORK_") or name == "PRESSWORK_REDIS_SERVER"
        }
        return kept | {"PRESSWORK_READY_FILE": str(self.ready_file)}

    def start(self) -> "Up":
        self.ready_file.unlink(missing_ok=True)
        with open(self.home / "output", "wb") as output:
            self.process = subprocess.Popen(
                self.command(),
                stdout=output,
                stderr=output,
                env=self.environment(),
                start_new_session=True,
                umask=0o022,
            )
        wait_until(lambda: self.is_up or self.ended, START_S, lambda: self.output)
        assert not self.ended, self.output
        return self

    @property
    def is_up(self) -> bool:
        return self.ready_file.exists() and "Stop with Ctrl-C" in self.output

    @property
    def ended(self) -> bool:
        return self.process.poll() is not None

    def signal(self, number: int) -> None:
        self.process.send_signal(number)

    def wait(self, limit_s: float = STOP_S) -> int:
        return self.process.wait(limit_s)

    def processes(self) -> set[str]:
        """Find the supervisor and every descendant, with their start times: pids are used again."""
        table, found = process_table(), {str(self.process.pid)}
        while more := {pid for pid, fields in table.items() if fields[1] in found} - found:
            found |= more
        return {identity(pid, table[pid]) for pid in found}

    def ask(self, path: str, **body: Any) -> Any:
        headers = {
            "Authorization": f"Bearer {self.facts['admin_key']}",
            "Content-Type": "application/json",
            "Prefer": "wait=30",
        }
        data = json.dumps(body).encode() if body else None
        with urlopen(Request(self.facts["api_url"] + path, data, headers), timeout=60) as response:
            return json.load(response)


def process_table() -> dict[str, list[str]]:
    """Read pid -> the fields of /proc/pid/stat after the name (state, parent, ...), without zombies."""
    table = {}
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = path.read_text().rpartition(")")[2].split()
        except OSError:
            continue
        if fields[0] not in "ZX":
            table[path.parent.name] = fields
    return table


def every_process() -> set[str]:
    return {identity(pid, fields) for pid, fields in process_table().items()}


def identity(pid: str, fields: list[str]) -> str:
    return f"{pid} started {fields[19]}"


def wait_until(condition: Callable[[], bool], limit_s: float, explain: Callable[[], str] = str) -> None:
    deadline = time.monotonic() + limit_s
    while not condition():
        assert time.monotonic() < deadline, f"not within {limit_s} s. {explain()}"
        time.sleep(0.05)


def free_ports() -> dict[str, int]:
    servers = [socket.create_server(("127.0.0.1", 0)) for _ in PORTS]
    ports = {name: server.getsockname()[1] for name, server in zip(PORTS, servers, strict=True)}
    for server in servers:
        server.close()
    return ports


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Up]:
    """One start that several tests use and leave running."""
    yield from running(tmp_path_factory.mktemp("shared"))


@pytest.fixture
def own(tmp_path: Path) -> Iterator[Up]:
    """A start for one test, which may end it."""
    yield from running(tmp_path)


def running(home: Path) -> Iterator[Up]:
    up = Up(home, free_ports()).start()
    yield up
    if not up.ended:
        up.signal(signal.SIGTERM)
        up.wait(STOP_S * 2)


def curl_line(up: Up) -> str:
    return next(line.strip() for line in up.output.splitlines() if line.startswith("  curl "))


def make_pdf(up: Up, directory: Path) -> bytes:
    result = subprocess.run(["bash", "-c", curl_line(up)], cwd=directory, capture_output=True, timeout=60)
    assert result.returncode == 0, result.stderr.decode()
    return (directory / "invoice.pdf").read_bytes()


@pytest.mark.skipif(not shutil.which("curl"), reason="needs curl")
def test_the_printed_curl_line_makes_a_pdf(shared: Up, tmp_path: Path) -> None:
    assert make_pdf(shared, tmp_path).startswith(b"%PDF-")


def test_the_summary_names_the_addresses_the_directory_and_where_the_key_is(shared: Up) -> None:
    for fact in ("api_url", "generator_url", "data_dir"):
        assert shared.facts[fact] in shared.output
    key_file = Path(shared.facts["data_dir"], "admin.key")
    assert f"  Admin key  in {key_file}\n" in shared.output
    assert key_file.read_text().strip() == shared.facts["admin_key"]


def test_the_key_is_neither_in_the_output_nor_in_a_log(shared: Up) -> None:
    logs = {path.name: path.read_text() for path in Path(shared.facts["data_dir"], "logs").glob("*.log")}
    assert logs["supervisor.log"] and logs["api.log"]
    for name, text in (logs | {"the output": shared.output}).items():
        assert shared.facts["admin_key"] not in text, name


@pytest.mark.parametrize("label", ["API docs", "Admin"])
def test_the_pages_of_the_summary_open(shared: Up, label: str) -> None:
    address = next(
        line.split()[len(label.split())] for line in shared.output.splitlines() if line.startswith(f"  {label} ")
    )
    login = base64.b64encode(f"admin:{shared.facts['admin_key']}".encode()).decode()
    with urlopen(Request(address, headers={"Authorization": f"Basic {login}"}), timeout=30) as response:
        assert response.headers["Content-Type"].startswith("text/html")


def test_nothing_in_the_data_directory_is_open_to_other_users(shared: Up) -> None:
    document = shared.ask("/v1/documents", **sample(shared))
    assert document["status"] == "completed", document
    modes = modes_below(Path(shared.facts["data_dir"]))
    assert {"appendonlydir", "store", "results", "api.log"} <= {path.name for path in modes}
    assert {str(path): stat.filemode(mode) for path, mode in modes.items() if mode & 0o077} == {}


def modes_below(folder: Path) -> dict[Path, int]:
    """Read the mode of everything but links, which have none of their own. ClickHouse's parts go while we look."""
    modes = {}
    for parent, folders, files in os.walk(folder):
        for path in (Path(parent), *(Path(parent, name) for name in (*folders, *files))):
            with suppress(FileNotFoundError):
                modes[path] = path.lstat().st_mode
    return {path: mode for path, mode in modes.items() if not stat.S_ISLNK(mode)}


def test_a_second_up_on_the_directory_is_refused_and_the_first_goes_on(shared: Up) -> None:
    rival = subprocess.run(shared.command(), capture_output=True, text=True, timeout=60, env=shared.environment())
    assert rival.returncode == 1
    assert f"pid {shared.process.pid}" in rival.stderr
    assert not shared.ended
    assert shared.ask("/livez")["status"] == "ok"


@pytest.mark.parametrize(
    ("name", "number"),
    [
        *((name, signal.SIGKILL) for name in ("generator", "api", "redis", "clickhouse")),
        *((name, signal.SIGSTOP) for name in ("generator", "api")),
        *(pytest.param(name, signal.SIGSTOP, marks=pytest.mark.slow) for name in ("redis", "clickhouse")),
    ],
)
def test_a_killed_or_frozen_child_is_replaced_and_documents_are_made_again(shared: Up, name: str, number: int) -> None:
    before = shared.facts["pids"][name]
    victim = identity(str(before), process_table()[str(before)])
    os.kill(before, number)
    wait_until(lambda: shared.facts["pids"][name] != before, 60, lambda: shared.output)
    assert victim not in every_process()
    wait_until(lambda: serves(shared), 30, lambda: shared.output)
    document = shared.ask("/v1/documents", **sample(shared))
    assert document["status"] == "completed", document


def serves(up: Up) -> bool:
    try:
        return bool(up.ask("/readyz"))
    except OSError:
        return False


def sample(up: Up) -> dict[str, Any]:
    line = curl_line(up)
    return json.loads(line.partition("-d '")[2].partition("' -o")[0])


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_stop_ends_with_0_and_leaves_no_process(own: Up, number: int) -> None:
    before = own.processes()
    assert len(before) >= 1 + len(PORTS)
    own.signal(number)
    assert own.wait() == 0, own.output
    assert before & every_process() == set()
    assert not own.ready_file.exists()


def test_when_up_is_killed_all_children_die_and_the_next_up_has_every_document(own: Up) -> None:
    document = own.ask("/v1/documents", **sample(own))
    before = own.processes()
    own.signal(signal.SIGKILL)
    own.wait()
    wait_until(lambda: not before & every_process(), STOP_S, lambda: str(before & every_process()))
    own.start()
    assert own.ask(f"/v1/documents/{document['id']}")["status"] == "completed"
