"""The plan of a run: which act happens when, from a seed alone. Pure: the same seed gives the same plan.

Two lanes of acts run side by side: one for the servers (Redis, ClickHouse, their disks), of which one at a time is in
trouble, and one for the services. In each lane every kind of act comes once before any comes again.
"""

import random
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Literal

Name = Literal["kill", "freeze", "restart", "fill"]


@dataclass(frozen=True)
class Kind:
    """A kind of act. `lasts`: from and to how many seconds. `calm_s`: until its target works again afterwards."""

    name: Name
    target: str
    lasts: tuple[float, float] = (0.0, 0.0)
    calm_s: float = 3.0

    @property
    def long(self) -> bool:
        return self.target == "generator-2" and self.lasts[1] > 15


@dataclass(frozen=True)
class Step:
    """One act of the plan: `kind` at `at_s` seconds after the start, for `for_s` seconds."""

    at_s: float
    kind: Kind
    for_s: float


SERVERS = (
    Kind("kill", "redis"),
    Kind("kill", "clickhouse", calm_s=5),
    Kind("freeze", "redis", (1, 4), calm_s=1),
    Kind("freeze", "clickhouse", (2, 5), calm_s=1),
    Kind("restart", "redis"),
    Kind("restart", "clickhouse", calm_s=5),
    Kind("fill", "redis", (2, 4)),
    Kind("fill", "clickhouse", (2, 5)),
)
SERVICES = (
    Kind("kill", "api"),
    Kind("kill", "generator"),
    Kind("kill", "api-2"),
    Kind("kill", "generator-2"),
    Kind("kill", "render"),
    Kind("freeze", "generator-2", (17, 21)),
    Kind("freeze", "generator", (1, 8)),
    Kind("freeze", "api", (1, 4)),
    Kind("freeze", "api-2", (1, 8)),
    Kind("freeze", "render", (1, 6)),
    Kind("restart", "api"),
    Kind("restart", "generator"),
    Kind("restart", "api-2"),
    Kind("restart", "generator-2"),
    Kind("fill", "blobs", (2, 5)),
)
#: Only where there is time for them: a frozen Redis is killed after 15 s, and a start of everything takes long.
LONG_SERVERS = (
    Kind("freeze", "redis", (6, 20), calm_s=6),
    Kind("freeze", "clickhouse", (8, 25), calm_s=8),
    Kind("fill", "redis", (5, 20), calm_s=6),
    Kind("fill", "clickhouse", (5, 25), calm_s=8),
    Kind("kill", "up", calm_s=20),
    Kind("restart", "up", calm_s=20),
)
LONG_SERVICES = (
    Kind("freeze", "generator-2", (21, 25)),
    Kind("fill", "blobs", (5, 20)),
    Kind("freeze", "render", (10, 25)),
)
LONG_RUN_S = 240.0

MOST_PAUSE_S = 6.0
FIRST_S = 2.0


def plan(seed: int, seconds: float, *, disks: bool = True) -> list[Step]:
    """Make the plan. Without `disks` that can be filled, no disk is."""
    chance = random.Random(f"plan {seed}")
    more = seconds >= LONG_RUN_S
    lanes = (SERVERS + LONG_SERVERS * more, SERVICES + LONG_SERVICES * more)
    steps: list[Step] = []
    for alone, kinds in zip((True, False), lanes, strict=True):
        usable = [kind for kind in kinds if disks or kind.name != "fill"]
        steps += _Lane(usable, seconds, chance, alone=alone).steps()
    return sorted(steps, key=lambda step: step.at_s)


@dataclass
class _Lane:
    kinds: Sequence[Kind]
    seconds: float
    chance: random.Random
    alone: bool
    _free_at: dict[str, float] = field(default_factory=lambda: defaultdict(float))

    def steps(self) -> Iterator[Step]:
        """Yield the lane's acts in time."""
        pause, now = self._pause(), FIRST_S + self.chance.random()
        for kind in self._decks():
            if now >= self.seconds:
                return
            at, for_s = max(now, self._free_at[kind.target]), self.chance.uniform(*kind.lasts)
            if at + for_s <= self.seconds:
                yield Step(round(at, 2), kind, round(for_s, 2))
                self._free_at[kind.target] = at + for_s + kind.calm_s
                now = max(now, self._free_at[kind.target]) if self.alone else now
            now += pause * self.chance.uniform(0.5, 1.5)

    def _decks(self) -> Iterator[Kind]:
        """Deal all kinds in a random order, again and again.

        At first the long ones early, or they would not fit; and Redis late, so that rescues begin while it works.
        """
        first = self.chance.sample(self.kinds, len(self.kinds))
        yield from sorted(first, key=lambda kind: (not kind.long, kind.target == "redis"))
        while True:
            yield from self.chance.sample(self.kinds, len(self.kinds))

    def _pause(self) -> float:
        """Return the pause between acts with which one deck fits into the run."""
        busy = sum(kind.lasts[1] + kind.calm_s for kind in self.kinds) if self.alone else 0.0
        return min(MOST_PAUSE_S, max(0.1, (self.seconds - FIRST_S - 4 - busy) / len(self.kinds) / 1.25))
