"""Landlock (Linux 5.13+): the process sees the interpreter, libraries and fonts, and may write only its scratch folder.

A second wall behind seccomp, without root or namespaces: keys, results and other tenants' files cannot be opened.
"""

import ctypes
import os
import struct
from collections.abc import Iterable
from pathlib import Path

_CREATE_RULESET, _ADD_RULE, _RESTRICT_SELF = 444, 445, 446
_VERSION_QUERY, _PATH_BENEATH = 1, 1
_PR_SET_NO_NEW_PRIVS = 38

_EXECUTE, _WRITE_FILE, _READ_FILE, _READ_DIR = 1 << 0, 1 << 1, 1 << 2, 1 << 3
#: All file system rights by ABI version: what is handled and not granted is refused.
_HANDLED = {1: (1 << 13) - 1, 2: (1 << 14) - 1, 3: (1 << 15) - 1, 4: (1 << 15) - 1, 5: (1 << 16) - 1}
_REMOVE_DIR, _REMOVE_FILE, _MAKE_DIR, _MAKE_REGULAR = 1 << 4, 1 << 5, 1 << 7, 1 << 8
_READ = _READ_FILE | _READ_DIR | _EXECUTE
_WRITE = _READ_FILE | _READ_DIR | _WRITE_FILE | _REMOVE_DIR | _REMOVE_FILE | _MAKE_DIR | _MAKE_REGULAR


def available() -> bool:
    """Whether the kernel has Landlock enabled."""
    return _abi(_libc()) >= 1


def restrict(readable: Iterable[Path], writable: Iterable[Path]) -> bool:
    """Confine this thread and its future threads to these folders; False if the kernel has no Landlock."""
    libc = _libc()
    abi = _abi(libc)
    if abi < 1:
        return False
    handled = _HANDLED[min(abi, 5)]
    ruleset = libc.syscall(ctypes.c_long(_CREATE_RULESET), struct.pack("Q", handled), ctypes.c_size_t(8), 0)
    if ruleset < 0:
        return False
    for folders, rights in ((readable, _READ), (writable, _WRITE)):
        for folder in folders:
            _grant(libc, ruleset, folder, rights & handled)
    libc.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
    done = libc.syscall(ctypes.c_long(_RESTRICT_SELF), ruleset, 0) == 0
    os.close(ruleset)
    return bool(done)


def _libc() -> ctypes.CDLL:
    libc = ctypes.CDLL(None, use_errno=True)
    libc.syscall.restype = ctypes.c_long
    return libc


def _abi(libc: ctypes.CDLL) -> int:
    return int(libc.syscall(ctypes.c_long(_CREATE_RULESET), None, ctypes.c_size_t(0), _VERSION_QUERY))


def _grant(libc: ctypes.CDLL, ruleset: int, folder: Path, rights: int) -> None:
    if not folder.is_dir():
        return
    opened = os.open(folder, os.O_PATH | os.O_CLOEXEC)
    try:
        libc.syscall(ctypes.c_long(_ADD_RULE), ruleset, _PATH_BENEATH, struct.pack("=QI", rights, opened), 0)
    finally:
        os.close(opened)
