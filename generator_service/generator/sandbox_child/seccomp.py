"""A seccomp filter (Linux, x86_64 and aarch64): after it the process can compute, read and write its open pipes.

No sockets, no programs, no processes, no signals to others, no kernel interfaces that have been used to break out.
A template that tries gets EPERM, which its library reports; a foreign system call table kills the process.
"""

import ctypes
import errno
import os
import platform
import struct
from dataclasses import dataclass

_LOAD, _JUMP_EQUAL, _JUMP_AT_LEAST, _JUMP_BITS, _RETURN = 0x20, 0x15, 0x35, 0x45, 0x06
_ALLOW, _KILL, _ERRNO = 0x7FFF0000, 0x80000000, 0x00050000
_NUMBER_AT, _ARCHITECTURE_AT = 0, 4
_CLONE_THREAD = 0x00010000
_PR_SET_NO_NEW_PRIVS, _SET_MODE_FILTER, _ALL_THREADS = 38, 1, 1

#: Numbers that all architectures share (since Linux 5.1): pidfd_send_signal, io_uring_*, open_tree ... fspick,
#: pidfd_open, pidfd_getfd, process_madvise, mount_setattr, memfd_secret.
_SHARED = (424, 425, 426, 427, 428, 429, 430, 431, 432, 433, 434, 438, 440, 442, 447)
_CLONE3 = 435


class ConfinementUnavailable(RuntimeError):
    """This platform has no seccomp filter that Presswork knows."""


@dataclass(frozen=True)
class Table:
    """System call numbers of one architecture. `denied`: always EPERM; the others are judged by their arguments."""

    audit: int
    seccomp: int
    clone: int
    signals: tuple[int, ...]
    prlimit: int
    denied: tuple[int, ...]
    foreign_bit: int | None = None


_X86_64 = Table(
    audit=0xC000003E,
    seccomp=317,
    clone=56,
    signals=(62, 200, 234),  # kill, tkill, tgkill
    prlimit=302,
    denied=(
        *range(41, 56),  # socket ... getsockopt
        57, 58, 59, 322,  # fork, vfork, execve, execveat
        288, 299, 307,  # accept4, recvmmsg, sendmmsg
        101, 310, 311, 312,  # ptrace, process_vm_readv, process_vm_writev, kcmp
        129, 297,  # rt_sigqueueinfo, rt_tgsigqueueinfo
        29, 30, 64, 68, 240,  # shmget, shmat, semget, msgget, mq_open
        86, 88, 133, 259, 265, 266,  # link, symlink, mknod, mknodat, linkat, symlinkat
        135, 155, 157, 160, 161, 163,  # personality, pivot_root, prctl, setrlimit, chroot, acct
        165, 166, 167, 168, 169, 170, 171, 172, 173,  # mount ... reboot, sethostname, setdomainname, iopl, ioperm
        175, 176, 179, 246, 248, 249, 250,  # modules, quotactl, kexec_load, add_key, request_key, keyctl
        272, 298, 300, 303, 304, 308,  # unshare, perf_event_open, fanotify_init, *_by_handle_at, setns
        313, 317, 319, 320, 321, 323,  # finit_module, seccomp, memfd_create, kexec_file_load, bpf, userfaultfd
        *_SHARED,
    ),
    foreign_bit=0x40000000,  # x32
)  # fmt: skip

_AARCH64 = Table(
    audit=0xC00000B7,
    seccomp=277,
    clone=220,
    signals=(129, 130, 131),
    prlimit=261,
    denied=(
        *range(198, 213),  # socket ... recvmsg
        221, 281,  # execve, execveat
        242, 243, 269,  # accept4, recvmmsg, sendmmsg
        117, 270, 271, 272,  # ptrace, process_vm_readv, process_vm_writev, kcmp
        138, 240,  # rt_sigqueueinfo, rt_tgsigqueueinfo
        180, 186, 190, 194, 196,  # mq_open, msgget, semget, shmget, shmat
        33, 36, 37,  # mknodat, symlinkat, linkat
        39, 40, 41, 51, 60, 89, 92,  # umount2, mount, pivot_root, chroot, quotactl, acct, personality
        97, 104, 105, 106, 142, 161, 162, 164, 167,  # unshare, kexec_load, modules, reboot, names, setrlimit, prctl
        217, 218, 219, 224, 225,  # add_key, request_key, keyctl, swapon, swapoff
        241, 262, 264, 265, 268,  # perf_event_open, fanotify_init, *_by_handle_at, setns
        273, 277, 279, 280, 282, 294,  # finit_module, seccomp, memfd_create, bpf, userfaultfd, kexec_file_load
        *_SHARED,
    ),
)  # fmt: skip

_TABLES = {"x86_64": _X86_64, "aarch64": _AARCH64}


def table_for(machine: str) -> Table:
    """Return the table of an architecture. Raises ConfinementUnavailable."""
    if machine not in _TABLES:
        raise ConfinementUnavailable(f"There is no seccomp filter for {machine}.")
    return _TABLES[machine]


def build(table: Table, pid: int) -> bytes:
    """Assemble the BPF program; signals may go to `pid` alone (abort() raises one at itself)."""
    program = [
        _instruction(_LOAD, _ARCHITECTURE_AT),
        _instruction(_JUMP_EQUAL, table.audit, 1, 0),
        _instruction(_RETURN, _KILL),
        _instruction(_LOAD, _NUMBER_AT),
    ]
    if table.foreign_bit is not None:
        program += [_instruction(_JUMP_AT_LEAST, table.foreign_bit, 0, 1), _instruction(_RETURN, _KILL)]
    for number in table.denied:
        program += [_instruction(_JUMP_EQUAL, number, 0, 1), _refuse(errno.EPERM)]
    # glibc falls back to clone, whose flags are in a register where a filter can see them.
    program += [_instruction(_JUMP_EQUAL, _CLONE3, 0, 1), _refuse(errno.ENOSYS)]
    program += _allow_if(
        table.clone, [_instruction(_LOAD, _argument(0)), _instruction(_JUMP_BITS, _CLONE_THREAD, 0, 1)]
    )
    for number in table.signals:
        program += _allow_if(number, [_instruction(_LOAD, _argument(0)), _instruction(_JUMP_EQUAL, pid, 0, 1)])
    program += _reading_limits(table.prlimit)
    program.append(_instruction(_RETURN, _ALLOW))
    return b"".join(program)


def install() -> None:
    """Confine all threads of this process for good. Raises ConfinementUnavailable."""
    if platform.system() != "Linux":
        raise ConfinementUnavailable("Only Linux has seccomp.")
    table = table_for(platform.machine())
    program = build(table, os.getpid())
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0:
        raise ConfinementUnavailable(f"prctl: {os.strerror(ctypes.get_errno())}")
    filters = ctypes.create_string_buffer(program, len(program))
    described = struct.pack("HxxxxxxP", len(program) // 8, ctypes.addressof(filters))
    libc.syscall.restype = ctypes.c_long
    if libc.syscall(ctypes.c_long(table.seccomp), _SET_MODE_FILTER, _ALL_THREADS, described) != 0:
        raise ConfinementUnavailable(f"seccomp: {os.strerror(ctypes.get_errno())}")


def _instruction(code: int, value: int, if_true: int = 0, if_false: int = 0) -> bytes:
    return struct.pack("HBBI", code, if_true, if_false, value)


def _refuse(number: int) -> bytes:
    return _instruction(_RETURN, _ERRNO | number)


def _argument(index: int) -> int:
    """Return the offset of an argument's low half in struct seccomp_data."""
    return 16 + 8 * index


def _allow_if(number: int, test: list[bytes]) -> list[bytes]:
    """For one system call: allow where the test falls through, EPERM where it skips one."""
    verdicts = [_instruction(_RETURN, _ALLOW), _refuse(errno.EPERM)]
    return [_instruction(_JUMP_EQUAL, number, 0, len(test) + len(verdicts)), *test, *verdicts]


def _reading_limits(number: int) -> list[bytes]:
    """prlimit64 may read limits (no new ones given: argument 2 is a null pointer), not set them."""
    low = [_instruction(_LOAD, _argument(2)), _instruction(_JUMP_EQUAL, 0, 0, 3)]
    high = [_instruction(_LOAD, _argument(2) + 4), _instruction(_JUMP_EQUAL, 0, 0, 1)]
    return _allow_if(number, [*low, *high])
