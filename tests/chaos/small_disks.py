"""Small disks that can be filled: tmpfs mounts which only this run and its children see, and which vanish with them."""

import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

MEGABYTE = 1 << 20
#: A memory disk could be filled between two lines of a program; what fills a real one writes to it.
BYTES_PER_S = 500 * MEGABYTE


class NoMounts(Exception):
    """This machine does not let us mount; the text says why."""


def private_mounts() -> None:
    """Give this process mounts of its own; without root in a user namespace of its own, too. Call before threads run.

    Raises NoMounts. Tried in another process first: half-way into a namespace there is no way back.
    """
    tried = subprocess.run([sys.executable, "-m", __name__], capture_output=True, text=True, check=False)
    if tried.returncode:
        raise NoMounts(tried.stderr.strip().rpartition("\n")[2].partition(": ")[2])
    _separate()


def _separate() -> None:
    user, group = os.getuid(), os.getgid()
    os.unshare(os.CLONE_NEWNS | (os.CLONE_NEWUSER if user else 0))
    if user:
        Path("/proc/self/setgroups").write_text("deny")
        Path("/proc/self/uid_map").write_text(f"0 {user} 1")
        Path("/proc/self/gid_map").write_text(f"0 {group} 1")
    _mount("--make-rprivate", "/")


def mount_small(sizes_mb: Mapping[Path, int]) -> None:
    """Mount a tmpfs of so many megabytes on each folder. Raises NoMounts."""
    for folder, size in sizes_mb.items():
        folder.mkdir(parents=True, exist_ok=True)
        _mount("-t", "tmpfs", "-o", f"size={size}m,mode=0700", "tmpfs", str(folder))


def _mount(*words: str) -> None:
    try:
        done = subprocess.run(["mount", *words], capture_output=True, text=True, check=False)
    except OSError as error:
        raise NoMounts(str(error)) from error
    if done.returncode:
        raise NoMounts(done.stderr.strip())


def unmount(folders: Iterable[Path]) -> None:
    """Take small disks away, with what is on them; a folder without one stays as it is."""
    for folder in folders:
        if folder.is_mount():
            subprocess.run(["umount", "--lazy", str(folder)], check=True)


@dataclass(frozen=True)
class Filler:
    """A file that takes all that is left of a small disk, no faster than a disk can be written."""

    folder: Path

    @property
    def file(self) -> Path:
        return self.folder / "filler"

    def fill(self) -> None:
        """Take what is free; call again and again, for what the servers remove meanwhile is free again."""
        with self.file.open("ab") as file:
            for step in (MEGABYTE, 4096):
                while _grown(file.fileno(), step):
                    time.sleep(step / BYTES_PER_S)

    def free(self) -> None:
        self.file.unlink(missing_ok=True)


def _grown(descriptor: int, step: int) -> bool:
    try:
        os.posix_fallocate(descriptor, os.fstat(descriptor).st_size, step)
    except OSError:
        return False
    return True


def keep_copy(folders: Mapping[str, Path], into: Path) -> None:
    """Copy what lies on small disks to where it stays."""
    for name, folder in folders.items():
        shutil.copytree(folder, into / name, dirs_exist_ok=True, ignore_dangling_symlinks=True)


if __name__ == "__main__":
    _separate()
    with tempfile.TemporaryDirectory() as place:
        mount_small({Path(place) / "disk": 1})
        unmount([Path(place) / "disk"])
