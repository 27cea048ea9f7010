"""What else the machine does: Linux' own measure of tasks that wait for a core (Documentation/accounting/psi.rst)."""

import re
import time
from pathlib import Path

PRESSURE = Path("/proc/pressure/cpu")
QUIET_PERCENT = 20.0


def cpu_pressure() -> float:
    """Return the share of the last 10 s in which some task waited for a core, in per cent; 0 where nobody counts it."""
    found = re.search(r"some avg10=([\d.]+)", PRESSURE.read_text()) if PRESSURE.exists() else None
    return float(found[1]) if found else 0.0


def wait_until_quiet(minutes: float) -> float:
    """Wait, no longer than asked, until hardly any task waits for a core; return the pressure found then."""
    deadline = time.monotonic() + 60 * minutes
    while (pressure := cpu_pressure()) > QUIET_PERCENT and time.monotonic() < deadline:
        time.sleep(2)
    return pressure
