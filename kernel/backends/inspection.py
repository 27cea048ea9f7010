"""Looks through Redis in small steps, and asks the scripts that judge and mend (lua/check_*.lua): the doctor's hands.

Each script judges and mends in one step, so what is in motion is not mistaken for what is stuck.
"""

from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping, Sequence
from itertools import batched
from typing import Literal, cast

from redis.client import NEVER_DECODE

from backends.redis import ask
from backends.scripts import Scripts

ReadStream = Callable[..., Awaitable[list[tuple[bytes, dict[bytes, bytes]]]]]
Mode = Literal["look", "mend"]
Ring = Literal["interactive", "normal", "batch", "deliver"]
RINGS: tuple[Ring, ...] = ("interactive", "normal", "batch", "deliver")

#: Keys per SCAN and entries per range: about a millisecond of the server's time.
STEP = 1_000
#: Documents per judging script: each costs it some ten commands.
JUDGED = 200


class Inspection:
    """Raises QueueUnavailable from every method when Redis does not answer. Names come without the key prefix."""

    def __init__(self, scripts: Scripts) -> None:
        self.scripts = scripts
        self._redis = scripts.redis
        self._prefix = scripts.prefix

    async def names(self, pattern: str) -> AsyncIterator[list[str]]:
        """Go through the keys of this pattern, some at a time. One may come twice, as SCAN is."""
        cursor = 0
        while True:
            cursor, keys = await ask(self._redis.scan(cursor, match=f"{self._prefix}{pattern}", count=STEP))
            if keys:
                yield [str(key).removeprefix(self._prefix) for key in keys]
            if cursor == 0:
                return

    async def ids(self, kind: str) -> AsyncIterator[list[str]]:
        """Go through what stands behind `<kind>:` in the keys."""
        async for names in self.names(f"{kind}:*"):
            yield [name.partition(":")[2] for name in names]

    async def fields(self, names: Sequence[str], *fields: str) -> list[list[str | None]]:
        """Read fields of many hashes, in the order of the names."""
        return await self._each("hmget", names, list(fields))

    async def hashes(self, names: Sequence[str]) -> list[dict[str, str]]:
        """Read many hashes as a whole."""
        return await self._each("hgetall", names)

    async def known(self, names: Sequence[str]) -> list[bool]:
        """Tell which of these keys there are."""
        counts: list[int] = await self._each("exists", names)
        return [bool(count) for count in counts]

    async def ttls(self, names: Sequence[str]) -> list[int]:
        """Return the seconds each key has left; -1 without a TTL, -2 without a key."""
        return await self._each("ttl", names)

    async def list_backwards(self, name: str) -> AsyncIterator[list[str]]:
        """Read a list from its tail: what leaves at its head meanwhile moves nothing out of sight."""
        end = -1
        while values := await ask(self._redis.lrange(f"{self._prefix}{name}", end - STEP + 1, end)):
            yield cast(list[str], values)
            end -= STEP
            if len(values) < STEP:
                return

    async def waiting(self, lanes: str) -> frozenset[str]:
        """Read all lanes of this pattern: to search each member in its lane would take the square of their length."""
        found = set[str]()
        async for names in self.names(lanes):
            for name in names:
                async for members in self.list_backwards(name):
                    found.update(members)
        return frozenset(found)

    async def sorted_set(self, name: str) -> AsyncIterator[list[str]]:
        """Go through the members of a sorted set."""
        cursor = 0
        while True:
            cursor, pairs = await ask(self._redis.zscan(f"{self._prefix}{name}", cursor, count=STEP))
            if pairs:
                yield [str(member) for member, _ in pairs]
            if cursor == 0:
                return

    async def members(self, name: str) -> list[str]:
        """Read a set."""
        return sorted(cast(set[str], await ask(self._redis.smembers(f"{self._prefix}{name}"))))

    async def hash(self, name: str) -> dict[str, str]:
        return cast(dict[str, str], await ask(self._redis.hgetall(f"{self._prefix}{name}")))

    async def limit_life(self, name: str, ttl_s: int) -> bool:
        """Give a key a TTL if it has none; returns whether it had none."""
        return bool(await ask(self._redis.expire(f"{self._prefix}{name}", ttl_s, nx=True)))

    # The event stream

    async def events_waiting(self) -> int:
        return int(await ask(self._redis.xlen(f"{self._prefix}events")))

    async def events(self) -> AsyncIterator[list[tuple[str, dict[str, str]]]]:
        """Read the waiting events, oldest first. Bytes that are no text are shown as such, not refused."""
        execute = cast(ReadStream, self._redis.execute_command)
        start = "-"
        while True:
            arguments = ("XRANGE", f"{self._prefix}events", start, "+", "COUNT", STEP)
            found = await ask(execute(*arguments, **{NEVER_DECODE: True}))
            if not found:
                return
            yield [(id_.decode(), _text(fields)) for id_, fields in found]
            start = f"({found[-1][0].decode()}"

    # Judging and mending

    async def documents(
        self, mode: Mode, ids: Iterable[str], *, lease_ms: int, waiting: frozenset[str] = frozenset()
    ) -> dict[str, str]:
        """Judge documents' places; returns what is (was) wrong by id. `waiting`: those that were seen in a lane."""
        found = dict[str, str]()
        for step in batched(ids, JUDGED):
            pairs = [value for id_ in step for value in (id_, int(id_ in waiting))]
            found |= await self._judge("check_documents", step, mode, lease_ms, *pairs)
        return found

    async def lanes(self, mode: Mode, ring: Ring, lanes: Iterable[str]) -> dict[str, str]:
        """Judge lanes against their ring; returns what is (was) wrong by lane."""
        return await self._in_steps("check_lanes", lanes, mode, ring)

    async def deliveries(self, mode: Mode, members: Iterable[str]) -> dict[str, str]:
        """Judge deliveries' places; returns what is (was) wrong by member."""
        return await self._in_steps("check_deliveries", members, mode)

    async def indices(self, mode: Mode, kind: Literal["email", "admin", "key"], names: Iterable[str]) -> dict[str, str]:
        """Judge entries of the accounts' indices; returns what is (was) wrong by name."""
        return await self._in_steps("check_indices", names, mode, kind)

    async def accounts(self, mode: Mode, users: Iterable[tuple[str, str, int]]) -> dict[str, str]:
        """Judge users (id, version, whether an active admin) against the indices; what is (was) wrong by id."""
        found = dict[str, str]()
        for step in batched(users, JUDGED):
            flat = [value for user in step for value in user]
            found |= await self._judge("check_accounts", [id_ for id_, _, _ in step], mode, *flat)
        return found

    async def running(self, mode: Mode) -> list[tuple[str, int, int]]:
        """Compare the leases counted per lane with the leases: (lane, counted, true number) where they differ."""
        flat = cast(list[str | int], await self.scripts.run("check_running", mode))
        return [(str(lane), int(counted), int(true)) for lane, counted, true in batched(flat, 3)]

    async def _in_steps(self, script: str, subjects: Iterable[str], *first: str) -> dict[str, str]:
        found = dict[str, str]()
        for step in batched(subjects, JUDGED):
            found |= await self._judge(script, step, *first, *step)
        return found

    async def _judge(self, script: str, subjects: Sequence[str], *arguments: str | int) -> dict[str, str]:
        verdicts = cast(list[str], await self.scripts.run(script, *arguments))
        return {subject: verdict for subject, verdict in zip(subjects, verdicts, strict=True) if verdict}

    async def _each[T](self, command: str, names: Sequence[str], *arguments: object) -> list[T]:
        async with self._redis.pipeline(transaction=False) as pipe:
            for name in names:
                getattr(pipe, command)(f"{self._prefix}{name}", *arguments)
            return cast(list[T], await ask(pipe.execute()))


def _text(fields: Mapping[bytes, bytes]) -> dict[str, str]:
    return {name.decode(errors="replace"): value.decode(errors="backslashreplace") for name, value in fields.items()}
