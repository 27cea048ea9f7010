"""Buries orphans. In a container `presswork up` is process 1: whoever loses its parent becomes its child.

Render processes do, each time a generator is killed. Unburied they stay as zombies, and count against the container's
`pids_limit`.
"""

import asyncio
import os

EVERY_S = 1.0


async def bury_orphans() -> None:
    """Bury ended processes that nobody else waits for, until cancelled.

    What has ended is buried at the second look only: asyncio waits for the children of our own in between.
    """
    before: int | None = None
    while True:
        before = _bury_again(before)
        await asyncio.sleep(EVERY_S)


def _bury_again(before: int | None) -> int | None:
    """Bury `before` if it is still there, and return the pid of another one that has ended."""
    ended = _ended()
    if ended is None or ended != before:
        return ended
    os.waitpid(ended, os.WNOHANG)
    return _ended()


def _ended() -> int | None:
    """Return the pid of a child that has ended, and leave it as it is."""
    try:
        found = os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)
    except ChildProcessError:
        return None
    return found.si_pid if found else None
