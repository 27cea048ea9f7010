"""Assets: files that users upload once and name in data. Whose they are, and which documents need them.

All of it lies in the blob store, so that it survives Redis: the bytes by their hash, a record for each user who has
uploaded them, and an empty blob for each document that names them. The pruner reads the same blobs.
"""

import hashlib
import time
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass
from uuid import UUID

from app.services.records import Quota, Records, Turns, asset_quota
from backends.blobs import BlobStore
from contracts.assets import NAME, AssetRecord, asset_key, owner_key, references
from contracts.errors import Flaw, Invalid, NotFound
from contracts.ids import now_ms

#: Of one document. Each is read from the store when it is rendered.
MOST_ASSETS = 200
#: How often the use of an asset is noted (it is kept for days after that), and how long one is believed to be there.
NOTED_S, BELIEVED_S = 3600.0, 1.0
REMEMBERED = 50_000

#: How files begin that templates can use: pictures, and documents to insert (a zip).
SIGNATURES: tuple[tuple[str, bytes], ...] = (
    ("image/png", b"\x89PNG\r\n\x1a\n"),
    ("image/jpeg", b"\xff\xd8\xff"),
    ("image/gif", b"GIF8"),
    ("image/webp", b"RIFF"),
    ("application/vnd.openxmlformats-officedocument.wordprocessingml.document", b"PK\x03\x04"),
)
SVG = "image/svg+xml"
#: What a client may call the bytes that it uploads. The last one says nothing.
MEDIA_TYPES = (*(media_type for media_type, _ in SIGNATURES), SVG, "application/octet-stream")


@dataclass(frozen=True)
class Kept:
    """An asset as its owner's list shows it. `used_at`: epoch ms, to the hour."""

    digest: str
    record: AssetRecord
    used_at: int


@dataclass
class _Seen:
    """What is remembered of an asset: until when it is believed to be there, and when its use is noted again."""

    record: AssetRecord
    believed_until: float
    noted_until: float


class AssetService:
    """Raises BlobUnavailable from every method."""

    def __init__(self, blobs: BlobStore, quota: Quota | None = None) -> None:
        self._blobs = blobs
        self._quota = quota or asset_quota()
        self._records = Records(blobs, "asset-owners", AssetRecord)
        self._seen: OrderedDict[tuple[UUID, str], _Seen] = OrderedDict()
        self._turns = Turns()

    async def add(self, user_id: UUID, content: bytes, media_type: str) -> str:
        """Keep an asset for a user; returns its name.

        Raises Invalid for bytes that are not what they are called, Conflict `too_many_assets`.
        """
        actual = kind_of(content)
        if actual is None or media_type not in (actual, MEDIA_TYPES[-1]):
            found = f"The bytes are {actual}" if actual else "The bytes are no picture and no Word document"
            raise Invalid.at("", f"{found}; they were called {media_type}.", "invalid_asset")
        digest = hashlib.sha256(content).hexdigest()
        async with self._turns.of(user_id):
            record = await self._records.read(owner_key(digest, user_id))
            if record is None:
                kept = await self._records.listed(str(user_id))
                self._quota.require([known.size for _, known in kept], len(content))
                record = AssetRecord(media_type=actual, size=len(content), created_at=now_ms())
            # The owner first: the pruner leaves what has a fresh owner alone.
            await self._note(user_id, {digest: record})
            if await self._blobs.size(asset_key(digest)) is None:
                await self._blobs.put(asset_key(digest), content)
        return f"sha256:{digest}"

    async def of(self, user_id: UUID) -> list[Kept]:
        """Return a user's assets."""
        listed = await self._records.listed(str(user_id))
        return [Kept(blob.key.rpartition("/")[2], record, blob.written_at) for blob, record in listed]

    async def delete(self, user_id: UUID, digest: str) -> None:
        """Take an asset from its owner: nothing new may name it. Its bytes go once nothing needs them.

        Raises NotFound.
        """
        self._seen.pop((user_id, digest), None)
        if await self._blobs.size(owner_key(digest, user_id)) is None:
            raise NotFound("asset")
        await self._blobs.delete(owner_key(digest, user_id))

    async def require(self, user_id: UUID, data: object, pointer: str = "/data") -> list[str]:
        """Return the digests of the assets that data names. Raises Invalid for those that are not the user's."""
        named = references(data)
        if not named:
            return []
        digests = {name: match[1] for _, name in named if (match := NAME.fullmatch(name))}
        if len(digests) > MOST_ASSETS:
            raise Invalid.at(pointer, f"The data names {len(digests)} assets; {MOST_ASSETS} are allowed.", "too_large")
        found = {digest: await self._seen_of(user_id, digest) for digest in digests.values()}
        known = {digest: seen for digest, seen in found.items() if seen is not None}
        flaws = [_flaw(pointer + at, name) for at, name in named if digests.get(name) not in known]
        if flaws:
            raise Invalid(*flaws[:20], unlisted=max(0, len(flaws) - 20))
        now = time.monotonic()
        await self._note(user_id, {digest: seen.record for digest, seen in known.items() if seen.noted_until < now})
        return sorted(known)

    async def _seen_of(self, user_id: UUID, digest: str) -> _Seen | None:
        """Look whether a user has an asset; another process's deletion is seen within a second."""
        seen = self._seen.get((user_id, digest))
        if seen is not None and time.monotonic() < seen.believed_until:
            return seen
        record = await self._records.read(owner_key(digest, user_id))
        if record is None or await self._blobs.size(asset_key(digest)) is None:
            self._seen.pop((user_id, digest), None)
            return None
        return self._remember(user_id, digest, record, seen.noted_until if seen else 0.0)

    async def _note(self, user_id: UUID, records: Mapping[str, AssetRecord]) -> None:
        """Write down that a user has used assets just now."""
        texts = {owner_key(digest, user_id): known.model_dump_json().encode() for digest, known in records.items()}
        await self._blobs.put_many(texts)
        for digest, record in records.items():
            self._remember(user_id, digest, record, time.monotonic() + NOTED_S)

    def _remember(self, user_id: UUID, digest: str, record: AssetRecord, noted_until: float) -> _Seen:
        seen = _Seen(record, time.monotonic() + BELIEVED_S, noted_until)
        self._seen[user_id, digest] = seen
        self._seen.move_to_end((user_id, digest))
        if len(self._seen) > REMEMBERED:
            self._seen.popitem(last=False)
        return seen


def kind_of(content: bytes) -> str | None:
    """Return the media type of bytes by how they begin; None for what no template can use."""
    for media_type, start in SIGNATURES:
        if content.startswith(start) and (media_type != "image/webp" or content[8:12] == b"WEBP"):
            return media_type
    head = content[:4096].lstrip(b"\xef\xbb\xbf \t\r\n")
    return SVG if head.startswith((b"<svg", b"<?xml", b"<!--", b"<!DOCTYPE svg")) and b"<svg" in head else None


def _flaw(pointer: str, name: str) -> Flaw:
    if not NAME.fullmatch(name):
        return Flaw(
            pointer,
            "An asset's name is sha256: and 64 hexadecimal digits, as POST /v1/assets gave it.",
            "unknown_asset",
        )
    return Flaw(pointer, f"You have no asset {name}: upload it with POST /v1/assets.", "unknown_asset")
