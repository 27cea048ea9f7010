"""Small JSON records in the blob store, such as whose a font is: read again only once they have changed.

With them, how much of a kind one user may keep.
"""

import asyncio
from collections import OrderedDict
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from uuid import UUID
from weakref import WeakValueDictionary

from pydantic import BaseModel, ValidationError

from backends.blobs import BlobStore, StoredBlob
from contracts.errors import Conflict

#: Of one kind, by this process: some hundred bytes each.
REMEMBERED = 50_000
MIB = 1024 * 1024


class Records[T: BaseModel]:
    """The records under `kind/`. A damaged one is none. Raises BlobUnavailable."""

    def __init__(self, blobs: BlobStore, kind: str, model: type[T]) -> None:
        self._blobs = blobs
        self._kind = kind
        self._model = model
        self._known: OrderedDict[str, tuple[StoredBlob, T | None]] = OrderedDict()

    async def listed(self, of: str = "") -> list[tuple[StoredBlob, T]]:
        """Return all records, or those of one id (the second segment of keys)."""
        found = []
        async for blobs in self._blobs.listing(self._kind, of=of):
            for blob in blobs:
                record = await self._fresh(blob)
                if record is not None:
                    found.append((blob, record))
        return found

    async def read(self, key: str) -> T | None:
        """Read one record as it is now."""
        content = await self._blobs.get(key)
        try:
            return None if content is None else self._model.model_validate_json(content)
        except ValidationError:
            return None

    async def write(self, key: str, record: T) -> None:
        """Write a record; on disk when it returns."""
        await self._blobs.put(key, record.model_dump_json().encode())

    async def _fresh(self, blob: StoredBlob) -> T | None:
        seen = self._known.get(blob.key)
        if seen is None or seen[0] != blob:
            seen = (blob, await self.read(blob.key))
        self._known[blob.key] = seen
        self._known.move_to_end(blob.key)
        if len(self._known) > REMEMBERED:
            self._known.popitem(last=False)
        return seen[1]


@dataclass(frozen=True)
class Quota:
    """How many files, and bytes of them, one user may keep; `max_bytes` 0: no limit.

    `code`: of the refusal. `settings`: the two that say so. `what`: in words.
    """

    code: str
    what: str
    max_count: int
    max_bytes: int
    settings: tuple[str, str]

    def require(self, sizes: list[int], added: int) -> None:
        """Raise Conflict if one more file, of `added` bytes, beside those of these sizes is too much."""
        count_setting, bytes_setting = self.settings
        if len(sizes) >= self.max_count:
            raise self._refused(f"You have {len(sizes)} {self.what}; {self.max_count} are allowed", count_setting)
        if self.max_bytes and sum(sizes) + added > self.max_bytes:
            kept = f"Your {self.what} have {sum(sizes)} bytes, and this one {added}; {self.max_bytes} are allowed"
            raise self._refused(kept, bytes_setting)

    def _refused(self, detail: str, setting: str) -> Conflict:
        return Conflict(self.code, f"{detail} ({setting}): delete some first.")


def asset_quota(count: int = 10_000, mib: int = 1024) -> Quota:
    settings = ("PRESSWORK_MAX_ASSETS_PER_USER", "PRESSWORK_MAX_ASSETS_MB_PER_USER")
    return Quota("too_many_assets", "assets", count, mib * MIB, settings)


def font_quota(count: int = 500, mib: int = 512) -> Quota:
    settings = ("PRESSWORK_MAX_FONTS_PER_USER", "PRESSWORK_MAX_FONTS_MB_PER_USER")
    return Quota("too_many_fonts", "fonts", count, mib * MIB, settings)


class Turns:
    """Lets one upload of a user after another pass: two at once would both find room for the last file."""

    def __init__(self) -> None:
        self._locks: WeakValueDictionary[UUID, asyncio.Lock] = WeakValueDictionary()

    @asynccontextmanager
    async def of(self, user_id: UUID) -> AsyncIterator[None]:
        lock = self._locks.setdefault(user_id, asyncio.Lock())
        async with lock:
            yield
