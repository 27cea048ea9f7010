"""Receivers of webhooks in Redis: which of them are left alone for a while. deliver_record.lua decides it."""

from collections.abc import Collection
from typing import cast

from backends.redis import ask
from backends.scripts import Scripts
from contracts.endpoints import Pause
from contracts.ids import now_ms


class Receivers:
    """A receiver is an endpoint, by its id, or a user's callbacks to one host and port: `<user id>/<host>:<port>`."""

    def __init__(self, scripts: Scripts) -> None:
        self._redis = scripts.redis
        self._prefix = scripts.prefix

    async def pauses(self, receivers: Collection[str]) -> dict[str, Pause]:
        """Return the pauses of those that are left alone now. Raises QueueUnavailable."""
        async with self._redis.pipeline(transaction=False) as pipe:
            for receiver in receivers:
                pipe.hmget(f"{self._prefix}receiver:{receiver}", "shut_until", "calm_until")
            found = cast(list[list[str | None]], await ask(pipe.execute()))
        now = now_ms()
        pauses = {receiver: _pause(*map(_moment, pair)) for receiver, pair in zip(receivers, found, strict=True)}
        return {receiver: pause for receiver, pause in pauses.items() if pause.until > now}


def _pause(shut_until: int, calm_until: int) -> Pause:
    """Return the later one: both have to end before it is called again."""
    return Pause(shut_until, "failing") if shut_until >= calm_until else Pause(calm_until, "asked")


def _moment(text: str | None) -> int:
    return int(text or 0)
