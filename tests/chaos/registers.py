"""Is a history of reads and compare-and-sets of one user linearizable? Wing and Gong's search with Lowe's memory.

The register is versioned, as a user is: it holds (version, value), and a successful write makes version + 1. An `info`
operation may take effect at any time after it began, or never.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

State = tuple[int, object]


@dataclass(frozen=True)
class Operation:
    """One operation, from `began` to `ended` (seconds).

    read: `seen` is what it returned. write: set `value` if the version is `expected`; `seen` is the state it returned.
    refused: the version was not `expected`. maybe: a write whose answer was lost.
    """

    kind: Literal["read", "write", "refused", "maybe"]
    began: float
    ended: float
    expected: int = 0
    value: object = None
    seen: State | None = None
    op: int = 0

    def applied(self, state: State) -> State | None:
        """Return the state after this operation at `state`; None if it cannot have happened there."""
        version, _ = state
        match self.kind:
            case "read":
                return state if state == self.seen else None
            case "refused":
                return state if version != self.expected else None
        after = (version + 1, self.value)
        if version != self.expected or (self.kind == "write" and after != self.seen):
            return None
        return after


def linearizable(operations: Sequence[Operation], initial: State) -> bool:
    """Tell whether some order of the operations explains all answers and respects who ended before whom began."""
    return first_unexplained(operations, initial) is None


def first_unexplained(operations: Sequence[Operation], initial: State) -> Operation | None:
    """Return None for a linearizable history, else the operation at which the longest explanation ends."""
    ops = sorted(operations, key=lambda op: op.began)
    needed = sum(1 << index for index, op in enumerate(ops) if op.kind != "maybe")
    farthest, stuck = -1, None
    seen, todo = {(0, initial)}, [(0, initial)]
    while todo:
        done, state = todo.pop()
        if done & needed == needed:
            return None
        horizon, blocking = _horizon(ops, done, needed)
        if (reached := (done & needed).bit_count()) > farthest:
            farthest, stuck = reached, blocking
        for index, op in enumerate(ops):
            if op.began > horizon:
                break
            after = None if done >> index & 1 else op.applied(state)
            if after is not None and (step := (done | 1 << index, after)) not in seen:
                seen.add(step)
                todo.append(step)
    return stuck


def _horizon(ops: Sequence[Operation], done: int, needed: int) -> tuple[float, Operation | None]:
    """Return when the first of the open operations ended: what began later cannot come before it."""
    left = [op for index, op in enumerate(ops) if (needed & ~done) >> index & 1]
    first = min(left, key=lambda op: op.ended, default=None)
    return (first.ended, first) if first else (math.inf, None)
