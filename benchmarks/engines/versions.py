"""Which version of a contestant was measured."""

import json
import subprocess

from benchmarks import environments
from benchmarks.engines.contestants import Contestant
from benchmarks.engines.turn import browser


def version_of(contestant: Contestant) -> str:
    """Return the pinned version, a browser's own, or nothing for what this repository holds."""
    if contestant.browser:
        said = subprocess.run([browser(), "--version"], capture_output=True, text=True, check=True).stdout
        return next((word for word in said.split() if word[0].isdigit()), "").partition(".")[0]
    if contestant.runtime == "node":
        pins: dict[str, str] = json.loads(environments.NODE_PINS.read_text())["dependencies"]
        return pins[contestant.package or ""]
    return environments.version_of(contestant.package)
