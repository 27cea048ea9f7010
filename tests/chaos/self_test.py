"""The suite tries itself: second processes that are broken on purpose must be caught, each breakage by its check."""

import asyncio

from tests.chaos.plan import Kind, Step
from tests.chaos.run import Chaos, Trial
from tests.chaos.stack import Ground

#: What tests.chaos.broken breaks: the check that must find it, and by which words.
MUST_FIND = {"ends": "ended 2 times", "silent": "was failed", "registers": "no order", "events": "more than once"}
SECONDS = 40.0
#: One generator becomes a zombie in the middle of its documents, which the other then makes.
STEPS = [Step(9, Kind("freeze", "generator-2"), 18)]


def self_test(ground: Ground, seed: int) -> int:
    """Run the broken build; return 0 if every breakage was found."""
    launcher = ("-m", "tests.chaos.broken")
    trial = Trial(seed, SECONDS, STEPS, clients=3, launcher=launcher, armed=False, slow=0.6)
    report = asyncio.run(Chaos(ground, trial).run())
    missed = 0
    for check, words in MUST_FIND.items():
        found = [one.text for one in report.violations if one.check == check and words in one.text]
        missed += not found
        print(f"{check}: {found[0] if found else 'NOT FOUND'}")
    print(f"The checker missed {missed}: see {ground.home}" if missed else "The checker bites.")
    return 1 if missed else 0
