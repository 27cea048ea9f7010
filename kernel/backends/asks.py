"""Asks on Redis: what the User API wants of a generator while a client waits, taken by turns of users.

Outside of the lossless path: no events, no leases. Every key goes away by itself. An ask is dropped when its asker goes
or does not wait any longer; a generator that is lost stops to renew its hold, and the asker is told.
"""

from collections.abc import Collection
from dataclasses import dataclass
from typing import Annotated, Literal, cast
from uuid import UUID

import structlog
from pydantic import Field, TypeAdapter

from backends.redis import ask
from backends.scripts import Scripts
from contracts.errors import SystemFull, TooManyRenders
from contracts.workbench import Answer, CheckAsk, RenderAsk

log = structlog.get_logger(__name__)

#: A generator renews its hold three times in this time; after it an ask that it took counts as lost.
HELD_MS = 4_000
#: How long what nobody fetches is kept: its asker is dead.
KEPT_MS = 60_000

Ask = RenderAsk | CheckAsk
_ASK: TypeAdapter[Ask] = TypeAdapter(Annotated[Ask, Field(discriminator="kind")])

State = Literal["answered", "waiting", "held", "lost"]


@dataclass(frozen=True)
class Taken:
    """An ask that this process holds. `user`: whose turn it was."""

    ask: Ask
    user: str


@dataclass(frozen=True)
class AskLimits:
    """How many asks may wait, in all and of one user, and how long one waits for a generator (milliseconds)."""

    waiting: int = 64
    waiting_per_user: int = 8
    wait_ms: int = 10_000


class Asks:
    """Raises QueueUnavailable from every method when Redis does not answer."""

    def __init__(self, scripts: Scripts, limits: AskLimits | None = None) -> None:
        self._scripts = scripts
        self._redis = scripts.redis
        self._prefix = scripts.prefix
        self.limits = limits or AskLimits()

    # The asker's side

    async def put(self, wanted: Ask, user: str) -> None:
        """Ask. Raises TooManyRenders (the user's limit), SystemFull."""
        limits = self.limits
        arguments = (limits.wait_ms, KEPT_MS + limits.wait_ms, limits.waiting, limits.waiting_per_user)
        outcome = await self._scripts.run("ask_put", str(wanted.ask_id), wanted.model_dump_json(), user, *arguments)
        if outcome == "user_full":
            raise TooManyRenders()
        if outcome == "full":
            raise SystemFull("Too many renders wait for a generator: nothing was accepted.")

    async def look(self, ask_id: UUID) -> tuple[State, Answer | None]:
        """Say how an ask stands; the answer with `answered`."""
        state, *answer = cast(list[str], await self._scripts.run("ask_look", str(ask_id)))
        return cast(State, state), Answer.model_validate_json(answer[0]) if answer else None

    async def drop(self, ask_id: UUID) -> bool:
        """Wait no longer: a render that has begun is ended, too. Tells whether nobody had taken the ask."""
        if await ask(self._redis.delete(f"{self._prefix}ask:{ask_id}")):
            return True
        await ask(self._redis.delete(f"{self._prefix}ask_held:{ask_id}", f"{self._prefix}answer:{ask_id}"))
        return False

    # The generator's side

    async def wait(self, timeout_s: float = 1) -> None:
        """Block until there is an ask, or the timeout."""
        await ask(self._redis.brpop([f"{self._prefix}wake:ask"], timeout=timeout_s))

    async def take(self, busy: Collection[str] = ()) -> Taken | None:
        """Take the next ask of the next user who is not among `busy`; None if there is none."""
        while found := cast(list[str], await self._scripts.run("ask_take", HELD_MS, KEPT_MS, *sorted(busy))):
            try:
                return Taken(_ASK.validate_json(found[2]), found[1])
            except ValueError:  # of a newer release, say: its asker hears that it is lost, the others go on
                log.error("ask.unreadable", ask_id=found[0])
                await self.drop(UUID(found[0]))
        return None

    async def others_wait(self, user: str) -> bool:
        """Tell whether an ask of another user is waited for that nobody has taken."""
        for other in cast(list[str], await ask(self._redis.lrange(f"{self._prefix}ask_ring", 0, -1))):
            if other != user:
                waiting = cast(list[str], await ask(self._redis.lrange(f"{self._prefix}asks:{other}", 0, -1)))
                known = [f"{self._prefix}ask:{one}" for one in waiting]
                if known and await ask(self._redis.exists(*known)) > 0:
                    return True
        return False

    async def hold(self, ask_id: UUID) -> bool:
        """Renew the hold on an ask; False if its asker has gone."""
        return bool(await ask(self._redis.pexpire(f"{self._prefix}ask_held:{ask_id}", HELD_MS)))

    async def answer(self, ask_id: UUID, answer: Answer) -> bool:
        """Answer; False if nobody waits for it any more."""
        text = answer.model_dump_json(exclude_none=True)
        return await self._scripts.run("ask_answer", str(ask_id), text, KEPT_MS) == 1


def answer_key(ask_id: UUID) -> str:
    """Name the blob that carries the bytes of a rendering to whoever asked."""
    return f"asks/{ask_id}"
