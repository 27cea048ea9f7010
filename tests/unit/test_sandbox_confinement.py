"""What a confined process cannot do: tried on this kernel and, for both architectures, in the filter's own terms."""

import errno
import fcntl
import json
import os
import platform
import signal
import struct
import subprocess
import sys
from pathlib import Path

import pytest

from generator.renderers.registry import FONTS
from generator.sandbox_child import landlock, seccomp
from generator.sandbox_child.confine import widen

linux = pytest.mark.skipif(
    platform.system() != "Linux" or platform.machine() not in ("x86_64", "aarch64"), reason="seccomp is of Linux"
)

CONFINED = """
import ctypes, json, os, resource, socket, subprocess, sys, threading
from pathlib import Path
from generator.sandbox_child.confine import confine, limit
scratch = Path(sys.argv[1])
limit(1 << 30, 1 << 20)
confine(scratch, Path(sys.argv[2]))
libc = ctypes.CDLL(None, use_errno=True)
def checked(result):
    if result < 0:
        raise OSError(ctypes.get_errno(), "")
def call(number, *arguments):
    checked(libc.syscall(ctypes.c_long(number), *arguments))
def tried(probe):
    try:
        probe()
    except OSError as error:
        return error.errno
    return 0
def in_thread():
    found = []
    thread = threading.Thread(target=lambda: found.append(tried(lambda: socket.socket())))
    thread.start()
    thread.join()
    if found != [1]:
        raise OSError(999, "the thread was not confined")
"""

PROBES = {
    "socket.socket()": errno.EPERM,
    "socket.socketpair()": errno.EPERM,
    "os.fork()": errno.EPERM,
    "subprocess.run(['/bin/true'])": errno.EPERM,
    "os.execv('/bin/true', ['true'])": errno.EPERM,
    "os.kill(os.getppid(), 0)": errno.EPERM,
    "os.kill(0, 0)": errno.EPERM,
    "os.kill(os.getpid(), 0)": 0,
    "os.memfd_create('x')": errno.EPERM,
    "os.symlink('/etc', str(scratch / 'link'))": errno.EPERM,
    "checked(libc.setrlimit(7, ctypes.create_string_buffer(16)))": errno.EPERM,
    "resource.getrlimit(resource.RLIMIT_NOFILE)": 0,
    "checked(libc.prctl(1, 0, 0, 0, 0))": errno.EPERM,  # the order to die with the parent stays
    "call(425, 1, None)": errno.EPERM,  # io_uring_setup
    "call(434, os.getpid(), 0)": errno.EPERM,  # pidfd_open
    "call(435, None, 0)": errno.ENOSYS,  # clone3
    "in_thread()": 0,
    "(scratch / 'file').write_bytes(b'x')": 0,
    "(scratch / 'big').write_bytes(bytes(2 << 20))": errno.EFBIG,
}
HIDDEN = {
    "open('/etc/passwd')": errno.EACCES,
    "open('/proc/self/environ')": errno.EACCES,
    "os.listdir('/')": errno.EACCES,
    "open(scratch.parent / 'secret')": errno.EACCES,
    "(scratch.parent / 'new').write_bytes(b'x')": errno.EACCES,
    "open(os.__file__)": 0,
}


def confined(tmp_path: Path, code: str) -> subprocess.CompletedProcess[str]:
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    (tmp_path / "secret").write_text("key")
    command = [sys.executable, "-c", CONFINED + code, str(scratch), str(FONTS)]
    return subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)


def outcomes(tmp_path: Path, probes: dict[str, int]) -> dict[str, int]:
    code = "".join(f"found[{probe!r}] = tried(lambda: {probe})\n" for probe in probes)
    done = confined(tmp_path, f"found = {{}}\n{code}print(json.dumps(found))")
    assert done.returncode == 0, done.stderr
    found: dict[str, int] = json.loads(done.stdout)
    return found


@linux
def test_a_confined_process_can_compute_and_nothing_else(tmp_path: Path) -> None:
    assert outcomes(tmp_path, PROBES) == PROBES


@linux
@pytest.mark.skipif(platform.system() == "Linux" and not landlock.available(), reason="this kernel has no Landlock")
def test_a_confined_process_sees_no_files_but_its_own(tmp_path: Path) -> None:
    assert outcomes(tmp_path, HIDDEN) == HIDDEN


@linux
def test_a_confined_process_can_still_abort(tmp_path: Path) -> None:
    assert confined(tmp_path, "os.abort()").returncode == -signal.SIGABRT


@pytest.mark.skipif(platform.machine() != "x86_64", reason="x32 belongs to x86_64")
def test_a_foreign_system_call_table_kills(tmp_path: Path) -> None:
    assert confined(tmp_path, "call(0x40000000 + 39)").returncode == -signal.SIGSYS


# ---- the filter itself, run by a small interpreter: also for the architecture that this machine is not


def judge(program: bytes, audit: int, number: int, *arguments: int) -> int:
    """Run a BPF program on struct seccomp_data and return its verdict."""
    padded = (*arguments, 0, 0, 0, 0, 0, 0)[:6]
    data = struct.pack("<iIQ6Q", number if number < 1 << 31 else number - (1 << 32), audit, 0, *padded)
    steps = [struct.unpack_from("HBBI", program, at) for at in range(0, len(program), 8)]
    accumulator = at = 0
    while True:
        code, if_true, if_false, value = steps[at]
        at += 1
        if code == 0x20:
            (accumulator,) = struct.unpack_from("<I", data, value)
        elif code == 0x06:
            return int(value)
        else:
            taken = {0x15: accumulator == value, 0x35: accumulator >= value, 0x45: bool(accumulator & value)}[code]
            at += if_true if taken else if_false


ALLOW, KILL, REFUSE, NO_SUCH = 0x7FFF0000, 0x80000000, 0x00050001, 0x00050026
PID = 4242
#: read, write, openat, mmap, futex, exit_group, getrandom: what rendering needs.
NEEDED = {"x86_64": (0, 1, 257, 9, 202, 231, 318), "aarch64": (63, 64, 56, 222, 98, 94, 278)}
SOCKET = {"x86_64": 41, "aarch64": 198}
EXECVE = {"x86_64": 59, "aarch64": 221}
KILL_CALL = {"x86_64": 62, "aarch64": 129}


@pytest.mark.parametrize("machine", ["x86_64", "aarch64"])
def test_the_filter_judges_by_number_and_argument(machine: str) -> None:
    table = seccomp.table_for(machine)
    program = seccomp.build(table, PID)

    def verdict(number: int, *arguments: int) -> int:
        return judge(program, table.audit, number, *arguments)

    assert {verdict(number) for number in NEEDED[machine]} == {ALLOW}
    assert {verdict(number) for number in table.denied} == {REFUSE}
    assert SOCKET[machine] in table.denied and EXECVE[machine] in table.denied
    assert (verdict(table.clone, 0x3D0F00), verdict(table.clone, 17)) == (ALLOW, REFUSE)
    assert (verdict(KILL_CALL[machine], PID, 6), verdict(KILL_CALL[machine], 1, 9)) == (ALLOW, REFUSE)
    assert verdict(table.prlimit, 0, 7, 0, 1) == ALLOW
    assert verdict(table.prlimit, 0, 7, 0x7F00_0000_0000) == verdict(table.prlimit, 0, 7, 0x1000) == REFUSE
    assert verdict(435) == NO_SUCH


def test_another_architecture_is_killed() -> None:
    program = seccomp.build(seccomp.table_for("x86_64"), PID)
    assert judge(program, seccomp.table_for("aarch64").audit, 63) == KILL
    assert judge(program, 0x40000003, 1) == KILL  # i386


def test_an_unknown_machine_is_not_silently_unconfined() -> None:
    with pytest.raises(seccomp.ConfinementUnavailable, match="riscv64"):
        seccomp.table_for("riscv64")


@linux
def test_a_pipe_is_made_to_hold_a_document_and_a_file_is_left_alone(tmp_path: Path) -> None:
    reads, writes = os.pipe()
    try:
        widen(writes)
        assert fcntl.fcntl(reads, fcntl.F_GETPIPE_SZ) >= 512 * 1024
        with (tmp_path / "file").open("wb") as file:
            widen(file.fileno())
    finally:
        os.close(reads)
        os.close(writes)
