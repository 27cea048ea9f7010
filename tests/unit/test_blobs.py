"""What is particular to blobs in files: durability, order of steps, errors, what lies where."""

import ctypes
import os
import time
from pathlib import Path

import pytest

from backends import blobs
from backends.blobs import FileBlobStore
from contracts.errors import BlobUnavailable
from contracts.ids import new_id, now_ms
from contracts.jobs import input_key, result_key


@pytest.fixture
def store(tmp_path: Path) -> FileBlobStore:
    return FileBlobStore(tmp_path / "blobs")


def files(store: FileBlobStore) -> list[Path]:
    return [path for path in store.root.rglob("*") if path.is_file()]


async def test_a_failed_write_leaves_the_old_blob_and_no_litter(
    store: FileBlobStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    await store.put("inputs/a", b"old")

    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(BlobUnavailable) as raised:
        await store.put("inputs/a", b"new")
    assert "No space left" in raised.value.hint
    assert await store.get("inputs/a") == b"old"
    assert len(files(store)) == 1


async def test_a_blob_is_synced_before_its_name_and_the_folders_after(
    store: FileBlobStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    steps: list[str] = []
    fsync, replace = os.fsync, Path.replace

    def noted_fsync(descriptor: int) -> None:
        path = Path(os.readlink(f"/proc/self/fd/{descriptor}"))
        steps.append("folder" if path.is_dir() else "file")
        fsync(descriptor)

    def noted_replace(path: Path, target: Path) -> Path:
        steps.append("name")
        return replace(path, target)

    monkeypatch.setattr(os, "fsync", noted_fsync)
    monkeypatch.setattr(Path, "replace", noted_replace)
    await store.put(result_key(new_id(), 1), b"x")
    # root's parent, root, results, its shard, the document's folder: all are new.
    assert steps == ["file", "name", *["folder"] * 4]
    steps.clear()
    await store.put("results/aa/1", b"x")
    await store.put("results/aa/2", b"x")
    assert steps[-3:] == ["file", "name", "folder"], "folders that exist already need not be synced again"


async def test_a_system_without_syncfs_syncs_each_file(store: FileBlobStore, monkeypatch: pytest.MonkeyPatch) -> None:
    synced: list[Path] = []
    plain_sync = blobs._sync

    def noted(path: Path) -> None:
        synced.append(path)
        plain_sync(path)

    monkeypatch.setattr(ctypes, "CDLL", lambda *_, **__: object())
    monkeypatch.setattr(blobs, "_sync", noted)
    many = {input_key(new_id()): b"x" for _ in range(20)}
    await store.put_many(many)
    assert sum(path.suffix == ".tmp" for path in synced) == 20


async def test_a_syncfs_that_fails_is_an_error(store: FileBlobStore, monkeypatch: pytest.MonkeyPatch) -> None:
    class Broken:
        def syncfs(self, _: int) -> int:
            return -1

    monkeypatch.setattr(ctypes, "CDLL", lambda *_, **__: Broken())
    with pytest.raises(BlobUnavailable):
        await store.put_many({input_key(new_id()): b"x" for _ in range(20)})
    assert files(store) == []


async def test_an_unwritable_root_is_unavailable(tmp_path: Path) -> None:
    (tmp_path / "taken").write_text("a file where the folder should be")
    store = FileBlobStore(tmp_path / "taken")
    with pytest.raises(BlobUnavailable):
        await store.put("inputs/a", b"x")


def test_documents_made_together_lie_together(store: FileBlobStore) -> None:
    first, second, later = new_id(1_790_000_000_000), new_id(1_790_000_000_001), new_id(1_790_000_900_000)
    parents = [store.path(input_key(one)).parent for one in (first, second, later)]
    assert parents[0] == parents[1] != parents[2]
    assert store.path(result_key(first, 7)) == store.root / "results" / str(first)[:8] / f"{first}~7"
    assert store.path("templates/abcdef").relative_to(store.root) == Path("templates/ab/abcdef")


async def test_the_last_blob_of_a_folder_takes_the_folder_along(store: FileBlobStore) -> None:
    one = new_id()
    await store.put(input_key(one), b"x")
    await store.put(result_key(one, 1), b"x")
    await store.delete(input_key(one))
    await store.delete_prefix(f"results/{one}")
    assert str(one)[:8] not in [path.name for path in store.root.rglob("*")]


async def test_blobs_are_for_the_owner_only(store: FileBlobStore) -> None:
    await store.put(result_key(new_id(), 1), b"x")
    for path in store.root.rglob("*"):
        assert path.stat().st_mode & 0o077 == 0, path


async def test_what_a_dead_writer_left_goes_after_a_while_and_a_living_ones_stays(store: FileBlobStore) -> None:
    key = result_key(new_id(), 1)
    await store.put(key, b"x")
    shard = store.path(key).parent
    dead, living = shard / "0123.tmp", shard / "4567.tmp"
    for litter, age_s in ((dead, 7200), (living, 60)):
        litter.write_bytes(b"half")
        os.utime(litter, (time.time() - age_s,) * 2)
    assert sum([count async for count in store.delete_unfinished(now_ms() - 3_600_000)]) == 1
    assert not dead.exists() and living.exists()
    assert await store.get(key) == b"x"


async def test_the_search_for_half_written_files_lets_its_caller_rest_between_a_few_folders(
    store: FileBlobStore,
) -> None:
    await store.put_many({f"templates/{number:02x}cdef": b"x" for number in range(20)})
    steps = [count async for count in store.delete_unfinished(now_ms())]
    assert len(steps) == 3 and sum(steps) == 0


async def test_a_listing_shows_no_temporary_and_no_foreign_file(store: FileBlobStore) -> None:
    key = result_key(new_id(), 1)
    await store.put(key, b"x")
    for name in ("0123.tmp", ".nfs0001", "a file of the operator's"):
        (store.path(key).parent / name).write_bytes(b"y")
    (store.root / "results" / "lost+found").mkdir()
    (store.root / "results" / "notes").write_text("z")
    assert [blob.key async for page in store.listing("results") for blob in page] == [key]


async def test_the_last_of_many_deleted_blobs_takes_the_folder_along(store: FileBlobStore) -> None:
    keys = [input_key(new_id(1_790_000_000_000)) for _ in range(3)]
    await store.put_many(dict.fromkeys(keys, b"x"))
    await store.delete_many(keys[:2])
    assert store.path(keys[2]).exists()
    await store.delete_many(keys)
    assert not store.path(keys[2]).parent.exists()
