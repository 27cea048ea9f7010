"""When to try a webhook again. Pure: attempts made, what the receiver asked for, a random number."""

import math
import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC
from email.utils import parsedate_to_datetime

#: Seconds before each attempt, after the one before: ten attempts over about 75 hours (Standard Webhooks 1.0).
DEFAULT_SCHEDULE = "0,5,300,1800,7200,18000,36000,50400,72000,86400"
MAX_RETRY_AFTER_S = 86_400.0
#: A receiver that asks for a pause is not called at all for so long at most; its next answer may ask again.
MAX_CALM_S = 60.0
#: Statuses that speak of the receiver as a whole, not of this call.
OVERLOADED = frozenset({429, 503})
JITTER = 0.2
VARIABLE = "PRESSWORK_WEBHOOK_SCHEDULE"


@dataclass(frozen=True)
class Schedule:
    """Delays in seconds; as many attempts as there are delays. The first is 0: it is made at once."""

    delays_s: tuple[float, ...]

    @classmethod
    def parse(cls, text: str = DEFAULT_SCHEDULE) -> "Schedule":
        """Read the setting. Raises ValueError naming variable, value and remedy."""
        try:
            delays = tuple(float(part) for part in text.split(","))
        except ValueError:
            delays = ()
        if not delays or delays[0] != 0 or not all(math.isfinite(delay) and delay >= 0 for delay in delays):
            raise ValueError(
                f"{VARIABLE}={text!r}: write the seconds before each attempt, the first 0, such as 0,5,300."
            )
        return cls(delays)

    def next_delay(self, attempts: int, retry_after_s: float | None, random: Callable[[], float]) -> float | None:
        """Return the seconds until the next attempt after `attempts` of them; None when there is none left.

        Jitter (0 to +20 %) only adds: never earlier than the schedule, nor than the receiver asked for (24 h at most).
        """
        if attempts >= len(self.delays_s):
            return None
        asked = min(retry_after_s or 0.0, MAX_RETRY_AFTER_S)
        return max(self.delays_s[attempts], asked) * (1 + JITTER * random())


def calm_s(http_status: int | None, retry_after_s: float | None) -> float:
    """Return for how many seconds the receiver of such an answer should not be called by any delivery."""
    return min(retry_after_s or 0.0, MAX_CALM_S) if http_status in OVERLOADED else 0.0


def parse_retry_after(value: str, now_s: float) -> float | None:
    """Read Retry-After (RFC 9110 10.2.3): seconds or an HTTP date. None for what is neither; a past date is 0."""
    text = value.strip()
    if re.fullmatch("[0-9]{1,12}", text):
        return float(text)
    try:
        moment = parsedate_to_datetime(text)
        return max(0.0, (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp() - now_s)
    except (ValueError, OverflowError):
        return None
