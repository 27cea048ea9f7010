"""A blob store in memory, held to the real ones' behaviour by tests/conformance/test_blobs_conformance.py."""

from collections.abc import AsyncIterator, Collection, Mapping
from itertools import batched

from backends.blobs import LISTING_STEP, StoredBlob, check_key
from contracts.ids import now_ms


class InMemoryBlobStore:
    """`written` has the time of each write (epoch ms): tests make blobs older with it."""

    def __init__(self) -> None:
        self.blobs: dict[str, bytes] = {}
        self.written: dict[str, int] = {}

    async def put(self, key: str, content: bytes) -> None:
        await self.put_many({key: content})

    async def put_many(self, blobs: Mapping[str, bytes]) -> None:
        self.blobs |= {check_key(key): content for key, content in blobs.items()}
        self.written |= dict.fromkeys(blobs, now_ms())

    async def get(self, key: str) -> bytes | None:
        return self.blobs.get(check_key(key))

    async def read(self, key: str, start: int, end: int) -> bytes | None:
        content = self.blobs.get(check_key(key))
        return None if content is None else content[start : max(start, end)]

    async def size(self, key: str) -> int | None:
        content = self.blobs.get(check_key(key))
        return None if content is None else len(content)

    async def delete(self, key: str) -> None:
        self.blobs.pop(check_key(key), None)

    async def delete_many(self, keys: Collection[str]) -> None:
        for key in keys:
            await self.delete(key)

    async def listing(self, kind: str, step: int = LISTING_STEP, of: str = "") -> AsyncIterator[list[StoredBlob]]:
        start = check_key(f"{kind}/{of}" if of else kind) + "/"
        for keys in batched(sorted(key for key in self.blobs if key.startswith(start)), step):
            yield [StoredBlob(key, len(self.blobs[key]), self.written[key]) for key in keys if key in self.blobs]

    async def delete_unfinished(self, before_ms: int) -> AsyncIterator[int]:
        yield 0

    async def delete_prefix(self, prefix: str) -> None:
        start = check_key(prefix)
        for key in [key for key in self.blobs if key == start or key.startswith(f"{start}/")]:
            del self.blobs[key]
