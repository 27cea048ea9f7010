"""Clients of users: compare-and-set on a few users at once, and races for one e-mail address."""

import asyncio
import itertools
import random
from dataclasses import dataclass

from tests.chaos.clients.caller import Caller, Request


@dataclass(frozen=True)
class Register:
    """A user that many change. It began as `version` 1 without attributes."""

    user_id: str


class RegisterClient:
    """Reads a user and sets its attribute if nobody did since: half of the time by an outdated version, on purpose."""

    def __init__(self, caller: Caller, registers: list[Register], chance: random.Random) -> None:
        self._caller = caller
        self._registers = registers
        self._chance = chance
        self._values = itertools.count(1)
        self._versions: dict[str, int] = {}

    async def live(self, stop: asyncio.Event) -> None:
        """Work until `stop` is set."""
        while not stop.is_set():
            user_id = self._chance.choice(self._registers).user_id
            if user_id not in self._versions or self._chance.random() < 0.5:
                await self._read(user_id)
            else:
                await self._write(user_id)
            await asyncio.sleep(self._chance.uniform(0, 0.8))

    async def read_all(self) -> None:
        """Read every user once."""
        for register in self._registers:
            await self._read(register.user_id)

    async def _read(self, user_id: str) -> None:
        reply = await self._caller.call(Request("read_user", "GET", f"/v1/users/{user_id}", {"user": user_id}))
        if reply.outcome == "ok":
            self._versions[user_id] = reply.json["version"]

    async def _write(self, user_id: str) -> None:
        version, value = self._versions[user_id], f"{self._caller.name}-{next(self._values)}"
        about = {"user": user_id, "expected": version, "value": value}
        headers, body = {"If-Match": f'"{version}"'}, {"attrs": {"value": value}}
        reply = await self._caller.call(Request("write_user", "PATCH", f"/v1/users/{user_id}", about, body, headers))
        if reply.outcome == "ok":
            self._versions[user_id] = reply.json["version"]
        elif reply.status == 412:
            self._versions.pop(user_id)


class SignupRace:
    """Lets three callers sign the same e-mail address up at the same time, again and again."""

    def __init__(self, callers: list[Caller], chance: random.Random) -> None:
        self._callers = callers
        self._chance = chance
        self._numbers = itertools.count(1)

    async def live(self, stop: asyncio.Event) -> None:
        """Work until `stop` is set."""
        while not stop.is_set():
            email = f"race-{next(self._numbers)}@example.com"
            body = {"email": email, "name": "Racer"}
            request = Request("sign_up", "POST", "/v1/users", {"email": email}, body)
            await asyncio.gather(*(caller.call(request) for caller in self._callers))
            await asyncio.sleep(self._chance.uniform(1, 4))
