"""As the first process of a container, `presswork up` buries the processes that lost their parents."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

linux = pytest.mark.skipif(sys.platform != "linux", reason="PR_SET_CHILD_SUBREAPER is of Linux")

# A subreaper stands where process 1 of a container stands: it gets the orphans of its descendants.
SUBREAPER = """
import asyncio, ctypes, json, os, subprocess, sys
from pathlib import Path
from standalone import orphans
ctypes.CDLL(None).prctl(36, 1, 0, 0, 0)
orphans.EVERY_S = 0.02
def zombies():
    states = [Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] for pid in children()]
    return states.count("Z")
def children():
    return Path("/proc/thread-self/children").read_text().split()
async def main():
    for _ in range(3):
        subprocess.run(["sh", "-c", "sleep 0.05 & exit 0"])
    if "bury" in sys.argv:
        task = asyncio.create_task(orphans.bury_orphans())
    own = await asyncio.create_subprocess_exec("sh", "-c", "sleep 0.3; exit 7")
    code = await own.wait()
    await asyncio.sleep(0.5)
    print(json.dumps([code, zombies()]))
asyncio.run(main())
"""


def ends(*arguments: str) -> list[int]:
    """Return the exit code of a child of its own, and how many zombies are left."""
    done = subprocess.run(
        [sys.executable, "-c", SUBREAPER, *arguments], capture_output=True, text=True, timeout=30, check=True
    )
    found: list[int] = json.loads(done.stdout)
    return found


@linux
@pytest.mark.skipif(not Path("/proc/thread-self/children").exists(), reason="this kernel does not list children")
def test_orphans_are_buried_and_own_children_still_tell_their_exit_code() -> None:
    assert ends() == [7, 3]
    assert ends("bury") == [7, 0]
