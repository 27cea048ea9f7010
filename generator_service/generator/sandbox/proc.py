"""What the kernel says of a process, from /proc; where there is none, nothing is known."""

import os
import resource
from pathlib import Path


def rss_bytes(pid: int) -> int:
    """Return the resident memory of a process now, 0 if it is not known."""
    try:
        pages = Path(f"/proc/{pid}/statm").read_text().split()[1]
    except (OSError, IndexError):
        return 0
    return int(pages) * resource.getpagesize()


def cpu_seconds(pid: int) -> float | None:
    """Return the CPU time that a process has used, None if it is not known."""
    try:
        text = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return None
    fields = text.rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
