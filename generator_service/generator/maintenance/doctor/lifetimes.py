"""Is every key one that Presswork declares (backends/key_map.py), and has it the TTL that it must have?"""

from collections.abc import AsyncIterator, Collection, Sequence

from backends.key_map import Lifetime, lifetime_of
from generator.maintenance.doctor.port import MENDED, Finding, Flaw
from generator.maintenance.doctor.stores import Stores

#: The longest of the lives that such keys are given: sessions, logins, idempotency keys.
LIFE_S = 7 * 86_400


class Lifetimes:
    name = "lifetimes"
    title = "keys in Redis and their lives"
    flaws = {
        "undeclared": Flaw("keys that Presswork does not know, without a time to live"),
        "immortal": Flaw("keys that must expire, but have no time to live", "given a week to live"),
    }

    def __init__(self, stores: Stores) -> None:
        self._stores = stores

    async def look(self, only: Collection[str] | None = None) -> AsyncIterator[Finding]:
        async for names in self._names(only):
            for finding in await self._judged(names):
                yield finding

    async def mend(self, findings: Sequence[Finding]) -> list[str]:
        for finding in findings:
            await self._stores.redis.limit_life(finding.subject, LIFE_S)
        return [MENDED for _ in findings]

    async def _names(self, only: Collection[str] | None) -> AsyncIterator[list[str]]:
        if only is not None:
            yield list(only)
            return
        async for names in self._stores.redis.names("*"):
            yield names

    async def _judged(self, names: Sequence[str]) -> list[Finding]:
        flaws = {name: flaw for name in names if (flaw := _suspicion(lifetime_of(name)))}
        ttls = await self._stores.redis.ttls(list(flaws))
        return [Finding(flaw, name) for (name, flaw), ttl in zip(flaws.items(), ttls, strict=True) if ttl == -1]


def _suspicion(lifetime: Lifetime | None) -> str:
    """Say what a key is if it has no TTL; nothing for one that needs none."""
    return {None: "undeclared", Lifetime.EXPIRES: "immortal"}.get(lifetime, "")
