"""Watches from outside which processes serve, and writes every outage into the history."""

import asyncio

import httpx2

from tests.chaos.history import History, Outage, now_ms
from tests.chaos.stack import SERVERS, SERVICES, Ground, answers

LOOK_S = 0.25
PATIENCE_S = 1.0


class Watch:
    """Looks at every process four times a second. `down` maps who is out to since when (epoch ms)."""

    def __init__(self, ground: Ground, history: History) -> None:
        self._ground = ground
        self._history = history
        self.down: dict[str, int] = {}

    async def run(self) -> None:
        """Watch until cancelled; outages that last are written then."""
        async with httpx2.AsyncClient(timeout=PATIENCE_S) as http, asyncio.TaskGroup() as group:
            for who in (*SERVICES, *SERVERS):
                group.create_task(self._follow(who, http))

    def close(self) -> None:
        """Write down the outages that have not ended."""
        for who, since in self.down.items():
            self._history.outage(Outage(who, since, now_ms()))

    async def _follow(self, who: str, http: httpx2.AsyncClient) -> None:
        while True:
            looked_at = now_ms()
            if not await answers(self._ground, who, http):
                self.down.setdefault(who, looked_at)
            elif since := self.down.pop(who, None):
                self._history.outage(Outage(who, since, looked_at))
            await asyncio.sleep(LOOK_S)
