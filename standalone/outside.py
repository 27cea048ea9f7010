"""Looks at the servers that somebody else runs (--redis-url, --clickhouse-url) before anything relies on them."""

from collections.abc import Mapping

from redis.asyncio import Redis
from redis.exceptions import RedisError, ResponseError

from standalone.errors import StartRefused

# What a 202 stands on. Without the first two a restart forgets what was accepted, without the last a full server does.
NEEDED = {
    "appendonly": ("yes", "without it a restart of Redis loses accepted documents"),
    "appendfsync": ("always", "otherwise a power failure loses what was accepted in the last second"),
    "maxmemory-policy": ("noeviction", "otherwise a full Redis silently drops documents"),
}
OVERRIDE = "Or accept the risk with PRESSWORK_ALLOW_UNSAFE_REDIS=1."
OLDEST = 7


async def require_safe_redis(url: str, *, allow_unsafe: bool) -> None:
    """Raise StartRefused unless the server can be reached, is new enough and keeps what it is given."""
    try:
        async with Redis.from_url(url, decode_responses=True, socket_timeout=5, socket_connect_timeout=5) as client:
            server = await client.info("server")
            settings = {} if allow_unsafe else await _settings(client)
    except ValueError as error:
        raise StartRefused(f"--redis-url (PRESSWORK_REDIS_URL) is not a Redis URL: {error}.") from error
    except (RedisError, OSError) as error:
        raise StartRefused(
            f"The Redis of --redis-url (PRESSWORK_REDIS_URL) cannot be used: {error}. Check host, port and password."
        ) from error
    _require_version(str(server["redis_version"]))
    if not allow_unsafe:
        require_settings(settings)


def require_settings(settings: Mapping[str, str]) -> None:
    """Raise StartRefused naming every setting that would make a 202 less than a promise."""
    flaws = [
        f"  {name} is {settings.get(name, 'unknown')}, but must be {value}: {why}"
        for name, (value, why) in NEEDED.items()
        if settings.get(name) != value
    ]
    if flaws:
        remedy = "Change it in redis.conf, or with `redis-cli CONFIG SET ...` followed by `CONFIG REWRITE`."
        raise StartRefused("\n".join(["The Redis of --redis-url is not safe:", *flaws, remedy, OVERRIDE]))


async def _settings(client: Redis) -> dict[str, str]:
    try:
        return {name: (await client.config_get(name)).get(name) or "" for name in NEEDED}
    except ResponseError as error:
        raise StartRefused(
            f"The Redis of --redis-url does not show its settings ({error}), so {', '.join(NEEDED)} cannot be checked."
            f" Allow CONFIG GET to this user. {OVERRIDE}"
        ) from error


def _require_version(version: str) -> None:
    if int(version.partition(".")[0]) < OLDEST:
        raise StartRefused(
            f"The Redis of --redis-url is version {version}: Presswork's scripts need {OLDEST}.0 or newer."
        )
