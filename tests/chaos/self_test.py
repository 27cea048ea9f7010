"""The suite tries itself: second processes that are broken on purpose must be caught, each breakage by its check."""

import asyncio

from tests.chaos.plan import Kind, Step
from tests.chaos.run import Chaos, Trial
from tests.chaos.stack import Ground

#: What tests.chaos.broken breaks, by the check that must find it.
MUST_FIND = frozenset({"ends", "silent", "registers", "events"})
SECONDS = 40.0
#: The broken generator becomes a zombie twice; the other is killed, so that the broken one ships the events.
STEPS = [
    Step(1, Kind("kill", "generator"), 0),
    Step(9, Kind("freeze", "generator-2"), 18),
]


def self_test(ground: Ground, seed: int) -> int:
    """Run the broken build; return 0 if every breakage was found."""
    launcher = ("-m", "tests.chaos.broken")
    trial = Trial(seed, SECONDS, STEPS, launcher=launcher, armed=False, settle_s=30, slow=0.6)
    report = asyncio.run(Chaos(ground, trial).run())
    found = {one.check for one in report.violations}
    for check in sorted(MUST_FIND):
        example = next((one.text for one in report.violations if one.check == check), "NOT FOUND")
        print(f"{check}: {example}")
    missed = MUST_FIND - found
    print("The checker bites." if not missed else f"The checker missed: {', '.join(sorted(missed))}. See {ground.home}")
    return 1 if missed else 0
