"""The `presswork` command: its options, its refusals, what it prints, and the ground it checks before it starts."""

import errno
import fcntl
import importlib.metadata
import os
import socket
import stat
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

from backends.redis_safety import NEEDED, RedisRefused, UnsafeRedis, require_settings, require_version
from contracts.api_keys import well_formed
from contracts.targets import remedy
from standalone.data_dir import locked
from standalone.errors import StartRefused, UsageError
from standalone.ports import port_holder, require_free
from standalone.settings import load_up_settings
from standalone.stack import build_stack
from standalone.version import PROJECT, version

ROOT = Path(__file__).parents[2]
SAFE = {name: value for name, (value, _) in NEEDED.items()}


@pytest.fixture(autouse=True)
def no_variables(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in os.environ if name.startswith("PRESSWORK_")]:
        monkeypatch.delenv(name)


@pytest.fixture
def taken_port() -> Iterator[int]:
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server.getsockname()[1]


def presswork(*arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PRESSWORK_")}
    environment |= {"COLUMNS": "200", **variables}
    command = [sys.executable, "-m", "standalone", *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, env=environment)


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_help_names_every_option_its_variable_and_its_default() -> None:
    text = presswork("up", "--help").stdout
    for name, default in {
        "data-dir": "./var",
        "host": "127.0.0.1",
        "api-port": "8000",
        "generator-port": "8001",
        "redis-port": "6379",
        "clickhouse-port": "8123",
        "redis-url": "",
        "clickhouse-url": "",
        "workers": "one per core",
    }.items():
        assert f"--{name}" in text
        assert f"PRESSWORK_{name.upper().replace('-', '_')}" in text
        assert default in text


def test_a_new_key_has_the_form_of_a_key() -> None:
    assert well_formed(presswork("keys", "new").stdout.strip())


def test_listen_explains_itself_and_refuses_a_taken_port(taken_port: int) -> None:
    assert "--fail-first" in presswork("listen", "--help").stdout
    result = presswork("listen", "--port", str(taken_port), "--secret", "whsec_" + "QUJD" * 8)
    assert result.returncode == 1
    assert str(taken_port) in result.stderr


@pytest.mark.parametrize(
    ("variables", "asked"),
    [
        ({"PRESSWORK_API_PORT": "1"}, "http://127.0.0.1:1 "),
        ({"PRESSWORK_API_PORT": "1", "PRESSWORK_HOST": "::"}, "http://[::1]:1 "),
        ({"PRESSWORK_API_PORT": "1", "PRESSWORK_PUBLIC_URL": "http://127.0.0.1:2"}, "http://127.0.0.1:2 "),
    ],
)
def test_listen_asks_the_api_where_up_would_put_it(variables: dict[str, str], asked: str) -> None:
    result = presswork("listen", "--key", "pw_key", **variables)
    assert result.returncode == 2
    assert f"{asked}did not give the webhook secret" in result.stderr


def test_the_help_of_listen_and_a_refusal_name_the_same_line() -> None:
    line = "PRESSWORK_WEBHOOK_ALLOW_HOSTS=127.0.0.1:9000"
    assert line in remedy("127.0.0.1", 9000)
    assert line in presswork("listen", "--help").stdout
    assert line in (ROOT / "README.md").read_text() and line in (ROOT / "docs" / "webhooks.md").read_text()


def test_version_is_the_installed_one() -> None:
    assert presswork("version").stdout.startswith("presswork 0.")


def test_an_image_that_carries_the_source_uninstalled_knows_its_version(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.metadata, "version", lambda _: importlib.metadata.Distribution.from_name("missing"))
    assert version() == tomllib.loads(PROJECT.read_text())["project"]["version"]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["up", "--api-port", "99999"], "PRESSWORK_API_PORT"),
        (["up", "--api-port", "many"], "--api-port"),
        (["up", "--redis-port", "8000"], "--api-port, --redis-port are all 8000"),
        (["up", "--no-such-option"], "--no-such-option"),
        (["print"], "print"),
    ],
)
def test_wrong_usage_exits_with_2_and_names_the_option(arguments: list[str], said: str) -> None:
    result = presswork(*arguments)
    assert result.returncode == 2
    assert said in result.stderr
    assert result.stdout == ""


def test_a_taken_port_exits_with_1_and_a_message_on_stderr(tmp_path: Path, taken_port: int) -> None:
    result = presswork("up", "--data-dir", str(tmp_path / "var"), "--api-port", str(taken_port))
    assert result.returncode == 1
    assert f"Port {taken_port} is taken" in result.stderr
    assert "Traceback" not in result.stderr


def test_an_option_wins_over_its_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PRESSWORK_API_PORT", "9000")
    monkeypatch.setenv("PRESSWORK_WORKERS", "3")
    settings = load_up_settings(api_port=9100, workers=None)
    assert (settings.api_port, settings.workers) == (9100, 3)


def test_a_bad_variable_is_named_with_its_value(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PRESSWORK_CLICKHOUSE_NETWORKS", "10.0.0.0/8,office")
    monkeypatch.setenv("PRESSWORK_REDIS_MAX_MEMORY", "lots")
    with pytest.raises(UsageError, match=r"(?s)PRESSWORK_REDIS_MAX_MEMORY.*'lots'.*PRESSWORK_CLICKHOUSE_NETWORKS"):
        load_up_settings()


def test_servers_that_are_outside_take_no_port() -> None:
    settings = load_up_settings(redis_url="redis://elsewhere", clickhouse_url="http://elsewhere", redis_port=8000)
    assert settings.ports == {"api_port": 8000, "generator_port": 8001}


def test_a_taken_port_is_refused_with_its_holder_and_the_way_out(taken_port: int) -> None:
    with pytest.raises(StartRefused) as refused:
        require_free("127.0.0.1", taken_port, "redis_port")
    message = str(refused.value)
    assert f"(pid {os.getpid()})" in message
    for way_out in ("--redis-port", "PRESSWORK_REDIS_PORT", "--redis-url"):
        assert way_out in message


def test_a_port_taken_on_one_address_is_taken_for_all_addresses(taken_port: int) -> None:
    with pytest.raises(StartRefused, match="is taken"):
        require_free("0.0.0.0", taken_port, "api_port")


def test_a_port_that_was_given_back_is_free() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    require_free("127.0.0.1", port, "api_port")
    assert port_holder(port) is None


def test_an_address_of_another_machine_is_refused() -> None:
    with pytest.raises(StartRefused, match="192.0.2.1 is not an address of this machine"):
        require_free("192.0.2.1", 8000, "api_port")


def test_the_data_directory_and_every_secret_in_it_are_private(tmp_path: Path) -> None:
    with locked(tmp_path / "var") as data:
        secrets = {data.secret_key(), data.admin_key(), data.password("redis"), data.password("clickhouse")}
        assert len(secrets) == 4
        assert mode(data.path) == 0o700
        assert {mode(file) for file in data.path.iterdir() if file.is_file()} == {0o600}


def test_a_secret_is_on_disk_with_its_name_before_it_is_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    synced: list[str] = []
    monkeypatch.setattr(os, "fsync", lambda descriptor: synced.append(os.readlink(f"/proc/self/fd/{descriptor}")))
    with locked(tmp_path / "var") as data:
        data.secret_key()
    assert [Path(path).name.rstrip("0123456789") for path in synced] == [".secret.key.", "var"]


def test_secrets_are_generated_once(tmp_path: Path) -> None:
    def secrets() -> list[str]:
        with locked(tmp_path / "var") as data:
            return [data.secret_key(), data.admin_key(), data.password("redis")]

    assert secrets() == secrets()


def test_a_second_start_on_the_same_directory_is_refused_with_the_pid_of_the_first(tmp_path: Path) -> None:
    with locked(tmp_path / "var"), pytest.raises(StartRefused, match=rf"pid {os.getpid()}\) is using .*--data-dir"):
        with locked(tmp_path / "var"):
            pass


def test_children_do_not_inherit_the_lock(tmp_path: Path) -> None:
    with locked(tmp_path / "var"):
        child = subprocess.Popen(["sleep", "600"])
        assert is_held(tmp_path / "var" / "lock")
    try:
        assert not is_held(tmp_path / "var" / "lock")
    finally:
        child.kill()
        child.wait()


def is_held(lock: Path) -> bool:
    with open(lock) as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
    return False


def test_a_directory_with_somebody_elses_files_is_not_taken(tmp_path: Path) -> None:
    (tmp_path / "thesis.txt").write_text("my only copy")
    before = mode(tmp_path)
    with pytest.raises(StartRefused, match="files in it that are not Presswork's"), locked(tmp_path):
        pass
    assert mode(tmp_path) == before
    assert [file.name for file in tmp_path.iterdir()] == ["thesis.txt"]


def test_a_data_directory_that_is_a_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "var").write_text("")
    with pytest.raises(StartRefused, match="cannot be used"), locked(tmp_path / "var"):
        pass


def test_no_secret_is_on_a_command_line_and_servers_get_none_of_the_services(tmp_path: Path) -> None:
    settings = load_up_settings(data_dir=tmp_path / "var")
    with locked(settings.data_dir) as data:
        stack = build_stack(settings, data, {"PATH": "/bin", "PRESSWORK_SECRET_KEY": "from outside"})
        secrets = [data.secret_key(), data.admin_key(), data.password("redis"), data.password("clickhouse")]
    for spec in (*stack.servers, *stack.services):
        assert not [word for word in spec.command for secret in secrets if secret in word]
    for spec in stack.servers:
        assert spec.environment == {"PATH": "/bin"}


def test_secrets_given_from_outside_are_handed_on(tmp_path: Path) -> None:
    settings = load_up_settings(data_dir=tmp_path / "var", secret_key="s" * 40, admin_key="pw_given")
    with locked(settings.data_dir) as data:
        stack = build_stack(settings, data, {})
        assert not (data.path / "secret.key").exists()
        assert not data.admin_key_file.exists()
    assert stack.admin_key == "pw_given"
    for spec in stack.services:
        assert spec.environment["PRESSWORK_SECRET_KEY"] == "s" * 40
        assert spec.environment["PRESSWORK_ADMIN_KEY"] == "pw_given"


def test_redis_is_new_enough_from_7_on() -> None:
    refused = []
    for number in ("5.0.14", "6.2.14", "7.0.15", "8.0.2", "10.0.0"):
        try:
            require_version(number)
        except RedisRefused:
            refused.append(number)
    assert refused == ["5.0.14", "6.2.14"]


def test_a_disk_that_is_full_at_the_start_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(descriptor: int, data: bytes) -> int:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "write", full)
    with pytest.raises(StartRefused, match="var cannot be used: No space left on device. Make room"):
        with locked(tmp_path / "var"):
            pytest.fail("the lock has no holder's pid in it")


def test_outside_servers_replace_the_embedded_ones(tmp_path: Path) -> None:
    settings = load_up_settings(data_dir=tmp_path / "var", redis_url="redis://r:1", clickhouse_url="http://c:2/p")
    with locked(settings.data_dir) as data:
        stack = build_stack(settings, data, {})
    assert stack.servers == []
    assert stack.services[0].environment["PRESSWORK_REDIS_URL"] == "redis://r:1"
    assert stack.services[1].environment["PRESSWORK_CLICKHOUSE_URL"] == "http://c:2/p"


def test_a_redis_server_program_that_is_missing_is_named(tmp_path: Path) -> None:
    settings = load_up_settings(data_dir=tmp_path / "var", redis_server="/no/such/redis-server")
    with pytest.raises(StartRefused, match="PRESSWORK_REDIS_SERVER is '/no/such/redis-server'"):
        with locked(settings.data_dir) as data:
            build_stack(settings, data, {})


@pytest.mark.parametrize(
    ("name", "value"),
    [("appendonly", "no"), ("appendfsync", "everysec"), ("maxmemory-policy", "allkeys-lru"), ("requirepass", "empty")],
)
def test_an_unsafe_outside_redis_is_refused_naming_the_setting_and_the_override(name: str, value: str) -> None:
    with pytest.raises(UnsafeRedis) as refused:
        require_settings(SAFE | {name: value})
    message = str(refused.value)
    assert f"{name} is {value}, but must be {SAFE[name]}" in message
    assert "PRESSWORK_ALLOW_UNSAFE_REDIS=1" in message
    assert [other for other in SAFE if f"{other} is" in message] == [name]
