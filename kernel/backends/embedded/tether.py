"""Start a program that dies with its parent: `python -I -S tether.py <parent pid> <niceness> <program> ...`. What it
writes is its user's alone, also where a server chooses the modes itself (Redis's appendonlydir, ClickHouse's parts).

A process of its own, because subprocess's preexec_fn is unsafe beside threads. It becomes the program: same pid.
"""

import ctypes
import os
import signal
import sys
from pathlib import Path

PR_SET_PDEATHSIG = 1


def tethered(command: list[str], *, niceness: int = 0) -> list[str]:
    """Return the command line that runs `command` tied to this process, with less priority if `niceness` is above 0.

    Call Popen from a thread that lives on: the kernel (prctl(2), PR_SET_PDEATHSIG) watches the thread that started the
    child, not the process.
    """
    return [sys.executable, "-I", "-S", str(Path(__file__).resolve()), str(os.getpid()), str(niceness), *command]


def die_with_parent(parent_pid: int) -> None:
    """Ask the kernel for SIGKILL when the parent dies; exit if it already has. Nothing to do outside Linux."""
    if sys.platform == "linux":
        ctypes.CDLL(None, use_errno=True).prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    if os.getppid() != parent_pid:
        sys.exit("tether: the parent is gone")


def step_back(niceness: int) -> None:
    """Lower this process's priority. With autogroups (sched(7)) a session has a niceness of its own, which rules."""
    os.nice(niceness)
    try:
        Path("/proc/self/autogroup").write_text(str(niceness))
    except OSError:
        return  # no autogroups here: the process's own niceness rules


if __name__ == "__main__":
    die_with_parent(int(sys.argv[1]))
    os.umask(0o077)
    if int(sys.argv[2]):
        step_back(int(sys.argv[2]))
    os.execvp(sys.argv[3], sys.argv[3:])
