"""Assets: files that users upload once and name in data. Whose they are, and which documents need them.

All of it lies in the blob store, so that it survives Redis: the bytes by their hash, an empty blob for each user who
has uploaded them, and one for each document that names them. The pruner reads the same blobs.
"""

import hashlib
import time
from collections import OrderedDict
from collections.abc import Collection
from uuid import UUID

from backends.blobs import BlobStore
from contracts.assets import NAME, asset_key, owner_key, references, use_key
from contracts.errors import Flaw, Invalid

#: Of one document. Each is read from the store when it is rendered.
MOST_ASSETS = 200
#: How long it is remembered that a user has an asset, and how often its use is noted: it is kept for days after that.
NOTED_S = 3600.0
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


class AssetService:
    """Raises BlobUnavailable from every method."""

    def __init__(self, blobs: BlobStore) -> None:
        self._blobs = blobs
        self._noted: OrderedDict[tuple[UUID, str], float] = OrderedDict()

    async def add(self, user_id: UUID, content: bytes, media_type: str) -> str:
        """Keep an asset for a user; returns its name. Raises Invalid for bytes that are not what they are called."""
        actual = kind_of(content)
        if actual is None or media_type not in (actual, MEDIA_TYPES[-1]):
            found = f"The bytes are {actual}" if actual else "The bytes are no picture and no Word document"
            raise Invalid.at("", f"{found}; they were called {media_type}.", "invalid_asset")
        digest = hashlib.sha256(content).hexdigest()
        # The owner first: the pruner leaves what has a fresh owner alone.
        await self._note(user_id, [digest])
        if await self._blobs.size(asset_key(digest)) is None:
            await self._blobs.put(asset_key(digest), content)
        return f"sha256:{digest}"

    async def require(self, user_id: UUID, data: object, pointer: str = "/data") -> list[str]:
        """Return the digests of the assets that data names. Raises Invalid for those that are not the user's."""
        named = references(data)
        if not named:
            return []
        digests = {name: match[1] for _, name in named if (match := NAME.fullmatch(name))}
        if len(digests) > MOST_ASSETS:
            raise Invalid.at(pointer, f"The data names {len(digests)} assets; {MOST_ASSETS} are allowed.", "too_large")
        known = {digest for digest in digests.values() if await self._has(user_id, digest)}
        flaws = [_flaw(pointer + at, name) for at, name in named if digests.get(name) not in known]
        if flaws:
            raise Invalid(*flaws[:20], unlisted=max(0, len(flaws) - 20))
        await self._note(user_id, [digest for digest in known if not self._remembers(user_id, digest)])
        return sorted(known)

    async def needed_by(self, document_id: UUID, digests: Collection[str]) -> None:
        """Keep assets for as long as a document may be made from them. On disk when it returns."""
        await self._blobs.put_many({use_key(document_id, digest): b"" for digest in digests})

    async def not_needed_by(self, document_id: UUID, digests: Collection[str]) -> None:
        """Take back what `needed_by` said: the document was not accepted."""
        if digests:
            await self._blobs.delete_many([use_key(document_id, digest) for digest in digests])

    async def _has(self, user_id: UUID, digest: str) -> bool:
        if self._remembers(user_id, digest):
            return True
        sizes = [await self._blobs.size(key) for key in (owner_key(digest, user_id), asset_key(digest))]
        return None not in sizes

    def _remembers(self, user_id: UUID, digest: str) -> bool:
        return time.monotonic() < self._noted.get((user_id, digest), 0.0)

    async def _note(self, user_id: UUID, digests: Collection[str]) -> None:
        """Write down that a user has used assets just now."""
        await self._blobs.put_many({owner_key(digest, user_id): b"" for digest in digests})
        for digest in digests:
            self._noted[user_id, digest] = time.monotonic() + NOTED_S
            self._noted.move_to_end((user_id, digest))
        while len(self._noted) > REMEMBERED:
            self._noted.popitem(last=False)


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
