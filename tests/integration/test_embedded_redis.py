"""The embedded Redis server: it keeps what it acknowledged, lets nobody in, and is recognised."""

import asyncio
import signal
import stat
import subprocess
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from redis.asyncio import Redis
from redis.exceptions import AuthenticationError, OutOfMemoryError

from backends.embedded.redis import EmbeddedRedis, RedisMissing, find_executable
from backends.embedded.tether import tethered
from backends.redis_safety import RedisRefused, UnsafeRedis, require_safe_redis
from tests.integration.history_servers import free_port, redis_program
from tests.integration.outside_servers import REDIS, needs_embedded

DEADLINE_S = 30
pytestmark = needs_embedded(REDIS)


@contextmanager
def started(server: EmbeddedRedis) -> Iterator[subprocess.Popen[bytes]]:
    process = subprocess.Popen(tethered(server.command), stdout=subprocess.DEVNULL)
    try:
        yield process
    finally:
        process.kill()
        process.wait()


async def ready(server: EmbeddedRedis, process: subprocess.Popen[bytes]) -> None:
    async with asyncio.timeout(DEADLINE_S):
        while not await server.is_ready(process.pid):
            assert process.poll() is None, "the server ended"
            await asyncio.sleep(0.02)


@pytest.fixture
def server(tmp_path: Path) -> EmbeddedRedis:
    server = EmbeddedRedis(tmp_path / "redis", free_port(), "a-password", redis_program(), max_memory="20mb")
    server.prepare()
    return server


@pytest.fixture
async def client(server: EmbeddedRedis) -> AsyncIterator[Redis]:
    with started(server) as process:
        await ready(server, process)
        async with Redis.from_url(server.url) as client:
            yield client


async def test_it_is_as_safe_as_we_demand_of_an_outside_server(server: EmbeddedRedis, client: Redis) -> None:
    needed = {"appendonly": "yes", "appendfsync": "always", "maxmemory-policy": "noeviction"}
    assert {name: (await client.config_get(name))[name] for name in needed} == needed
    await require_safe_redis(server.url, allow_unsafe=False)


@pytest.mark.parametrize("name", ["with space", 'a "quoted" name', "it's", "back\\slash", "ключ", "new\nline", "a\\"])
async def test_it_lives_in_a_folder_of_any_name(tmp_path: Path, name: str) -> None:
    server = EmbeddedRedis(tmp_path / name, free_port(), "a-password", redis_program())
    server.prepare()
    with started(server) as process:
        await ready(server, process)
        async with Redis.from_url(server.url) as client:
            await client.set("key", "value")
    assert (tmp_path / name / "appendonlydir").is_dir()


async def test_what_a_server_left_that_died_while_it_rewrote_its_file_is_swept(server: EmbeddedRedis) -> None:
    left, kept = server.directory / "temp-rewriteaof-bg-7.aof", server.directory / "redis.conf"
    left.write_bytes(b"half")
    server.sweep()
    assert not left.exists() and kept.exists()


async def test_an_outside_server_that_may_lose_a_second_is_refused_unless_overridden(
    server: EmbeddedRedis, client: Redis
) -> None:
    await client.config_set("appendfsync", "everysec")
    with pytest.raises(UnsafeRedis, match="appendfsync is everysec, but must be always"):
        await require_safe_redis(server.url, allow_unsafe=False)
    await require_safe_redis(server.url, allow_unsafe=True)


async def test_an_outside_server_that_hides_its_settings_is_refused(server: EmbeddedRedis, client: Redis) -> None:
    await client.acl_setuser("tenant", enabled=True, passwords=["+secret"], categories=["+@all"], commands=["-config"])
    with pytest.raises(UnsafeRedis, match="Allow CONFIG GET"):
        await require_safe_redis(f"redis://tenant:secret@127.0.0.1:{server.port}/0", allow_unsafe=False)


@pytest.mark.parametrize("password", ["", ":wrong-secret@"])
async def test_an_outside_server_that_lets_us_not_in_is_refused_without_showing_the_password(
    server: EmbeddedRedis, client: Redis, password: str
) -> None:
    with pytest.raises(RedisRefused, match="PRESSWORK_REDIS_URL") as refused:
        await require_safe_redis(f"redis://{password}127.0.0.1:{server.port}/0", allow_unsafe=False)
    assert "wrong-secret" not in str(refused.value)


@pytest.mark.parametrize("login", ["", "tenant:secret@"])
async def test_an_outside_server_that_lets_anybody_in_is_refused_unless_overridden(
    server: EmbeddedRedis, client: Redis, login: str
) -> None:
    await client.acl_setuser("tenant", enabled=True, passwords=["+secret"], categories=["+@all"])
    await client.config_set("requirepass", "")
    url = f"redis://{login}127.0.0.1:{server.port}/0"
    with pytest.raises(UnsafeRedis, match="requirepass is empty, but must be set(?s:.*)PRESSWORK_ALLOW_UNSAFE_REDIS=1"):
        await require_safe_redis(url, allow_unsafe=False)
    await require_safe_redis(url, allow_unsafe=True)


@pytest.mark.parametrize("allow_unsafe", [False, True])
async def test_an_outside_server_that_is_too_old_is_refused_whatever_is_allowed(allow_unsafe: bool) -> None:
    async with await asyncio.start_server(redis_of_2018, "127.0.0.1", 0) as old:
        url = f"redis://127.0.0.1:{old.sockets[0].getsockname()[1]}/0"
        with pytest.raises(RedisRefused, match=r"is version 5\.0\.14: .* need 7\.0 or newer"):
            await require_safe_redis(url, allow_unsafe=allow_unsafe)


async def redis_of_2018(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Speak as Redis 5 does: RESP2 only, and only INFO is known."""
    while line := await reader.readline():
        words = []
        for _ in range(int(line[1:])):
            size = int((await reader.readline())[1:])
            words.append((await reader.readexactly(size + 2))[:-2])
        info = b"redis_version:5.0.14\r\n"
        known = b"$%d\r\n%s\r\n" % (len(info), info)
        writer.write(known if words[0].upper() == b"INFO" else b"-ERR unknown command\r\n")
    writer.close()


async def test_acknowledged_writes_survive_kill_9(server: EmbeddedRedis) -> None:
    with started(server) as process:
        await ready(server, process)
        async with Redis.from_url(server.url) as client:
            for number in range(100):
                await client.rpush("acknowledged", number)
        process.send_signal(signal.SIGKILL)
        process.wait()
    with started(server) as process:
        await ready(server, process)
        async with Redis.from_url(server.url) as client:
            assert await client.llen("acknowledged") == 100


async def test_nobody_gets_in_without_the_password(server: EmbeddedRedis, client: Redis) -> None:
    async with Redis(host="127.0.0.1", port=server.port, retry=None) as stranger:
        with pytest.raises(AuthenticationError):
            await stranger.get("key")


async def test_a_full_server_refuses_writes_and_forgets_nothing(client: Redis) -> None:
    await client.set("accepted", "1")
    with pytest.raises(OutOfMemoryError):
        for number in range(1000):
            await client.set(f"filler:{number}", b"x" * 100_000)
    assert await client.get("accepted") == b"1"


async def test_another_process_with_the_same_password_is_not_taken_for_ours(server: EmbeddedRedis) -> None:
    with started(server) as process:
        await ready(server, process)
        assert not await server.is_ready(process.pid + 1)


async def test_a_server_with_another_password_is_neither_alive_nor_ready(server: EmbeddedRedis, client: Redis) -> None:
    stranger = EmbeddedRedis(server.directory, server.port, "wrong", server.executable)
    assert not await stranger.is_alive()
    assert not await stranger.is_ready(0)


async def test_a_frozen_server_is_not_alive(server: EmbeddedRedis) -> None:
    with started(server) as process:
        await ready(server, process)
        assert await server.is_alive()
        process.send_signal(signal.SIGSTOP)
        assert not await server.is_alive()


async def test_nothing_on_the_port_is_not_alive(server: EmbeddedRedis) -> None:
    assert not await server.is_alive()


def test_the_configuration_with_the_password_is_private(server: EmbeddedRedis) -> None:
    assert stat.S_IMODE((server.directory / "redis.conf").stat().st_mode) == 0o600
    assert "a-password" not in " ".join(server.command)


def test_a_program_is_called_by_the_name_it_was_given_by(tmp_path: Path) -> None:
    """Debian's redis-server is a link to redis-check-rdb, which decides by its own name what to be."""
    (tmp_path / "redis-server").symlink_to("/bin/true")
    assert find_executable(str(tmp_path / "redis-server")) == tmp_path / "redis-server"


def test_a_program_that_does_not_exist_is_refused_by_name() -> None:
    with pytest.raises(RedisMissing, match="PRESSWORK_REDIS_SERVER is 'no-such-program'"):
        find_executable("no-such-program")
