"""Files that only their owner may read: passwords, keys and configurations with passwords in them."""

import os
from collections.abc import Callable
from pathlib import Path


def private_directory(path: Path) -> Path:
    """Make the directory with mode 0700, or take the rights of others away from it, and return its absolute path."""
    path.mkdir(mode=0o700, parents=True, exist_ok=True)
    path.chmod(0o700)
    return path.resolve()


def write_private(path: Path, text: str) -> None:
    """Replace the file in one step, mode 0600 from its first byte. Content and name are on disk when this returns: a
    secret that a power failure took back would leave what was sealed with it unreadable.
    """
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    temporary.unlink(missing_ok=True)
    with open(os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    temporary.replace(path)
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def kept_secret(path: Path, generate: Callable[[], str]) -> str:
    """Return the secret in the file; the first time, make one with `generate` and keep it."""
    if not path.exists():
        write_private(path, generate() + "\n")
    path.chmod(0o600)
    return path.read_text(encoding="utf-8").strip()
