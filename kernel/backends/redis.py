"""One Redis client per process: timeouts, pool and retries that suit a service that must not hang."""

from collections.abc import Awaitable

from redis.asyncio import BlockingConnectionPool, Redis
from redis.asyncio.retry import Retry
from redis.backoff import ExponentialBackoff
from redis.exceptions import RedisError

from contracts.errors import QueueUnavailable


def connect_redis(url: str, *, connections: int = 64, timeout_s: float = 5) -> Redis:
    """Make a client that connects on first use. Commands are retried: every script of ours bears repetition."""
    pool = BlockingConnectionPool.from_url(
        url,
        max_connections=connections,
        timeout=timeout_s,
        decode_responses=True,
        socket_timeout=timeout_s,
        socket_connect_timeout=2,
        health_check_interval=15,
        retry=Retry(ExponentialBackoff(cap=0.2, base=0.01), retries=1),
    )
    return Redis.from_pool(pool)


async def ask[T](question: Awaitable[T]) -> T:
    """Await an answer of Redis. Raises QueueUnavailable when there is none."""
    try:
        return await question
    except (RedisError, OSError) as error:
        raise QueueUnavailable() from error
