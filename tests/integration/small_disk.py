"""A small disk that a test may fill: a tmpfs. Mounting takes root; without it the test is skipped."""

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

STEPS = (1 << 20, 4096, 1)


@dataclass(frozen=True)
class SmallDisk:
    """A folder with a disk of its own."""

    folder: Path

    @property
    def _filler(self) -> Path:
        return self.folder / "filler"

    def fill(self, but_bytes: int = 0) -> None:
        """Take the room that is left, or all but some."""
        with open(self._filler, "ab", buffering=0) as file:
            room = os.statvfs(self.folder)
            left = room.f_bavail * room.f_frsize - but_bytes
            for step in STEPS:
                while left >= step and _written(file.fileno(), step):
                    left -= step

    def free(self) -> None:
        """Give the room back."""
        self._filler.unlink(missing_ok=True)


@contextmanager
def small_disk(folder: Path, megabytes: int) -> Iterator[SmallDisk]:
    """Mount a disk on the folder while the block runs."""
    folder.mkdir(parents=True, exist_ok=True)
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", f"size={megabytes}m,mode=0700", "tmpfs", str(folder)],
        capture_output=True,
        text=True,
    )
    if mounted.returncode:
        pytest.skip(f"needs a small disk, and this machine does not let us mount one: {mounted.stderr.strip()}")
    try:
        yield SmallDisk(folder)
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], check=True)


def _written(descriptor: int, size: int) -> bool:
    try:
        return os.write(descriptor, b"\0" * size) == size
    except OSError:
        return False
