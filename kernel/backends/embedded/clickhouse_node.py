"""The embedded ClickHouse process: ClickHouse's own HTTP server, started inside chDB. Started by `clickhouse.py`.

`SYSTEM START LISTEN HTTP` opens the port for as long as the session lives, so the session then sleeps until it is
killed. That is chDB's private interface: its version is pinned, and tests/integration/test_embedded_clickhouse.py
guards it.
"""

import contextlib
import ctypes
import http.client
import importlib
import importlib.util
import json
import os
import signal
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from types import ModuleType
from typing import Protocol, cast

RTLD_DEEPBIND = 0x8
SLEEP = "SELECT sleep(2000000000)"
UNLIMITED = "function_sleep_max_microseconds_per_block=0, max_execution_time=0"
SESSION = f"SYSTEM START LISTEN HTTP; {SLEEP} SETTINGS {UNLIMITED}"
START_LIMIT_S = 60.0

#: What reads and merges fail with when a part has lost its data (a disk that was full leaves such): only a start sets
#: it aside and brings back what it was merged from, as long as that is there (old_parts_lifetime).
BROKEN_PARTS = """
SELECT sum(value) FROM system.errors
WHERE code IN (40, 246) OR code = 33 AND last_error_message LIKE '%MergeTree%'
"""


class NodeFailed(Exception):
    """The embedded ClickHouse could not start."""


class Answer(Protocol):
    """What chDB returns for a query."""

    def has_error(self) -> bool: ...

    def error_message(self) -> str: ...


class Chdb(Protocol):
    """The part of chDB's extension module that is used."""

    def set_signal_handlers_enabled(self, enabled: int) -> None: ...

    def query(self, query: str, output_format: str, *, path: str) -> Answer: ...


@dataclass(frozen=True)
class Node:
    """How to talk to this node over HTTP."""

    host: str
    port: int
    basic: str
    database: str
    marker: str

    def ask(self, query: str, limit_s: float = 10.0) -> str:
        """Run one query. Raises OSError when nothing answers, NodeFailed when the answer is an error."""
        connection = http.client.HTTPConnection(self.host, self.port, timeout=limit_s)
        headers = {"Authorization": f"Basic {self.basic}", "Connection": "close"}
        try:
            connection.request("POST", "/", query.encode(), headers)
            response = connection.getresponse()
            body = response.read().decode(errors="replace").strip()
        except http.client.HTTPException as error:
            raise NodeFailed(f"port {self.port} does not speak HTTP: {error!r}") from error
        finally:
            connection.close()
        if response.status != 200:
            raise NodeFailed(f"port {self.port} answered {response.status}: {body[:300]}")
        return body


class PartWatch:
    """Tells when ClickHouse should start again: reads of a part fail at so many looks in a row, `look_s` apart, and it
    did not start again for this reason within the last `rest_s`, which the time of the file `mark` remembers.
    """

    looks = 3

    def __init__(self, ask: Callable[[str], str], mark: Path, *, look_s: float = 3.0, rest_s: float = 120.0) -> None:
        self._ask, self._mark, self._look_s, self._rest_s = ask, mark, look_s, rest_s
        self._looked_at = time.monotonic()
        self._failures: list[int] = []

    def wants_restart(self) -> bool:
        """Look, if it is time to; says yes once per `rest_s`."""
        if time.monotonic() - self._looked_at < self._look_s:
            return False
        self._looked_at = time.monotonic()
        try:
            failures = int(self._ask(BROKEN_PARTS) or 0)
        except (OSError, NodeFailed, ValueError):  # too busy to answer: the next look will tell
            return False
        self._failures = [*self._failures, failures][-self.looks - 1 :]
        grows = all(later > earlier for earlier, later in pairwise(self._failures))
        return len(self._failures) > self.looks and grows and self._marked()

    def _marked(self) -> bool:
        """Note a restart, unless there was one of late, or there is no room even for the note."""
        try:
            if self._mark.exists() and time.time() - self._mark.stat().st_mtime < self._rest_s:
                return False
            self._mark.touch()
        except OSError:
            return False
        return True


class Session(threading.Thread):
    """The chDB session whose life is the server's life. `outcome` says how it ended."""

    def __init__(self, chdb: Chdb, data: Path) -> None:
        super().__init__(name="clickhouse", daemon=True)
        self.outcome = "the session ended"
        self._chdb = chdb
        self._data = data

    def run(self) -> None:
        try:
            answer = self._chdb.query(SESSION, "TSV", path=str(self._data))
            if answer.has_error():
                self.outcome = answer.error_message()
        except Exception as error:
            self.outcome = repr(error)


def main(directory: Path) -> int:
    """Run the node until SIGTERM or SIGINT. Returns the exit code: 1 if ClickHouse ended by itself."""
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda _number, _frame: stop.set())
    node = Node(**json.loads((directory / "node.json").read_text(encoding="utf-8")))
    os.chdir(directory)  # the session reads ./config.xml
    session = Session(load_chdb(), directory / "data")
    session.start()
    try:
        await_ready(node, session, stop)
        watch = PartWatch(node.ask, directory / "restarted_for_parts")
        while session.is_alive() and not stop.wait(0.2):
            if watch.wants_restart():
                raise NodeFailed("a part cannot be read: ClickHouse starts again to set it aside")
        return end(node, session, stop)
    except NodeFailed as error:
        print(f"embedded ClickHouse: {error}", file=sys.stderr, flush=True)
        return 1


def load_chdb() -> Chdb:
    """Load chDB's extension without its Python package, which would import numpy and boot a second engine.

    Measured: 0.04 s instead of 0.7 s, 50 MB less. RTLD_DEEPBIND as the package does, for its own allocator.
    """
    spec = importlib.util.find_spec("chdb")
    if spec is None or not spec.submodule_search_locations:
        raise NodeFailed("the package chdb-core is not installed: install Presswork with its `embedded` extra")
    home = Path(next(iter(spec.submodule_search_locations)))
    package = ModuleType("chdb")
    package.__path__ = [str(home)]
    sys.modules["chdb"] = package
    if sys.platform == "linux":
        ctypes.CDLL(str(home / "_chdb.abi3.so"), mode=sys.getdlopenflags() | RTLD_DEEPBIND)
    chdb = cast(Chdb, importlib.import_module("chdb._chdb"))
    chdb.set_signal_handlers_enabled(0)
    return chdb


def await_ready(node: Node, session: Session, stop: threading.Event) -> None:
    """Wait until this node itself answers, then make its database. Raises NodeFailed."""
    deadline = time.monotonic() + START_LIMIT_S
    while session.is_alive() and not stop.is_set():
        try:
            confirm_identity(node)
            node.ask(f"CREATE DATABASE IF NOT EXISTS {node.database} ENGINE = Atomic")
            return
        except OSError as error:
            if time.monotonic() > deadline:
                raise NodeFailed(f"port {node.port} did not open in {START_LIMIT_S:.0f} s") from error
            stop.wait(0.02)
    if not stop.is_set():
        raise NodeFailed(session.outcome)


def confirm_identity(node: Node) -> None:
    """Make sure that it is this node that answers: when its port is taken, ClickHouse only prints a line."""
    if node.ask("SELECT getMacro('presswork_node')", limit_s=2) != node.marker:
        raise NodeFailed(f"port {node.port} belongs to another ClickHouse")


def end(node: Node, session: Session, stop: threading.Event) -> int:
    """Close the session by killing its sleep: ClickHouse then stops merges and closes its files itself."""
    if not stop.is_set():
        raise NodeFailed(session.outcome)
    if session.is_alive():
        with contextlib.suppress(OSError, NodeFailed):  # too busy to answer: what was acknowledged is on disk anyway
            node.ask(f"KILL QUERY WHERE query LIKE '{SLEEP}%' ASYNC", limit_s=2)
        # It waits 5 s for idle connections and then exits by itself. Not worth it: what was acknowledged is on disk.
        session.join(3)
    return 0


if __name__ == "__main__":
    # os._exit: chDB's destructors at interpreter exit have nothing left to save and sometimes wait.
    code = main(Path(sys.argv[1]))
    sys.stdout.flush()
    os._exit(code)
