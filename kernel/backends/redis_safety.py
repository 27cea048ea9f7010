"""Looks at a Redis before anything relies on it: does it keep what it confirms, and only for those who may ask?

`presswork up` refuses to start on one that does not; the User API, started alone, does not become ready.
"""

from collections.abc import Mapping
from typing import Any

from redis.asyncio import ConnectionPool, Redis
from redis.asyncio.connection import parse_url
from redis.exceptions import AuthenticationError, RedisError, ResponseError

from contracts.errors import PressworkError

# What a 202 stands on. Without the first two a restart forgets what was accepted, without the third a full server does.
NEEDED = {
    "appendonly": ("yes", "without it a restart of Redis loses accepted documents"),
    "appendfsync": ("always", "otherwise a power failure loses what was accepted in the last second"),
    "maxmemory-policy": ("noeviction", "otherwise a full Redis silently drops documents"),
    "requirepass": ("set", "without it everybody who reaches its port reads and changes every document"),
}
NAMED = "PRESSWORK_REDIS_URL (--redis-url)"
OVERRIDE = "Or accept the risk with PRESSWORK_ALLOW_UNSAFE_REDIS=1."
OLDEST = 7
# RESP2, because servers before 6.0 know no other: they shall be refused for their version.
CLIENT: dict[str, Any] = {"decode_responses": True, "socket_timeout": 5, "socket_connect_timeout": 5, "protocol": 2}


class RedisRefused(PressworkError):
    """This Redis cannot be used; the message says what to do."""


class UnsafeRedis(RedisRefused):
    """This Redis may lose what it has confirmed, or lets anybody in."""


async def require_safe_redis(url: str, *, allow_unsafe: bool) -> None:
    """Raise RedisRefused unless the server can be reached and is new enough, UnsafeRedis unless it keeps what it is
    given and wants a password. With `allow_unsafe` the first two are enough.
    """
    try:
        async with Redis.from_url(url, **CLIENT) as client:
            require_version(str((await client.info("server"))["redis_version"]))
            settings = {} if allow_unsafe else await _settings(client)
    except ValueError as error:
        raise RedisRefused(f"{NAMED} is not a Redis URL: {error}.") from error
    except AuthenticationError as error:
        raise RedisRefused(
            f"The Redis of {NAMED} does not let us in: {_said(error)}. Write its password into the URL:"
            " redis://:PASSWORD@HOST:PORT/0, or redis://USER:PASSWORD@HOST:PORT/0."
        ) from error
    except (RedisError, OSError) as error:
        raise RedisRefused(f"The Redis of {NAMED} cannot be used: {_said(error)}. Check host and port.") from error
    if not allow_unsafe:
        require_settings(settings | {"requirepass": "empty" if await _lets_anybody_in(url) else "set"})


def require_version(version: str) -> None:
    """Raise RedisRefused for a server that does not know our scripts' flags."""
    if int(version.partition(".")[0]) < OLDEST:
        raise RedisRefused(
            f"The Redis of {NAMED} is version {version}: Presswork's scripts need {OLDEST}.0 or newer. Use a newer"
            " server, or leave the option out for the embedded one."
        )


def require_settings(settings: Mapping[str, str]) -> None:
    """Raise UnsafeRedis naming every setting that would make a 202 less than a promise."""
    flaws = [
        f"  {name} is {settings.get(name, 'unknown')}, but must be {value}: {why}"
        for name, (value, why) in NEEDED.items()
        if settings.get(name) != value
    ]
    if flaws:
        remedy = "Change it in redis.conf, or with `redis-cli CONFIG SET ...` followed by `CONFIG REWRITE`."
        raise UnsafeRedis("\n".join([f"The Redis of {NAMED} is not safe:", *flaws, remedy, OVERRIDE]))


async def _settings(client: Redis) -> dict[str, str]:
    names = [name for name in NEEDED if name != "requirepass"]
    try:
        return {name: (await client.config_get(name)).get(name) or "" for name in names}
    except ResponseError as error:
        raise UnsafeRedis(
            f"The Redis of {NAMED} does not show its settings ({_said(error)}), so {', '.join(names)} cannot be"
            f" checked. Allow CONFIG GET to this user. {OVERRIDE}"
        ) from error


async def _lets_anybody_in(url: str) -> bool:
    """Tell whether the server answers without a password. A Unix socket is guarded by its file's mode."""
    options = {name: value for name, value in parse_url(url).items() if name not in ("username", "password")}
    if "path" in options:
        return False
    async with Redis.from_pool(ConnectionPool(**{**options, **CLIENT})) as stranger:
        try:
            return bool(await stranger.ping())
        except RedisError:
            return False


def _said(error: Exception) -> str:
    return str(error).rstrip(".?")
