"""A blob store in memory, held to the real ones' behaviour by tests/conformance/test_blobs_conformance.py."""

from collections.abc import Mapping

from backends.blobs import check_key


class InMemoryBlobStore:
    def __init__(self) -> None:
        self.blobs: dict[str, bytes] = {}

    async def put(self, key: str, content: bytes) -> None:
        self.blobs[check_key(key)] = content

    async def put_many(self, blobs: Mapping[str, bytes]) -> None:
        self.blobs |= {check_key(key): content for key, content in blobs.items()}

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

    async def delete_prefix(self, prefix: str) -> None:
        start = check_key(prefix)
        for key in [key for key in self.blobs if key == start or key.startswith(f"{start}/")]:
            del self.blobs[key]
