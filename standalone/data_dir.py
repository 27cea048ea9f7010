"""The data directory of `presswork up`: one owner at a time, mode 0700, with the secrets that were generated once."""

import fcntl
import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from backends.embedded.private_files import kept_secret, private_directory
from contracts.api_keys import generate_key
from standalone.errors import StartRefused

LOCK = "lock"


class DataDir:
    """Paths and secrets under one locked directory. Get one from `locked`."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.redis = path / "redis"
        self.clickhouse = path / "clickhouse"
        self.blobs = path / "blobs"
        self.logs = private_directory(path / "logs")
        self.admin_key_file = path / "admin.key"

    def secret_key(self) -> str:
        """Return the key that every process of this installation shares, 64 hexadecimal digits."""
        return kept_secret(self.path / "secret.key", lambda: secrets.token_hex(32))

    def admin_key(self) -> str:
        """Return the first administrator's API key."""
        return kept_secret(self.admin_key_file, generate_key)

    def password(self, server: str) -> str:
        """Return the password of an embedded server. Letters, digits, `-` and `_`: it goes into URLs and files."""
        return kept_secret(self.path / f"{server}.password", lambda: secrets.token_urlsafe(24))


@contextmanager
def locked(path: Path) -> Iterator[DataDir]:
    """Make or open the directory and hold it alone. Raises StartRefused.

    The kernel drops the lock with the process, however it dies. No child may inherit the descriptor: Python opens it
    close-on-exec, and children are started with close_fds.
    """
    with used(path):
        directory = _usable(path)
        descriptor = os.open(directory / LOCK, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        with used(path):
            _take(descriptor, directory)
        yield DataDir(directory)
    finally:
        os.close(descriptor)


@contextmanager
def used(path: Path) -> Iterator[None]:
    """Write into the directory while the block runs. Raises StartRefused where that cannot be, as on a full disk."""
    try:
        yield
    except OSError as error:
        raise StartRefused(
            f"The data directory {path} cannot be used: {error.strerror}. Make room, or choose another with --data-dir"
            " or PRESSWORK_DATA_DIR."
        ) from error


def _usable(path: Path) -> Path:
    if path.is_dir() and not (path / LOCK).exists() and any(path.iterdir()):
        # Its mode would be changed to 0700 and files put between the ones that are there.
        raise StartRefused(
            f"{path.resolve()} has files in it that are not Presswork's. Choose an empty or a new directory with"
            " --data-dir or PRESSWORK_DATA_DIR."
        )
    return private_directory(path)


def _take(descriptor: int, directory: Path) -> None:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        pid = os.read(descriptor, 20).decode(errors="replace").strip() or "unknown"
        raise StartRefused(
            f"Another `presswork up` (pid {pid}) is using {directory}. Stop it with `kill {pid}`, or give this one its"
            " own directory with --data-dir or PRESSWORK_DATA_DIR, and its own ports."
        ) from None
    os.ftruncate(descriptor, 0)
    os.write(descriptor, f"{os.getpid()}\n".encode())
