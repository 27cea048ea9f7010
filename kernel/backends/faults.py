"""Fault points: named steps of a document's path at which tests kill the process, as a crash at that instruction would.

Free when PRESSWORK_FAULT is unset. `after_store` kills at the first pass, `after_store:0.02` at two of a hundred,
`*:0.001` anywhere. docs/chaos.md tells what is done with them.
"""

import os
import random
import signal
from collections.abc import Mapping
from functools import cache
from typing import Literal, get_args

VARIABLE = "PRESSWORK_FAULT"
EVERYWHERE = "*"

FaultPoint = Literal[
    # accepting
    "before_enqueue",
    "after_enqueue",
    # rendering
    "after_claim",
    "after_load",
    "after_start",
    "after_render",
    "after_store",
    "after_complete",
    "after_fail",
    # delivering
    "after_deliver_claim",
    "after_dial",
    "after_record",
    # shipping
    "after_batch",
    "after_inputs",
    "after_insert",
    "after_shipped",
    # users and keys
    "after_account_change",
    # maintenance
    "after_reap",
    "after_promote",
    "after_prune",
]
FAULT_POINTS: tuple[str, ...] = get_args(FaultPoint)


def faultpoint(name: FaultPoint) -> None:
    """End this process with SIGKILL if the environment asks for it at this point."""
    armed = _armed()
    if armed and random.random() < armed.get(name, armed.get(EVERYWHERE, 0.0)):
        os.kill(os.getpid(), signal.SIGKILL)


def parse_faults(text: str) -> dict[str, float]:
    """Read `name[:probability],...`. Raises ValueError for what is no fault point or no probability."""
    faults = {}
    for part in filter(None, (part.strip() for part in text.split(","))):
        name, _, probability = part.partition(":")
        if name not in (*FAULT_POINTS, EVERYWHERE):
            raise ValueError(f"{name!r} is no fault point; they are {', '.join(FAULT_POINTS)} and {EVERYWHERE}")
        faults[name] = float(probability or 1)
        if not 0 <= faults[name] <= 1:
            raise ValueError(f"{part!r}: a probability is between 0 and 1")
    return faults


@cache
def _armed() -> Mapping[str, float]:
    return parse_faults(os.environ.get(VARIABLE, ""))
