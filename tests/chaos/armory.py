"""Deals fault points: which of them PRESSWORK_FAULT names at each start of a second process."""

import math
import random

from backends.faults import FAULT_POINTS

API_POINTS = ("before_enqueue", "after_enqueue", "after_account_change")
GENERATOR_POINTS = tuple(point for point in FAULT_POINTS if point not in API_POINTS)

#: How likely an armed point kills at one pass: often enough to happen, rarely enough that work is done before.
LIKELY = 0.2
#: How often a second process is started anew, more or less.
LIFE_S = 12.0


class Armory:
    """Deals all points in turn, in a random order, so many at a time that each comes in a run of `seconds`."""

    def __init__(self, points: tuple[str, ...], seed: str, seconds: float) -> None:
        self._points = random.Random(seed).sample(points, len(points))
        self._at_once = max(1, math.ceil(len(points) * LIFE_S / seconds))
        self._dealt = 0
        self.open = False

    def deal(self) -> str:
        """Return the next value of PRESSWORK_FAULT; nothing while the armory is closed."""
        if not self.open:
            return ""
        chosen = [self._points[(self._dealt + index) % len(self._points)] for index in range(self._at_once)]
        self._dealt += self._at_once
        return ",".join(f"{point}:{LIKELY}" for point in dict.fromkeys(chosen))
