"""Lua scripts by name: `lua/<name>.lua` behind the shared prelude, run with EVALSHA.

KEYS[1] is always the key prefix; its hash tag keeps every key of Presswork in one cluster slot.
"""

from functools import cache
from importlib import resources
from typing import cast

from redis.asyncio import Redis
from redis.commands.core import AsyncScript
from redis.exceptions import RedisError, ResponseError

from contracts.errors import QueueUnavailable, SystemFull

PREFIX = "{pw}:"

#: What a server answers while it starts, fails over, waits for replicas or its disk, or runs somebody's long script.
PASSING = frozenset(("LOADING", "MISCONF", "READONLY", "MASTERDOWN", "CLUSTERDOWN", "TRYAGAIN", "NOREPLICAS", "BUSY"))

Answer = str | int | list[object] | None


class Scripts:
    """Runs scripts on one server. Raises QueueUnavailable, or SystemFull when Redis is out of memory."""

    def __init__(self, redis: Redis, prefix: str = PREFIX) -> None:
        self.redis = redis
        self.prefix = prefix
        self._loaded: dict[str, AsyncScript] = {}

    async def run(self, name: str, *args: str | int | bytes) -> Answer:
        """Run a script. Safe to repeat: each script compares before it writes."""
        script = self._loaded.get(name)
        if script is None:
            script = self._loaded[name] = self.redis.register_script(source(name))
        try:
            return cast(Answer, await script(keys=[self.prefix], args=list(args)))
        except ResponseError as error:
            code = error.status_code or str(error).partition(" ")[0]  # the client cuts off the codes it knows
            if code == "OOM":
                raise SystemFull("The broker's memory is full: nothing was accepted.") from error
            if code in PASSING:
                raise QueueUnavailable() from error
            raise
        except (RedisError, OSError) as error:
            raise QueueUnavailable() from error


@cache
def source(name: str) -> str:
    """Return a script's full text: its shebang line, the prelude, its body."""
    folder = resources.files("backends") / "lua"
    shebang, _, body = (folder / f"{name}.lua").read_text().partition("\n")
    assert shebang.startswith("#!lua"), f"{name}.lua has no #!lua line"
    return f"{shebang}\n{(folder / 'prelude.lua').read_text()}\n{body}"
