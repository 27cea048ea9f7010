"""The pool's folder under the temporary directory, locked while the pool lives; folders of killed pools are swept."""

import fcntl
import os
import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path

_PREFIX = "presswork-render-"


@dataclass(frozen=True)
class Scratch:
    """A folder with a lock that dies with its process: a lock that can be taken belongs to nobody."""

    path: Path
    _lock: int

    @classmethod
    def make(cls, parent: Path | None = None) -> "Scratch":
        """Make a folder, and remove those that pools left behind when they were killed."""
        parent = parent or Path(tempfile.gettempdir())
        for left in parent.glob(f"{_PREFIX}*"):
            _sweep(left)
        while True:
            path = Path(tempfile.mkdtemp(prefix=_PREFIX, dir=parent))
            lock = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
            fcntl.flock(lock, fcntl.LOCK_EX)
            if os.fstat(lock).st_nlink:
                return cls(path, lock)
            os.close(lock)  # another pool swept it before it was locked

    def remove(self) -> None:
        """Remove the folder and let go of the lock."""
        shutil.rmtree(self.path, ignore_errors=True)
        os.close(self._lock)


def _sweep(path: Path) -> None:
    try:
        lock = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
    except OSError:
        return  # gone, another user's, or no folder: not ours to remove
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        shutil.rmtree(path, ignore_errors=True)
    except BlockingIOError:
        return  # its pool lives
    finally:
        os.close(lock)
