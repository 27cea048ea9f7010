"""The blob store: inputs, results, template sources. Files here; S3 later behind the same Protocol.

A put returns once the bytes and the names that lead to them are on disk: temporary file, fsync, rename, fsync of the
folders. 1,000 inputs of 2 kB: 356 ms with an fsync each, 78 ms with one syncfs, so batches take the latter.
"""

import asyncio
import contextlib
import ctypes
import os
import re
import shutil
from collections.abc import AsyncIterator, Callable, Collection, Iterable, Mapping
from dataclasses import dataclass
from functools import partial
from itertools import batched
from pathlib import Path
from stat import S_ISREG
from typing import Protocol
from uuid import uuid4

from contracts.errors import BlobUnavailable

SEGMENT = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9._-]{0,127}")
IS_ID = re.compile(r"[0-9a-f]{8}-[0-9a-f-]{27}")
TEMPORARY = ".tmp"
#: Joins a key's later segments in a file name. No segment can hold it.
BESIDE = "~"

#: From this many files on, one syncfs is cheaper than an fsync each.
SYNCFS_FROM = 8

#: Blobs looked at in one step of a listing, and folders that are searched for litter in one: each may have thousands.
LISTING_STEP, FOLDERS_STEP = 500, 8


@dataclass(frozen=True)
class StoredBlob:
    """A blob as a listing shows it: its length in bytes, when it was written (epoch ms, by the store's clock)."""

    key: str
    size: int
    written_at: int


class BlobStore(Protocol):
    """Bytes by key. A key is segments joined by `/`, like `results/<document>/<token>`; a put replaces as a whole.

    Every method raises BlobUnavailable when the store does not work, ValueError for a malformed key.
    """

    async def put(self, key: str, content: bytes) -> None:
        """Store bytes durably."""

    async def put_many(self, blobs: Mapping[str, bytes]) -> None:
        """Store many blobs durably, for little more than the price of one."""

    async def get(self, key: str) -> bytes | None:
        """Return the bytes; None if there is no such blob."""

    async def read(self, key: str, start: int, end: int) -> bytes | None:
        """Return the bytes from `start` up to, not including, `end`; fewer at the blob's end; None if there is none."""

    async def size(self, key: str) -> int | None:
        """Return the length in bytes; None if there is no such blob."""

    async def delete(self, key: str) -> None:
        """Remove a blob; one that is not there is no error."""

    async def delete_many(self, keys: Collection[str]) -> None:
        """Remove many blobs, for less than the price of each."""

    async def delete_prefix(self, prefix: str) -> None:
        """Remove every blob whose key begins with these whole segments."""

    def listing(self, kind: str, step: int = LISTING_STEP, of: str = "") -> AsyncIterator[list[StoredBlob]]:
        """List a kind (the first segment of keys), the oldest documents first, up to `step` blobs at a time.

        `of`: only what belongs to this id (the second segment), which is found without looking at the others.
        What is stored or removed meanwhile may be listed or not; everything else is, once.
        """

    def delete_unfinished(self, before_ms: int) -> AsyncIterator[int]:
        """Remove what writers that died before a moment left half written; yields how many pieces, step by step."""


class FileBlobStore:
    """A BlobStore in a folder. Documents' blobs lie in folders by the minute they were made, others by hash."""

    def __init__(self, root: Path) -> None:
        self.root = root

    async def put(self, key: str, content: bytes) -> None:
        await self.put_many({key: content})

    async def put_many(self, blobs: Mapping[str, bytes]) -> None:
        files = {self.path(key): content for key, content in blobs.items()}
        if files:
            await _in_thread(lambda: _write_again(files, self.root))

    async def get(self, key: str) -> bytes | None:
        path = self.path(key)
        return await _in_thread(lambda: _none_if_missing(path.read_bytes))

    async def read(self, key: str, start: int, end: int) -> bytes | None:
        path = self.path(key)
        return await _in_thread(lambda: _none_if_missing(lambda: _read_range(path, start, end)))

    async def size(self, key: str) -> int | None:
        path = self.path(key)
        return await _in_thread(lambda: _none_if_missing(lambda: path.stat().st_size))

    async def delete(self, key: str) -> None:
        path = self.path(key)
        await _in_thread(lambda: _remove(path))

    async def delete_many(self, keys: Collection[str]) -> None:
        paths = [self.path(key) for key in keys]
        await _in_thread(lambda: _remove_each(paths))

    async def delete_prefix(self, prefix: str) -> None:
        path = self.path(prefix)
        await _in_thread(lambda: _remove_all(path))

    async def listing(self, kind: str, step: int = LISTING_STEP, of: str = "") -> AsyncIterator[list[StoredBlob]]:
        root, waiting = self.root / check_key(kind), list[Path]()
        folders = [self.path(f"{kind}/{of}").parent] if of else await _in_thread(lambda: _folders(root))
        for folder in folders:
            waiting += await _in_thread(partial(_blobs_in, folder, f"{of}{BESIDE}" if of else ""))
            while len(waiting) >= step:
                yield await _in_thread(partial(_described, kind, waiting[:step]))
                waiting = waiting[step:]
        if waiting:
            yield await _in_thread(partial(_described, kind, waiting))

    async def delete_unfinished(self, before_ms: int) -> AsyncIterator[int]:
        for kind in await _in_thread(lambda: _folders(self.root)):
            for folders in batched(await _in_thread(partial(_folders, kind)), FOLDERS_STEP):
                yield await _in_thread(partial(_remove_litter, folders, before_ms))

    def path(self, key: str) -> Path:
        """Return where a key's bytes are. Raises ValueError for a malformed key."""
        kind, *rest = check_key(key).split("/")
        # A UUIDv7's first 8 digits are 65 s of time: neighbours share a folder, so that a batch syncs few of them.
        # What belongs to one id lies beside it, not in a folder of its own: two syncs less for each document.
        if not rest:
            return self.root / kind
        shard = rest[0][:8] if IS_ID.fullmatch(rest[0]) else rest[0][:2]
        return self.root / kind / shard / BESIDE.join(rest)


def check_key(key: str) -> str:
    """Return the key. Raises ValueError for one that could lead out of the store, hide a file or look temporary."""
    if not all(SEGMENT.fullmatch(segment) for segment in key.split("/")) or key.endswith(TEMPORARY):
        raise ValueError(f"not a blob key: {key!r}")
    return key


async def _in_thread[T](work: Callable[[], T]) -> T:
    try:
        return await asyncio.to_thread(work)
    except OSError as error:
        raise BlobUnavailable(hint=f"{error.strerror or error} ({type(error).__name__})") from error


def _none_if_missing[T](read: Callable[[], T]) -> T | None:
    try:
        return read()
    except (FileNotFoundError, NotADirectoryError, IsADirectoryError):
        return None


def _read_range(path: Path, start: int, end: int) -> bytes:
    with path.open("rb") as file:
        file.seek(start)
        return file.read(max(0, end - start))


def _remove_all(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path)
    for beside in path.parent.glob(f"{path.name}{BESIDE}*"):
        beside.unlink(missing_ok=True)
    _remove(path)


def _remove(path: Path) -> None:
    path.unlink(missing_ok=True)
    with contextlib.suppress(OSError):  # the last one out: 1,300 folders a day would stay behind
        path.parent.rmdir()


def _remove_each(paths: Iterable[Path]) -> None:
    folders = set()
    for path in paths:
        path.unlink(missing_ok=True)
        folders.add(path.parent)
    for folder in folders:
        with contextlib.suppress(OSError):
            folder.rmdir()


def _folders(parent: Path) -> list[Path]:
    """List folders by name: the first digits of documents' ids, so the oldest first."""
    return sorted(Path(entry.path) for entry in _entries(parent) if entry.is_dir(follow_symlinks=False))


def _blobs_in(folder: Path, start: str = "") -> list[Path]:
    """List a folder's blobs by name, those that begin so; what no key can name is not ours."""
    names = (entry.name for entry in _entries(folder) if entry.name.startswith(start))
    return sorted(folder / name for name in names if not name.endswith(TEMPORARY) and _is_ours(name))


def _is_ours(name: str) -> bool:
    return all(SEGMENT.fullmatch(segment) for segment in name.split(BESIDE))


def _entries(folder: Path) -> list[os.DirEntry[str]]:
    try:
        with os.scandir(folder) as entries:
            return list(entries)
    except (FileNotFoundError, NotADirectoryError):  # its last blob has just been removed
        return []


def _described(kind: str, paths: Iterable[Path]) -> list[StoredBlob]:
    found = ((path, _none_if_missing(path.stat)) for path in paths)
    return [
        StoredBlob(f"{kind}/{path.name.replace(BESIDE, '/')}", stat.st_size, stat.st_mtime_ns // 1_000_000)
        for path, stat in found
        if stat is not None and S_ISREG(stat.st_mode)
    ]


def _remove_litter(folders: Iterable[Path], before_ms: int) -> int:
    removed = 0
    for entry in (entry for folder in folders for entry in _entries(folder) if entry.name.endswith(TEMPORARY)):
        stat = _none_if_missing(entry.stat)
        if stat is not None and stat.st_mtime_ns // 1_000_000 < before_ms:
            _remove(Path(entry.path))
            removed += 1
    return removed


def _write_again(files: Mapping[Path, bytes], root: Path) -> None:
    """Write files; a folder may be removed, being empty, before the first file is in it, so once more then."""
    try:
        _write_durably(files, root)
    except FileNotFoundError:
        _write_durably(files, root)


def _write_durably(files: Mapping[Path, bytes], root: Path) -> None:
    changed = _make_folders({path.parent for path in files}, root)
    temporary = {path: path.with_name(f"{uuid4().hex}{TEMPORARY}") for path in files}
    try:
        _write_all({temporary[path]: content for path, content in files.items()})
        for path, written in temporary.items():
            written.replace(path)
    except OSError:
        for written in temporary.values():
            written.unlink(missing_ok=True)
        raise
    for folder in changed:
        _sync(folder)


def _make_folders(folders: Iterable[Path], root: Path) -> set[Path]:
    """Make folders down from the root; returns those that got new names: each must be synced for them to last."""
    changed = set(folders)
    for folder in tuple(changed):
        while not folder.is_dir():
            changed |= {folder, folder.parent}
            if folder == root:
                break
            folder = folder.parent
    for folder in sorted(changed, key=lambda path: len(path.parts)):
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    return changed


def _write_all(files: Mapping[Path, bytes]) -> None:
    each = len(files) < SYNCFS_FROM
    for path, content in files.items():
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with open(descriptor, "wb", closefd=True) as file:
            file.write(content)
            file.flush()
            if each:
                os.fsync(file.fileno())
    if not each:
        _sync_file_system(files)


def _sync_file_system(files: Iterable[Path]) -> None:
    syncfs = getattr(ctypes.CDLL(None, use_errno=True), "syncfs", None)
    if syncfs is None:  # not Linux
        for path in files:
            _sync(path)
        return
    descriptor = os.open(next(iter(files)), os.O_RDONLY)
    try:
        if syncfs(descriptor) != 0:
            raise OSError(ctypes.get_errno(), "syncfs failed")
    finally:
        os.close(descriptor)


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
