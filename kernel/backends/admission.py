"""Admission: how much unfinished work is taken in, judged inside the script that would take it.

Beyond a user's own limit a request gets 429, beyond the system's 503; both say when to come back, by the pace at which
the queue drains.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from contracts.errors import RateLimited, SystemFull, TransientError

MB = 1024 * 1024

#: Why the system takes nothing more, in words for the client.
SYSTEM_REASONS = {
    "documents": "The queue is full: nothing was accepted.",
    "bytes": "The queue holds as much data as it may: nothing was accepted.",
    "memory": "The broker's memory is nearly full: nothing was accepted.",
    "events": "Too many events wait for the history store: nothing was accepted.",
}
USER_REASONS = {
    "documents": "You have too many unfinished documents: wait for some to finish.",
    "bytes": "The data of your unfinished documents takes too much room: wait for some to finish.",
}


@dataclass(frozen=True)
class QueueLimits:
    """Most unfinished documents and bytes of their jobs, in all (503) and of one user (429); 0 is no limit.

    `max_events_bytes`: events that wait for ClickHouse. `memory_percent`: of the server's maxmemory, if it has one.
    """

    max_open: int = 1_000_000
    max_open_per_user: int = 100_000
    max_open_bytes: int = 512 * MB
    max_open_bytes_per_user: int = 256 * MB
    max_events_bytes: int = 512 * MB
    memory_percent: int = 80

    def arguments(self) -> tuple[int, ...]:
        """Return the limits in the order that the scripts take them."""
        return (
            self.max_open,
            self.max_open_per_user,
            self.max_open_bytes,
            self.max_open_bytes_per_user,
            self.max_events_bytes,
            self.memory_percent,
        )


def refusal(answer: Sequence[str]) -> TransientError:
    """Read `[system_full | user_full, what, retry_after_s]`, as the scripts say no."""
    who, what, retry_after_s = answer
    if who == "user_full":
        return RateLimited(USER_REASONS[what], retry_after_s=int(retry_after_s))
    return SystemFull(SYSTEM_REASONS[what], retry_after_s=int(retry_after_s))
