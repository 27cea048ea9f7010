"""After the faults: wait until everything that was accepted has ended, is delivered and is in history."""

import asyncio
import time
from contextlib import suppress

from redis.asyncio import Redis
from redis.exceptions import RedisError

from backends.scripts import PREFIX
from tests.chaos.stack import Ground

#: A delivery whose process was killed is due again after its lease of 30 s; then there are repeated attempts.
DEADLINE_S = 180.0
LOOK_S = 0.5
#: Quiet once may be between two steps.
QUIET_LOOKS = 4


async def settled(ground: Ground, deadline_s: float = DEADLINE_S) -> dict[str, object]:
    """Wait; return what is still under way at the deadline, by name: nothing if all is well."""
    deadline, quiet = time.monotonic() + deadline_s, 0
    left: dict[str, object] = {"Redis": "did not answer"}
    async with Redis.from_url(ground.redis_url, decode_responses=True, socket_timeout=5) as redis:
        while quiet < QUIET_LOOKS and time.monotonic() < deadline:
            with suppress(RedisError, OSError):
                left = await under_way(redis)
                quiet = 0 if left else quiet + 1
            await asyncio.sleep(LOOK_S)
    return left


async def under_way(redis: Redis) -> dict[str, object]:
    """Count what waits or is being worked on, by its key; zeros are left out."""
    found: dict[str, object] = {name: await redis.zcard(f"{PREFIX}{name}") for name in ("leases", "delayed", "due")}
    found["events"] = await redis.xlen(f"{PREFIX}events")
    found["ship"] = await redis.hgetall(f"{PREFIX}ship")
    found["deliver_ring"] = await redis.llen(f"{PREFIX}deliver_ring")
    found["open"] = max(0, int(await redis.hget(f"{PREFIX}open", "all") or 0))
    return {name: count for name, count in found.items() if count}
