"""What every blob store does, the fake one included."""

import asyncio
from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

import pytest

from backends.blobs import BlobStore, FileBlobStore, StoredBlob
from contracts.ids import new_id, now_ms
from contracts.jobs import input_key, result_key
from tests.fakes_blobs import InMemoryBlobStore

BAD_KEYS = [
    "",
    "/",
    "a/",
    "/a",
    "a//b",
    "..",
    "a/../b",
    "../a",
    "a/.",
    ".hidden",
    "a/.b",
    "a\\b",
    "a\0b",
    "a b",
    "ä",
    "a/b\n",
    "x.tmp",
]


@pytest.fixture(params=["files", "memory"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[BlobStore]:
    yield FileBlobStore(tmp_path / "blobs") if request.param == "files" else InMemoryBlobStore()


async def test_what_was_put_is_got(store: BlobStore) -> None:
    key, content = result_key(new_id(), 3), bytes(range(256)) * 1000
    await store.put(key, content)
    assert await store.get(key) == content
    assert await store.size(key) == len(content)


async def test_a_missing_blob_is_none(store: BlobStore) -> None:
    await store.put("results/a/1", b"x")
    for key in ("results/a/2", "results/b/1", "results/a", "results", "templates/ff", "results/a/1/below"):
        assert await store.get(key) is None, key
        assert await store.read(key, 0, 1) is None, key


async def test_an_empty_blob_is_not_a_missing_one(store: BlobStore) -> None:
    await store.put("inputs/empty", b"")
    assert await store.get("inputs/empty") == b""
    assert await store.size("inputs/empty") == 0


async def test_a_put_replaces_the_whole_blob(store: BlobStore) -> None:
    await store.put("inputs/a", b"a long first version")
    await store.put("inputs/a", b"short")
    assert await store.get("inputs/a") == b"short"


@pytest.mark.parametrize(
    ("start", "end", "part"),
    [
        (0, 10, b"0123456789"),
        (2, 5, b"234"),
        (9, 10, b"9"),
        (5, 99, b"56789"),
        (10, 20, b""),
        (50, 60, b""),
        (5, 5, b""),
    ],
)
async def test_a_range_is_the_bytes_from_start_to_before_end(
    store: BlobStore, start: int, end: int, part: bytes
) -> None:
    await store.put("results/a/1", b"0123456789")
    assert await store.read("results/a/1", start, end) == part


@pytest.mark.parametrize("count", [0, 1, 3, 100])
async def test_many_are_put_at_once(store: BlobStore, count: int) -> None:
    blobs = {input_key(new_id()): str(number).encode() for number in range(count)}
    await store.put_many(blobs)
    assert {key: await store.get(key) for key in blobs} == blobs


async def test_a_deleted_blob_is_gone_and_deleting_it_again_is_no_error(store: BlobStore) -> None:
    await store.put("inputs/a", b"x")
    await store.put("inputs/b", b"y")
    for _ in range(2):
        await store.delete("inputs/a")
    assert await store.get("inputs/a") is None
    assert await store.get("inputs/b") == b"y"


async def test_a_prefix_is_whole_segments(store: BlobStore) -> None:
    one, other = str(uuid4()), str(uuid4())
    await store.put_many({f"results/{one}/1": b"a", f"results/{one}/2": b"b", f"results/{other}/1": b"c"})
    await store.put("results/ab/1", b"d")
    await store.put("results/abc/1", b"e")
    await store.delete_prefix(f"results/{one}")
    await store.delete_prefix("results/ab")
    await store.delete_prefix("results/nothing")
    left = [await store.get(key) for key in (f"results/{one}/1", f"results/{one}/2", f"results/{other}/1")]
    assert left == [None, None, b"c"]
    assert (await store.get("results/ab/1"), await store.get("results/abc/1")) == (None, b"e")


async def test_many_are_deleted_at_once_and_their_neighbours_stay(store: BlobStore) -> None:
    one, other = new_id(), new_id()
    await store.put_many({result_key(one, 1): b"a", result_key(one, 2): b"b", input_key(other): b"c"})
    await store.delete_many([result_key(one, 1), input_key(other), result_key(other, 9)])
    await store.delete_many([])
    assert [await store.get(result_key(one, token)) for token in (1, 2)] == [None, b"b"]
    assert await store.get(input_key(other)) is None


async def listed(store: BlobStore, kind: str, step: int = 500) -> list[list[StoredBlob]]:
    return [page async for page in store.listing(kind, step)]


@pytest.mark.parametrize("step", [1, 3, 7, 500])
async def test_a_listing_shows_every_blob_of_a_kind_once_the_oldest_documents_first(
    store: BlobStore, step: int
) -> None:
    ids = [new_id(1_790_000_000_000 + number * 20_000) for number in range(10)]
    keys = [result_key(document_id, token) for document_id in ids for token in (1, 2)]
    await store.put_many(dict.fromkeys(reversed(keys), b"12345"))
    await store.put(input_key(ids[0]), b"of another kind")
    pages = await listed(store, "results", step)
    assert [blob.key for page in pages for blob in page] == keys
    assert {len(page) for page in pages[:-1]} <= {step}
    assert {blob.size for page in pages for blob in page} == {5}


async def test_a_listing_of_one_id_shows_its_blobs_and_no_neighbours(store: BlobStore) -> None:
    one, other = new_id(1_790_000_000_000), new_id(1_790_000_000_001)
    mine = [f"font-records/{one}/{number:064x}" for number in range(3)]
    await store.put_many(dict.fromkeys([*mine, f"font-records/{other}/a", f"fonts/{one}/b"], b"x"))
    pages = [page async for page in store.listing("font-records", 2, of=str(one))]
    assert [blob.key for page in pages for blob in page] == mine
    assert [page async for page in store.listing("font-records", of=str(uuid4()))] == []
    assert [page async for page in store.listing("nothing", of=str(one))] == []


async def test_a_listing_tells_when_each_blob_was_written(store: BlobStore) -> None:
    await store.put("templates/abcdef", b"x")
    ((blob,),) = await listed(store, "templates")
    assert abs(now_ms() - blob.written_at) < 60_000


async def test_a_kind_without_blobs_lists_nothing(store: BlobStore) -> None:
    assert await listed(store, "results") == []
    await store.put("inputs/a", b"x")
    assert await listed(store, "results") == []


async def test_a_listing_goes_on_while_blobs_come_and_go(store: BlobStore) -> None:
    ids = [new_id(1_790_000_000_000 + number * 100_000) for number in range(9)]
    await store.put_many({input_key(document_id): b"x" for document_id in ids})
    seen = []
    async for page in store.listing("inputs", 2):
        seen += [blob.key for blob in page]
        await store.delete_many([blob.key for blob in page])
        await store.put(input_key(new_id(1_780_000_000_000)), b"y")
        await store.delete(input_key(ids[7]))
    gone_meanwhile = {input_key(ids[7])}
    assert set(seen) - gone_meanwhile == {input_key(document_id) for document_id in ids} - gone_meanwhile
    assert len(seen) == len(set(seen))


async def test_nothing_that_was_put_counts_as_unfinished(store: BlobStore) -> None:
    await store.put("templates/abcdef", b"x")
    assert sum([count async for count in store.delete_unfinished(now_ms() + 86_400_000)]) == 0
    assert await store.get("templates/abcdef") == b"x"


@pytest.mark.parametrize("key", BAD_KEYS)
async def test_a_key_that_could_lead_elsewhere_is_refused(store: BlobStore, key: str) -> None:
    for call in (store.get(key), store.put(key, b""), store.delete(key), store.delete_prefix(key), store.size(key)):
        with pytest.raises(ValueError, match="not a blob key"):
            await call


async def test_writers_and_removers_of_neighbours_do_not_disturb_each_other(store: BlobStore) -> None:
    document = new_id()

    async def write_and_remove(token: int) -> None:
        for _ in range(20):
            await store.put(result_key(document, token), b"x")
            await store.delete(result_key(document, token))
        await store.put(result_key(document, token), str(token).encode())

    await asyncio.gather(*(write_and_remove(token) for token in range(6)))
    assert [await store.get(result_key(document, token)) for token in range(6)] == [b"0", b"1", b"2", b"3", b"4", b"5"]
