"""Webhooks go out here: claim what is due, build and sign the body, dial safely, record, back off.

`loop` drives, `attempt` makes one call, `dial` is the guarded HTTP client, `schedule` says when to try again.
"""

from generator.delivery.attempt import Attempter, Payloads, Receiver, Receivers
from generator.delivery.dial import Dialer, DialLimits
from generator.delivery.loop import Deliverer
from generator.delivery.schedule import DEFAULT_SCHEDULE, Schedule

__all__ = [
    "DEFAULT_SCHEDULE",
    "Attempter",
    "Deliverer",
    "DialLimits",
    "Dialer",
    "Payloads",
    "Receiver",
    "Receivers",
    "Schedule",
]
