"""The embedded ClickHouse node: guards chDB's private interface, and who may do what."""

import asyncio
import json
import signal
import socket
import stat
import subprocess
import sys
import threading
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from urllib.parse import urlencode

import clickhouse_connect
import pytest
from clickhouse_connect.driver.asyncclient import AsyncClient
from clickhouse_connect.driver.exceptions import DatabaseError

from backends.embedded.clickhouse import EmbeddedClickHouse
from backends.embedded.clickhouse_node import Answer, Node, Session, end
from backends.embedded.http_probe import http_get
from backends.embedded.tether import tethered
from tests.integration.history_servers import free_port
from tests.integration.outside_servers import CLICKHOUSE, needs_embedded

DEADLINE_S = 60
pytestmark = needs_embedded(CLICKHOUSE)


@contextmanager
def started(node: EmbeddedClickHouse) -> Iterator[subprocess.Popen[bytes]]:
    process = subprocess.Popen(tethered(node.command), stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


async def ready(node: EmbeddedClickHouse, process: subprocess.Popen[bytes]) -> None:
    async with asyncio.timeout(DEADLINE_S):
        while not await node.is_ready(process.pid):
            assert process.poll() is None, "the node ended"
            await asyncio.sleep(0.02)


@pytest.mark.parametrize("name", ["with space", 'a "quoted" <name> &amp;', "it's", "back\\slash", "ключ"])
async def test_it_lives_in_a_folder_of_any_name(tmp_path: Path, name: str) -> None:
    folder = tmp_path / name
    node = EmbeddedClickHouse(folder, free_port(), "a-password", marker="a-marker")
    node.prepare()
    with started(node) as process:
        await ready(node, process)
    assert (folder / "data/metadata/presswork.sql").is_file()
    assert {path.name for path in folder.parent.iterdir()} == {name}


async def ask(node: EmbeddedClickHouse, query: str, headers: Mapping[str, str], **parameters: str) -> tuple[int, str]:
    target = "/?" + urlencode({"query": query, **parameters})
    status, body = await http_get(node.dial_host, node.port, target, headers, limit_s=10)
    return status, body.decode()


def made(directory: Path, **changes: object) -> EmbeddedClickHouse:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    node = EmbeddedClickHouse(directory, port, "a-password", marker="this-boot")
    node = replace(node, **changes)  # type: ignore[arg-type]
    node.prepare()
    return node


@pytest.fixture(scope="module")
def node(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedClickHouse]:
    node = made(tmp_path_factory.mktemp("clickhouse"))
    with started(node) as process:
        asyncio.run(ready(node, process))
        yield node


@pytest.fixture
async def client(node: EmbeddedClickHouse) -> AsyncIterator[AsyncClient]:
    client = await clickhouse_connect.get_async_client(dsn=node.url, autogenerate_session_id=False)
    yield client
    await client.close()


async def test_the_client_library_creates_fills_and_reads_a_table(client: AsyncClient) -> None:
    await client.command("CREATE TABLE t (id UInt64, at DateTime64(3)) ENGINE = ReplacingMergeTree ORDER BY id")
    await client.insert("t", [[number % 10, 0] for number in range(100)], column_names=["id", "at"])
    assert (await client.query("SELECT count() FROM t FINAL")).result_rows == [(10,)]


async def test_the_database_is_atomic_and_ours(client: AsyncClient) -> None:
    result = await client.query("SELECT currentDatabase(), engine FROM system.databases WHERE name = currentDatabase()")
    assert result.result_rows == [("presswork", "Atomic")]


async def test_no_limit_ends_the_session_that_keeps_the_server_up(client: AsyncClient) -> None:
    limits = "Settings['max_execution_time'], Settings['max_memory_usage']"
    query = f"SELECT {limits} FROM system.processes WHERE query LIKE 'SELECT sleep(%'"
    assert (await client.query(query)).result_rows == [("0", "")]


async def test_our_own_queries_are_limited(client: AsyncClient) -> None:
    query = "SELECT getSetting('max_execution_time'), getSetting('max_memory_usage')"
    assert (await client.query(query)).result_rows == [(60, 1 << 30)]


async def test_a_refreshable_view_may_be_made_and_refreshed(client: AsyncClient) -> None:
    await client.command("CREATE TABLE source (n Int32) ENGINE = MergeTree ORDER BY n")
    await client.insert("source", [[7]], column_names=["n"])
    view = "CREATE MATERIALIZED VIEW v REFRESH EVERY 1 HOUR ENGINE = MergeTree ORDER BY n AS SELECT n FROM source"
    await client.command(view)
    await client.command("SYSTEM WAIT VIEW v")
    assert (await client.query("SELECT n FROM v")).result_rows == [(7,)]
    await client.insert("source", [[8]], column_names=["n"])
    await client.command("SYSTEM REFRESH VIEW v")
    await client.command("SYSTEM WAIT VIEW v")
    assert (await client.query("SELECT n FROM v ORDER BY n")).result_rows == [(7,), (8,)]


@pytest.mark.parametrize(
    "query",
    [
        "SELECT * FROM file('/etc/passwd', LineAsString)",
        "SELECT * FROM url('http://127.0.0.1:1/', LineAsString)",
        "SELECT * FROM s3('http://127.0.0.1:1/bucket/key', LineAsString)",
        "SELECT * FROM remote('127.0.0.2', system.one)",
        "SELECT * FROM executable('ls', TSV, 'a String')",
        "CREATE TABLE f (a UInt8) ENGINE = File(CSV)",
        "CREATE TABLE u (a UInt8) ENGINE = URL('http://127.0.0.1:1/', CSV)",
        "INSERT INTO FUNCTION file('/tmp/presswork-was-here', CSV, 'a UInt8') VALUES (1)",
        "CREATE USER intruder",
        "CREATE FUNCTION f AS x -> x",
        "SYSTEM SHUTDOWN",
        "SYSTEM STOP LISTEN HTTP",
        "BACKUP DATABASE presswork TO File('/tmp/backup')",
    ],
)
async def test_even_our_own_user_reaches_nothing_outside_its_tables(client: AsyncClient, query: str) -> None:
    with pytest.raises(DatabaseError, match="ACCESS_DENIED"):
        await client.command(query)


@pytest.mark.parametrize("query", ["SELECT 1", "SYSTEM STOP LISTEN HTTP", "SELECT * FROM python('x')"])
@pytest.mark.parametrize(
    "headers", [{}, {"X-ClickHouse-User": "default"}, {"Authorization": "Basic cHJlc3N3b3JrOndyb25n"}]
)
async def test_nobody_else_reaches_the_query_interface(
    node: EmbeddedClickHouse, query: str, headers: dict[str, str]
) -> None:
    status, body = await ask(node, query, headers)
    assert (status, "HTTP Basic" in body) == (401, True)
    assert await node.is_alive()


async def test_the_password_in_the_address_does_not_open_it(node: EmbeddedClickHouse) -> None:
    assert (await ask(node, "SELECT 1", {}, user="presswork", password="a-password"))[0] == 401


async def test_acknowledged_rows_survive_kill_9(tmp_path: Path) -> None:
    node = made(tmp_path / "clickhouse")
    for expected in (b"0\n", b"1000\n"):
        with started(node) as process:
            await ready(node, process)
            _, body = await http_get(
                node.dial_host,
                node.port,
                "/?" + urlencode({"query": "SELECT sum(rows) FROM system.parts WHERE table = 't' AND active"}),
                node.headers,
            )
            assert body == expected
            await fill(node)
            process.send_signal(signal.SIGKILL)


async def fill(node: EmbeddedClickHouse) -> None:
    client = await clickhouse_connect.get_async_client(dsn=node.url, autogenerate_session_id=False)
    await client.command("CREATE TABLE IF NOT EXISTS t (n UInt64) ENGINE = MergeTree ORDER BY n")
    await client.insert("t", [[number] for number in range(1000)], column_names=["n"])
    await client.close()


async def test_sigterm_ends_it_in_order_even_with_idle_connections(tmp_path: Path) -> None:
    node = made(tmp_path / "clickhouse")
    with started(node) as process:
        await ready(node, process)
        with socket.create_connection((node.dial_host, node.port)) as idle:
            idle.sendall(b"GET /ping HTTP/1.1\r\nHost: localhost\r\n\r\n")
            assert idle.recv(1000)
            process.terminate()
            assert await asyncio.to_thread(process.wait, DEADLINE_S) == 0


def test_a_node_that_is_too_busy_to_be_told_ends_all_the_same() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        busy = Node("127.0.0.1", silent.getsockname()[1], "", "presswork", "marker")
        session, stop = Session(Asleep(), Path("data")), threading.Event()
        stop.set()
        session.start()
        assert end(busy, session, stop) == 0


class Asleep:
    """A chDB whose session sleeps on, as it does until it is killed."""

    def set_signal_handlers_enabled(self, enabled: int) -> None: ...

    def query(self, query: str, output_format: str, *, path: str) -> Answer:
        threading.Event().wait(5)
        raise TimeoutError("nobody has ended this sleep")


async def test_a_taken_port_ends_it_with_a_reason(tmp_path: Path) -> None:
    node = made(tmp_path / "clickhouse")
    with socket.create_server(("127.0.0.1", node.port)), started(node) as process:
        _, errors = await asyncio.to_thread(process.communicate, None, DEADLINE_S)
    assert process.returncode == 1
    assert str(node.port) in errors.decode()


async def test_another_node_on_the_port_is_not_taken_for_ours(node: EmbeddedClickHouse, tmp_path: Path) -> None:
    assert not await replace(node, marker="another-boot").is_ready(0)
    assert not await replace(node, password="another").is_ready(0)


async def test_a_second_node_on_the_directory_is_refused(node: EmbeddedClickHouse) -> None:
    rival = made(node.directory, marker="rival")
    with started(rival) as process:
        assert await asyncio.to_thread(process.wait, DEADLINE_S) == 1


@pytest.mark.parametrize(
    ("networks", "let_in"),
    [((), ([], ["localhost"])), (("10.1.0.0/16", "192.0.2.7"), (["10.1.0.0/16", "192.0.2.7"], ["localhost"]))],
)
async def test_on_all_addresses_it_lets_in_this_machine_and_the_networks_it_was_given(
    tmp_path: Path, networks: tuple[str, ...], let_in: tuple[list[str], list[str]]
) -> None:
    node = made(tmp_path / "clickhouse", host="0.0.0.0", networks=networks)
    with started(node) as process:
        await ready(node, process)
        query = "SELECT host_ip, host_names FROM system.users WHERE name = 'presswork' FORMAT JSONCompactEachRow"
        _, body = await ask(node, query, node.headers)
    addresses, names = json.loads(body)
    assert (sorted(addresses), names) == let_in


def test_a_network_that_is_none_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="office"):
        made(tmp_path / "clickhouse", networks=("office",))


def test_what_holds_the_password_is_private(tmp_path: Path) -> None:
    node = made(tmp_path / "clickhouse")
    assert "a-password" not in " ".join(node.command)
    files = [file for file in node.directory.iterdir() if file.is_file()]
    assert {stat.S_IMODE(file.stat().st_mode) for file in files} == {0o600}


def test_the_node_imports_neither_numpy_nor_pandas() -> None:
    script = (
        "import sys; from backends.embedded.clickhouse_node import load_chdb; load_chdb();"
        "sys.exit(bool({'numpy', 'pandas', 'pyarrow'} & set(sys.modules)))"
    )
    assert subprocess.run([sys.executable, "-c", script], timeout=DEADLINE_S).returncode == 0
