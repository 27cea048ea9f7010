"""The small disks of a chaos run: really full, free again, and seen by nobody else."""

import subprocess
import sys
from pathlib import Path

import pytest

TRIAL = """
import errno, sys
from pathlib import Path
from tests.chaos.small_disks import Filler, NoMounts, mount_small, private_mounts

folder = Path(sys.argv[1]) / "disk"
try:
    private_mounts()
except NoMounts as why:
    print("no mounts:", why)
    sys.exit()
mount_small({folder: 2})
(folder / "document").write_bytes(b"x" * 4096)
filler = Filler(folder)
filler.fill()
try:
    (folder / "another").write_bytes(b"x" * 4096)
except OSError as full:
    print(errno.errorcode[full.errno], end=" ")
(folder / "document").unlink()
filler.fill()
try:
    (folder / "a third").write_bytes(b"x" * 4096)
except OSError as full:
    print(errno.errorcode[full.errno], end=" ")
filler.free()
(folder / "a fourth").write_bytes(b"x" * 4096)
print("free")
"""


def test_a_small_disk_is_full_until_it_is_freed_and_nobody_else_sees_it(tmp_path: Path) -> None:
    tried = subprocess.run([sys.executable, "-c", TRIAL, str(tmp_path)], capture_output=True, text=True, check=False)
    assert tried.returncode == 0, tried.stderr
    if "no mounts" in tried.stdout:
        pytest.skip(tried.stdout)
    assert tried.stdout == "ENOSPC ENOSPC free\n"
    assert list((tmp_path / "disk").iterdir()) == [] and str(tmp_path) not in Path("/proc/mounts").read_text()
