"""Close the doors of the render process: dies with its parent, limited memory and files, seccomp, Landlock."""

import contextlib
import ctypes
import fcntl
import os
import resource
import signal
import sys
from collections.abc import Iterable
from pathlib import Path

from generator.sandbox_child import landlock, seccomp

_PR_SET_PDEATHSIG = 1
_OPEN_FILES = 64
_PIPE_BYTES = 512 * 1024


def die_with(parent: int) -> None:
    """Ask the kernel for SIGKILL when the parent dies; leave at once if it is dead already. Linux only."""
    if sys.platform != "linux":
        return
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    if os.getppid() != parent:
        os._exit(1)


def keep_niceness() -> None:
    """Give this session the niceness that the process inherited: autogroups (sched(7)) begin at 0."""
    try:
        Path("/proc/self/autogroup").write_text(str(os.nice(0)))
    except OSError:
        return  # no autogroups here: the process's own niceness rules


def widen(pipe: int) -> None:
    """Let a pipe hold a whole order or document in most cases: each side is woken once for it, not per 64 KiB."""
    if sys.platform != "linux":
        return
    with contextlib.suppress(OSError):  # no pipe, or the user's pages for pipes are used up: the narrow one does, too
        fcntl.fcntl(pipe, fcntl.F_SETPIPE_SZ, _PIPE_BYTES)


def limit(memory: int, file: int) -> None:
    """Allow `memory` bytes of address space beyond what is mapped now, files up to `file` bytes, no core dumps."""
    for kind, value in (
        (resource.RLIMIT_AS, _mapped() + memory),
        (resource.RLIMIT_FSIZE, file),
        (resource.RLIMIT_NOFILE, _OPEN_FILES),
        (resource.RLIMIT_CORE, 0),
    ):
        with contextlib.suppress(ValueError, OSError):  # macOS refuses some; seccomp's absence is reported anyway
            resource.setrlimit(kind, (value, value))


def confine(scratch: Path, *folders: Path) -> None:
    """Give up files, network, programs and processes for good. Raises seccomp.ConfinementUnavailable."""
    landlock.restrict(_readable(folders), [scratch])
    seccomp.install()


def _readable(folders: Iterable[Path]) -> list[Path]:
    """The interpreter and everything it may still import, zone data, and these folders: fonts and packages."""
    imports = [Path(entry) for entry in sys.path if entry]
    return [Path(sys.prefix), Path(sys.base_prefix), Path("/usr"), Path("/lib"), Path("/lib64"), *folders, *imports]


def _mapped() -> int:
    try:
        pages = int(Path("/proc/self/statm").read_text().split()[0])
    except OSError:
        return 0
    return pages * resource.getpagesize()
