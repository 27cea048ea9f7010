"""The turnstile in front of rendering: attempts pass side by side, but one that must be alone passes alone.

A worker's crash is blamed on every document that had started in it. One whose next crash would set it aside is rendered
with nobody beside it: only the cause is set aside, never its neighbours. See docs/adr/0006-alone.md.
"""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager


class HeldUp(Exception):
    """Somebody who must be alone has held the others up for too long."""


class Turnstile:
    """Use from one event loop. Whoever waits to be alone goes first, or the others would never let up."""

    def __init__(self) -> None:
        self._inside = 0
        self._reserved = False
        self._changed = asyncio.Event()

    @property
    def reserved(self) -> bool:
        """Tell whether somebody is alone inside, or waits to be."""
        return self._reserved

    @asynccontextmanager
    async def passing(self, *, alone: bool, patience_s: float) -> AsyncIterator[None]:
        """Be inside, alone or not. Raises HeldUp after `patience_s` of somebody else's being so."""
        if alone:
            await self._reserve()
        else:
            await self._join(patience_s)
        try:
            yield
        finally:
            self._leave(alone)

    async def _join(self, patience_s: float) -> None:
        if self._reserved:
            try:
                async with asyncio.timeout(patience_s):
                    await self._until(lambda: not self._reserved)
            except TimeoutError:
                raise HeldUp() from None
        self._inside += 1

    async def _reserve(self) -> None:
        await self._until(lambda: not self._reserved)
        self._reserved = True
        try:
            await self._until(lambda: self._inside == 0)
        except BaseException:
            self._leave(alone=True)
            raise

    def _leave(self, alone: bool) -> None:
        if alone:
            self._reserved = False
        else:
            self._inside -= 1
        self._changed.set()

    async def _until(self, condition: Callable[[], bool]) -> None:
        while not condition():
            self._changed.clear()
            await self._changed.wait()
