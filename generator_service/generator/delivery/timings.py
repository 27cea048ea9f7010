"""How long the steps of one call took."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Literal


@dataclass
class Timings:
    """Whole milliseconds; None for a step that was not taken: no name to resolve, a kept connection, no TLS.

    A step that failed or was cut off has the time until then. `first_byte`: from the request sent to the first byte of
    the answer.
    """

    dns: int | None = None
    connect: int | None = None
    tls: int | None = None
    first_byte: int | None = None

    @contextmanager
    def step(self, name: Literal["dns", "connect", "tls"]) -> Iterator[None]:
        """Time a step, however it ends."""
        started = time.monotonic()
        try:
            yield
        finally:
            setattr(self, name, ms_since(started))


def ms_since(started: float) -> int:
    """Return the milliseconds since a moment of the monotonic clock."""
    return round((time.monotonic() - started) * 1000)
